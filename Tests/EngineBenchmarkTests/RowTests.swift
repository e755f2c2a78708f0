import Benchmarking
import EngineBenchmark
import Foundation
import Machine
import Testing
import Workflow

@Suite struct RowTests {
    @Test func everyRowHasATitleATargetAndItsTools() {
        for row in EngineRow.allCases {
            #expect(!row.title.isEmpty)
            #expect(!row.target.isEmpty)
            #expect(row.tools.contains(.qemu))
        }
        #expect(EngineRow.machineCode.tools.map(\.program) == ["qemu-system-x86_64", "python3"])
        #expect(EngineRow(rawValue: "machine-code") == .machineCode)
    }

    @Test func theGeometricMeanIsThatOfRatios() {
        #expect(abs(RatioMath.geometricMean([0.25, 1, 4]) - 1) < 1e-12)
        #expect(abs(RatioMath.geometricMean([0.1, 0.4]) - 0.2) < 1e-12)
        #expect(RatioMath.geometricMean([]) == 0)
        #expect(RatioMath.geometricMean([1, 0]) == 0)
        #expect(RatioMath.geometricMean([1, .infinity]) == 0)
        #expect(RatioMath.geometricMean([1, .nan]) == 0)
    }

    @Test func theLargestResidentSetIsReadFromTheKernelsText() throws {
        #expect(MemoryUse.peakBytes(status: "Name:\tx\nVmHWM:\t   12345 kB\nVmRSS:\t 99 kB\n") == 12_641_280)
        #expect(MemoryUse.peakBytes(status: "VmRSS:\t 99 kB\n") == nil)
        #expect(MemoryUse.peakBytes(status: "VmHWM:\t many kB\n") == nil)
        #expect(try MemoryUse.peakBytes() > 1 << 20)
    }

    @Test func aBenchmarkWithoutARecipeSaysWhereItIs() async throws {
        var request = EngineBenchmarkRequest(recipe: "/nowhere/recipe.yaml")
        request.rows = [.fork]
        let error = await #expect(throws: WorkflowError.self) {
            try await EngineBenchmark(request, progress: .silent).run()
        }
        #expect(error?.message.contains("/nowhere/recipe.yaml cannot be read") == true)
        request.rows = []
        await #expect(throws: WorkflowError.self) { try await EngineBenchmark(request, progress: .silent).run() }
    }
}

/// Forks and touched pages, on a machine without a system.
@Suite struct StateTests {
    /// A machine that counts in memory for ever: 1: inc qword [0x500000]; jmp 1b
    private func machine() throws -> Machine {
        var guest = BareGuest()
        guest.write(0x40_0000, [0x48, 0xFF, 0x04, 0x25, 0, 0, 0x50, 0, 0xEB, 0xF6])
        guest.state.rip = 0x40_0000
        return try guest.machine()
    }

    @Test func eachForkIsTimed() throws {
        let times = try ForkProbe(machine()).times(rounds: 20, dirtyPages: 16)
        #expect(times.forks.count == 20)
        #expect(times.writes.count == 20)
        #expect(times.dirtyPages == 16)
        #expect(times.forks.allSatisfy { $0 > 0 })
        #expect(throws: WorkflowError.self) { try ForkProbe(machine()).times(rounds: 1, dirtyPages: 1 << 20) }
    }

    @Test func manyForksLiveAndAreIndependent() throws {
        let crowd = try ForkProbe(machine()).crowd(count: 50, run: 0)
        #expect(crowd.count == 50)
        #expect(crowd.isIndependent)
        #expect(crowd.peakBytes > 1 << 20)
        #expect(crowd.readyPeakBytes >= crowd.peakBytes)
    }

    @Test func touchedPagesAreCountedOnce() throws {
        let machine = try machine()
        #expect(machine.run(budget: 1000) == .budget)
        let use = try MemoryUse(of: machine)
        // The counter's page was zero, and is written; page tables and the code are read, or written for their accessed bits.
        #expect(use.writtenBytes >= 4096)
        #expect(use.touchedBytes >= use.writtenBytes)
        #expect(use.touchedBytes < 1 << 20)
    }
}

import Foundation
import Machine
import Testing
import X86

/// The memory of translated code.
@Suite struct NativeCodeTests {
    /// Many blocks in little memory: everything is thrown away again and again, and the run is the same.
    @Test func fullMemory() throws {
        // 2000 blocks of a jump each, the last one back to the first.
        var program: [UInt8] = []
        for _ in 0..<2000 { program += [0x48, 0xFF, 0xC0, 0xEB, 0x00] }
        program += [0xE9]
        let distance = UInt32(bitPattern: Int32(-(program.count + 4)))
        program += (0..<4).map { UInt8(truncatingIfNeeded: distance >> (8 * $0)) }
        var guest = EngineDifferentialTests.guest(program)
        guest.state.general[0] = 0
        let source = MemoryPageSource(
            regions: [MemoryRegion(name: "ram", start: 0, byteCount: LongModeGuest.memorySize)], pages: guest.pages)
        let blocks = BlockCache(codeCapacity: NativeCode.reserve + 65536)
        let machine = try Machine(base: try BaseMemory(source: source), processors: [guest.state], blocks: blocks)
        for round in UInt64(1)...4 {
            #expect(machine.run(budget: 4001 * 25) == .budget)
            #expect(machine.processor[.rax] >= round * 2000 * 25)
            #expect(machine.processor[.rax] <= machine.retiredInstructions / 2 + 2)
        }
        let native = try #require(blocks.native)
        #expect(native.generation > 4)
        // A fork that waited since an earlier generation knows nothing of it.
        let fork = machine.fork()
        #expect(machine.run(budget: 4001 * 25) == .budget)
        #expect(fork.run(budget: 4001 * 25) == .budget)
        #expect(fork.processor[.rax] == machine.processor[.rax])
    }

    /// No page of translated code is writable and executable at once.
    @Test func writableOrExecutable() throws {
        let machine = try EngineDifferentialTests.guest([0xEB, 0xFE]).machine()
        #expect(machine.run(budget: 100) == .budget)
        let memory = try #require(machine.blocks.native?.memory)
        let executable = UInt64(UInt(bitPattern: memory.executable))
        let writable = UInt64(UInt(bitPattern: memory.writable))
        var rights: [UInt64: Substring] = [:]
        for line in try String(contentsOfFile: "/proc/self/maps", encoding: .utf8).split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let start = fields.first?.split(separator: "-").first, let address = UInt64(start, radix: 16),
                fields.count > 1
            else { continue }
            rights[address] = fields[1]
        }
        #expect(rights[executable]?.hasPrefix("r-x") == true)
        #expect(rights[writable]?.hasPrefix("rw-") == true)
    }

    /// The option selects the engine.
    @Test func option() throws {
        var options = MachineOptions()
        options.usesMachineCode = false
        let machine = try EngineDifferentialTests.guest([0xEB, 0xFE]).machine(options: options)
        #expect(machine.run(budget: 100) == .budget)
        #expect(machine.blocks.translatedCount == 0)
        let other = try EngineDifferentialTests.guest([0xEB, 0xFE]).machine()
        #expect(other.run(budget: 100) == .budget)
        #expect(other.blocks.translatedCount > 0)
    }
}

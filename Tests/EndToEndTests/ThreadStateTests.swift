import CPUModel
import Conversion
import GuestInspection
import Testing
import VMState

/// C14 on the memory of a real guest: in which format its threads' states lie there. The guest ran under the translator, whose CPU
/// has XSAVE without compaction; the lab's KVM has none at all.
@Suite(.serialized) struct ThreadStateTests {
    /// A guest with OSXSAVE whose kernel was looked for, as `check` does with a policy that allows repairs.
    private func context() async throws -> CheckContext {
        let home = try await MiniGuest.shared.home()
        try await home.stemma("run", "Mini", "prep", "--cpu", "max", "--headless", "--until", "READY", "--save", "wide")
        let path = home.path + "/wide.stream"
        try await home.stemma("snapshot", "export", "Mini:wide", path)
        var table = RAMPageTable()
        let stream = try MigrationStreamReader(FileByteSource(path: path)).read(pages: &table)
        let pages = table
        let memory = try SnapshotMemory(stream) { pages.page(block: $0, page: $1, into: $2) }
        var context = try CheckContext(
            stream: stream, target: .tcg(version: QEMUVersion(7, 2), machineTypes: ["pc-i440fx-7.2"]), origin: .kvm,
            memory: memory, kernelLog: [])
        context.findKernel()
        try #require(context.kernel != nil && context.cpus[0].cr4 >> 18 & 1 == 1)
        return context
    }

    private func findings(_ context: CheckContext) throws -> [Finding] {
        try SnapshotConverter().check(context, policy: .standard).findings.filter { $0.check == "C14" }
    }

    @Test func buffersOfThreadsTellTheFormat() async throws {
        var context = try await context()
        // The translator has neither XSAVEC nor XSAVES.
        #expect(try findings(context).map(\.severity) == [.ok])

        // As if one thread that does not run had been saved by XSAVES: the first process, which sleeps.
        let kernel = try #require(context.kernel)
        let types = try #require(kernel.types)
        let link = try #require(types.field("task_struct", "tasks")).offset
        let task = try #require(kernel.symbol("init_task"))
        let first: UInt64 = try kernel.pages.integer(at: task + link)
        let pointer = try #require(types.field("task_struct", "thread.fpu.fpstate")).offset
        let state: UInt64 = try kernel.pages.integer(at: first - link + pointer)
        let format = state + (try #require(types.field("fpstate", "regs.xsave.header.xcomp_bv")).offset)
        var overlay = MemoryOverlay(try #require(context.memory))
        let place = try #require(try kernel.pages.translate(format)).address
        try overlay.write(UInt64(1) << 63 | 7, at: place, subject: "XCOMP_BV")
        context.memory = overlay
        context.kernel = kernel.reading(overlay)
        let fatal = try #require(try findings(context).first)
        #expect(fatal.severity == .fatal)
        let buffers = try #require(fatal.evidence.first)
        #expect(buffers.field == "buffers of threads" && buffers.value.hasPrefix("1 of "))
        #expect(fatal.evidence.last?.field?.hasSuffix("(1)") == true)
        #expect(fatal.evidence.last?.value == "0x8000000000000007")
        // A list of processes that leads nowhere proves nothing, and ends.
        let next = try #require(try kernel.pages.translate(task + link)).address
        try overlay.write(UInt64(0xdead_0000_0000), at: next, subject: "tasks.next")
        context.memory = overlay
        context.kernel = kernel.reading(overlay)
        #expect(try findings(context).map(\.severity) == [.ok])
    }
}

import GuestInspection
import VMState

/// The extended states of a Linux guest's threads, as they lie in its memory: in the standard or in the compacted format.
///
/// Linux allocates the buffer with the thread and notes the format in its header at once (`fpstate_init`), before the thread
/// runs for the first time. Sources: Linux, `arch/x86/include/asm/fpu/types.h`; Intel SDM, volume 1, 13.4.2 (XCOMP_BV).
struct ThreadStates: Sendable {
    /// Threads whose buffers were read.
    private(set) var count = 0
    /// Threads whose buffers are in the compacted format.
    private(set) var compactedCount = 0
    /// The first of these, for people.
    private(set) var evidence: [Finding.Evidence] = []

    /// Threads that are looked at.
    private static let maximumCount = 1024
    /// Threads that are named.
    private static let maximumEvidence = 4

    /// Where things are in this kernel's structures.
    private struct Layout {
        /// In `task_struct`: the link of the list of processes, the identifier, the name.
        let link, identifier, name: UInt64
        /// In `task_struct`: the pointer to the buffer, or the buffer itself (before Linux 5.16).
        let state: UInt64
        let isPointer: Bool
        /// XCOMP_BV, from the buffer's structure on.
        let format: UInt64

        init?(_ types: KernelTypes) {
            guard let link = types.field("task_struct", "tasks"), let name = types.field("task_struct", "comm"),
                let identifier = types.field("task_struct", "pid"), identifier.size == 4, name.size == 16
            else { return nil }
            (self.link, self.identifier, self.name) = (link.offset, identifier.offset, name.offset)
            if let pointer = types.field("task_struct", "thread.fpu.fpstate"), pointer.size == 8,
                let format = types.field("fpstate", "regs.xsave.header.xcomp_bv"), format.size == 8
            {
                (state, isPointer, self.format) = (pointer.offset, true, format.offset)
            } else if let format = types.field("task_struct", "thread.fpu.state.xsave.header.xcomp_bv"),
                format.size == 8
            {
                (state, isPointer, self.format) = (format.offset, false, 0)
            } else {
                return nil
            }
        }
    }

    /// Walks the list of processes, from the first on. Nil if the kernel has other structures than those above; a list that
    /// leads out of memory, or in circles, ends there.
    init?(_ kernel: LinuxKernel) {
        guard let types = kernel.types, let layout = Layout(types), let first = kernel.symbol("init_task") else {
            return nil
        }
        var task = first
        for _ in 0..<Self.maximumCount {
            guard (try? read(task, layout, kernel)) != nil,
                let next: UInt64 = try? kernel.pages.integer(at: task &+ layout.link)
            else { break }
            task = next &- layout.link
            if task == first { break }
        }
    }

    private mutating func read(_ task: UInt64, _ layout: Layout, _ kernel: LinuxKernel) throws(GuestMemoryError) {
        var state = task &+ layout.state
        if layout.isPointer { state = try kernel.pages.integer(at: state) }
        // Threads of the kernel may have none.
        guard state != 0 else { return }
        let format: UInt64 = try kernel.pages.integer(at: state &+ layout.format)
        count += 1
        guard format >> 63 == 1 else { return }
        compactedCount += 1
        guard evidence.count < Self.maximumEvidence else { return }
        let identifier: UInt32 = try kernel.pages.integer(at: task &+ layout.identifier)
        let name = try kernel.pages.bytes(at: task &+ layout.name, count: 16).prefix { (0x20..<0x7f).contains($0) }
        evidence.append(
            Finding.Evidence(
                section: "memory", field: "XCOMP_BV of \(String(decoding: name, as: UTF8.self)) (\(identifier))",
                value: hex(format)))
    }
}

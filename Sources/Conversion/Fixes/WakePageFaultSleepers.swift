import VMState

/// C18: tells every CPU to wake all threads that wait for a page.
struct WakePageFaultSleepers: SnapshotFix {
    static let id = "wake-page-fault-sleepers"
    /// The token that means all (Linux, `arch/x86/kernel/kvm.c`, `kvm_async_pf_task_wake`).
    private static let everybody: UInt32 = .max

    /// The vector that announces a token; nil if the guest has none.
    static func vector(of cpu: CPUSection) throws(VMStateError) -> Int? {
        guard let value = try cpu.first(of: "cpu/async_pf_int_msr"), value & 0xff >= 32,
            let enabled = try cpu.first(of: "cpu/async_pf_msr"), enabled & 8 != 0
        else { return nil }
        return Int(value & 0xff)
    }

    /// The token is there and its interrupt requested.
    static func isDone(_ area: SharedArea, in context: CheckContext) throws(VMStateError) -> Bool {
        guard let vector = try vector(of: area.cpu),
            let position = context.cpus.firstIndex(where: { $0.index == area.cpu.index }),
            let local = try LocalInterrupts.ofCPU(position, in: context.stream)
        else { return false }
        return area.bytes.littleEndian(4, as: UInt32.self) == everybody && local.pending.contains(vector)
    }

    func apply(to snapshot: inout EditableSnapshot, context: CheckContext) throws -> [StreamChange] {
        var changes: [StreamChange] = []
        for area in try SharedArea.all(.asyncPageFaults, in: context) {
            guard let vector = try Self.vector(of: area.cpu),
                let position = context.cpus.firstIndex(where: { $0.index == area.cpu.index }),
                let local = try LocalInterrupts.ofCPU(position, in: snapshot.stream)
            else { throw FixRefusal("\(area.cpu.section.name) has no interrupt for page faults that are done") }
            try snapshot.memory.write(Self.everybody, at: area.address + 4, subject: "\(area.subject), token")
            try snapshot.stream.edit("apic", local.section.instanceID) { section throws(VMStateError) in
                try section.setVector(vector, in: "irr", to: true)
            }
            changes.append(
                StreamChange(
                    section: local.section.name, field: "irr", before: "vector \(hex(vector)) not requested",
                    after: "requested"))
            if let change = try snapshot.stream.request(LocalInterrupts.poll, ofCPU: area.cpu.index) {
                changes.append(change)
            }
        }
        return changes
    }
}

import VMState

/// C42: KVM's counters become those of TCG.
struct HandOverCounters: SnapshotFix {
    static let id = "hand-over-tsc"
    static let needsMemory = false

    func apply(to snapshot: inout EditableSnapshot, context: CheckContext) throws -> [StreamChange] {
        var changes: [StreamChange] = []
        for (var cpu, value) in zip(try snapshot.stream.cpus(), try GuestCounters(context).values)
        where cpu.tsc != value {
            changes.append(
                StreamChange(section: cpu.section.name, field: "env.tsc", before: hex(cpu.tsc), after: hex(value)))
            cpu.tsc = value
            try snapshot.stream.replace(cpu)
        }
        return changes
    }
}

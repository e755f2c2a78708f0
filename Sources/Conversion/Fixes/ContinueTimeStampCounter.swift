import VMState

/// Makes TCG's time stamp counters go on where KVM's stopped.
struct ContinueTimeStampCounter: StreamFix {
    static let id = "continue-tsc"

    func apply(to stream: inout MigrationStream) throws(VMStateError) -> [StreamChange] {
        var changes: [StreamChange] = []
        let cpus = try stream.cpus()
        let wanted = try TimeStampCounters(cpus)
        try stream.edit("timer") { timer throws(VMStateError) in
            let before = try timer.unsigned("cpu_ticks_offset")
            guard before != wanted.ticks else { return }
            try timer.set("cpu_ticks_offset", to: wanted.ticks)
            changes.append(
                StreamChange(
                    section: timer.name, field: "cpu_ticks_offset", before: hex(before), after: hex(wanted.ticks)))
        }
        for (var cpu, offset) in zip(cpus, wanted.offsets) where cpu.tscOffset != offset {
            let before = cpu.tscOffset
            cpu.tscOffset = offset
            try stream.replace(cpu)
            changes.append(
                StreamChange(
                    section: cpu.section.name, field: "env.tsc_offset", before: hex(before), after: hex(offset)))
        }
        return changes
    }
}

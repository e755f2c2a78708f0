import VMState

/// Computes the derived flags from the architectural state, for all CPUs.
struct RecomputeHiddenFlags: StreamFix {
    static let id = "recompute-hflags"

    func apply(to stream: inout MigrationStream) throws(VMStateError) -> [StreamChange] {
        var changes: [StreamChange] = []
        for var cpu in try stream.cpus() {
            let before = cpu.hflags
            let expected = try HiddenFlags.expected(cpu)
            guard before != expected else { continue }
            cpu.hflags = expected
            try stream.replace(cpu)
            changes.append(
                StreamChange(
                    section: cpu.section.name, field: "env.hflags", before: hex(before), after: hex(expected)))
        }
        return changes
    }
}

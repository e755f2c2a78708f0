import VMState

/// C04: takes out subsections that the target does not know and that say nothing.
struct DropUnknownSubsections: SnapshotFix {
    static let id = "drop-unknown-subsections"
    static let needsMemory = false

    func apply(to snapshot: inout EditableSnapshot, context: CheckContext) throws -> [StreamChange] {
        var changes: [StreamChange] = []
        for cpu in try snapshot.stream.cpus() {
            for name in SubsectionVersionCheck.unknown(cpu, context) where try cpu.isInert(name) {
                changes.append(try snapshot.stream.drop(name, ofCPU: cpu))
            }
        }
        return changes
    }
}

/// C31: takes out state of hardware that TCG does not have.
struct DropHardwareTracing: StreamFix {
    static let id = "drop-hardware-tracing"

    func apply(to stream: inout MigrationStream) throws(VMStateError) -> [StreamChange] {
        var changes: [StreamChange] = []
        for cpu in try stream.cpus() {
            for name in HardwareTracingCheck.subsections where cpu.hasSubsection(name) {
                changes.append(try stream.drop(name, ofCPU: cpu))
            }
        }
        return changes
    }
}

extension MigrationStream {
    /// Takes a CPU's subsection out.
    mutating func drop(_ name: String, ofCPU cpu: CPUSection) throws(VMStateError) -> StreamChange {
        let count = try cpu.section.bytes(name).count
        try removeSubsection(name, of: cpu.section.idstr, cpu.index)
        return StreamChange(
            section: cpu.section.name, field: name, before: "\(count) bytes", after: "removed")
    }
}

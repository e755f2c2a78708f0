import VMState

/// C43: run states and NMIs go where KVM reads them.
struct HandOverEvents: StreamFix {
    static let id = "hand-over-events"

    func apply(to stream: inout MigrationStream) throws(VMStateError) -> [StreamChange] {
        var changes: [StreamChange] = []
        for (position, var cpu) in try stream.cpus().enumerated() {
            let wanted = try EventsForKVMCheck.runState(cpu, position: position, stream)
            if cpu.mpState != wanted {
                changes.append(
                    StreamChange(
                        section: cpu.section.name, field: "env.mp_state", before: "\(cpu.mpState)", after: "\(wanted)"))
                cpu.mpState = wanted
            }
            guard let common = stream.device("cpu_common", cpu.index) else { continue }
            let request = try common.unsigned("interrupt_request")
            if request & LocalInterrupts.nmi != 0 {
                cpu.nmiPending = 1
                try stream.edit("cpu_common", cpu.index) { section throws(VMStateError) in
                    try section.set("interrupt_request", to: request & ~LocalInterrupts.nmi)
                }
                changes.append(
                    StreamChange(
                        section: common.name, field: "interrupt_request", before: hex(request),
                        after: "\(hex(request & ~LocalInterrupts.nmi)), NMI pending in \(cpu.section.name)"))
            }
            if common.contains("cpu_common/exception_index") {
                try stream.removeSubsection("cpu_common/exception_index", of: "cpu_common", cpu.index)
                changes.append(
                    StreamChange(
                        section: common.name, field: "cpu_common/exception_index", before: "present", after: "removed"))
            }
            try stream.replace(cpu)
        }
        return changes
    }
}

/// C44: takes TCG's SVM state out.
struct DropSVMState: StreamFix {
    static let id = "drop-svm-state"
    static let subsections = ["cpu/svm_guest", "cpu/svn_npt"]

    func apply(to stream: inout MigrationStream) throws(VMStateError) -> [StreamChange] {
        var changes: [StreamChange] = []
        for cpu in try stream.cpus() where cpu.hflags >> 21 & 1 == 0 {
            for name in Self.subsections where cpu.hasSubsection(name) {
                changes.append(try stream.drop(name, ofCPU: cpu))
            }
        }
        return changes
    }
}

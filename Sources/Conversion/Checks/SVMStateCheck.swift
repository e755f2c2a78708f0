import VMState

/// C44: TCG's own state of nested virtualisation.
struct SVMStateCheck: SnapshotCheck {
    let id = "C44"
    let title = "TCG's SVM state"
    var fix: String? { DropSVMState.id }
    let explanation = """
        TCG has SVM and keeps its control fields in the subsection svm_guest; KVM keeps them in nested_state and does not look \
        there. Outside of an inner guest the fields mean nothing and are dropped. Inside one, the state cannot be handed over.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .kvm, context.origin == .tcg else { return [] }
        var idle: [Finding.Evidence] = []
        var busy: [Finding.Evidence] = []
        for cpu in context.cpus {
            if cpu.hflags >> 21 & 1 != 0 {
                busy.append(
                    Finding.Evidence(
                        section: cpu.section.name, field: "env.hflags", value: "\(hex(cpu.hflags)): GUEST"))
            } else {
                idle += DropSVMState.subsections.filter { cpu.hasSubsection($0) }.map {
                    Finding.Evidence(section: cpu.section.name, field: $0, value: "present")
                }
            }
        }
        var findings: [Finding] = []
        if !busy.isEmpty {
            findings.append(
                finding(
                    .fatal, "The guest runs a virtual machine itself", evidence: busy,
                    effect: "KVM does not find the inner guest's state: the CPU resumes in the wrong one.",
                    remedy: "Stop the inner guest before the snapshot."))
        }
        if !idle.isEmpty {
            findings.append(
                finding(
                    .fixable, "The CPU has SVM state that KVM does not read", evidence: idle,
                    effect: "None outside of an inner guest.", remedy: "Convert the snapshot: it is taken out."))
        }
        return findings
    }
}

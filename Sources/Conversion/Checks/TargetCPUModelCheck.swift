import VMState

/// C41: the model in the snapshot's command line.
struct TargetCPUModelCheck: SnapshotCheck {
    let id = "C41"
    let title = "CPU model of the command line"
    var fix: String? { SetCPUModel.id }
    let explanation = """
        A stream carries no CPUID: the command line decides what the guest's CPU says of itself after it was moved. TCG knows \
        no model "host", and ignores what only KVM understands. The converted snapshot keeps a model with a name, without \
        what only KVM understands; what the model has and TCG lacks, TCG leaves out with a warning. For "host", and where the \
        guest's model is not known, it gets everything that the target can do ("max"), because a guest may use any feature \
        that it saw when it booted. On the way back, "enforce" is taken away.
        """

    func run(_ context: CheckContext) -> [Finding] {
        guard let launch = context.launch else { return [] }
        let isBack = context.target.accelerator == .kvm && context.origin == .tcg
        let isThere = context.target.accelerator == .tcg && context.origin != .tcg
        guard isBack || isThere else { return [] }
        let argument = ResumeCPU.adapted(launch, context)
        guard argument != ResumeCPU(launch.cpu) else { return [] }
        return [
            finding(
                .fixable, "The CPU of the command line is not one for \(context.target.name)",
                evidence: [
                    Finding.Evidence(
                        section: "command line", field: "-cpu",
                        value: launch.isCPUKnown ? launch.cpu : "\(launch.cpu), a guess")
                ],
                effect: "QEMU refuses to start, or gives the guest another CPU than it has seen.",
                remedy: "Convert the snapshot: its command line gets '-cpu \(argument.text)'.")
        ]
    }
}

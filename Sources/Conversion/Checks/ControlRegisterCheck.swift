import VMState

/// C12: bits of CR4 that the target's CPU does not have.
struct ControlRegisterCheck: SnapshotCheck {
    let id = "C12"
    let title = "Control register 4"
    var fix: String? { SetCPUFeatures.id }
    let explanation = """
        A CR4 that is loaded from a stream is not checked. The next time that the guest writes to CR4, TCG compares all bits \
        with the features of its -cpu, and a bit without its feature ends in the exit of nested virtualisation: the guest is \
        lost without any exception. Bits that TCG has can be allowed by -cpu; VMXE, SMXE, CET and newer ones it never has.
        """

    func run(_ context: CheckContext) -> [Finding] {
        let limits = TargetLimits(context.target)
        var fatal: [Finding.Evidence] = []
        for cpu in context.cpus {
            // PCIDE has a check of its own, and loads.
            let surplus = cpu.cr4 & ~limits.cr4 & ~(1 << 17)
            guard surplus != 0 else { continue }
            fatal.append(
                Finding.Evidence(
                    section: cpu.section.name, field: "env.cr[4]",
                    value: "\(hex(cpu.cr4)): \(RequiredFeatures.names(surplus, RequiredFeatures.cr4Bits))"))
        }
        var findings: [Finding] = []
        if !fatal.isEmpty {
            findings.append(
                finding(
                    .fatal, "CR4 has bits that \(context.target.name) does not know", evidence: fatal,
                    effect: "The guest is lost at its next write to CR4.",
                    remedy: "\(context.captureAgain)."))
        }
        return findings + missingFeatures(context, fields: ["env.cr[4]", "env.xcr0"], what: "CR4 or XCR0")
    }
}

extension SnapshotCheck {
    /// A finding about features that `-cpu` does not surely give.
    func missingFeatures(_ context: CheckContext, fields: Set<String>, what: String) -> [Finding] {
        guard context.target.accelerator == .tcg, context.origin != .tcg, let launch = context.launch,
            launch.cpu != context.captureModel.kvmArgument, launch.cpu != context.captureModel.targetArgument
        else { return [] }
        let argument = ResumeCPU.adapted(launch, context)
        let missing = RequiredFeatures(context).needs.filter {
            fields.contains($0.evidence.field ?? "") && !argument.provides($0.feature, context)
        }
        guard !missing.isEmpty else { return [] }
        let names = missing.map(\.feature).joined(separator: ", ")
        return [
            finding(
                .fixable,
                "The guest has features switched on in \(what) that '-cpu \(argument.text)' may lack: \(names)",
                evidence: missing.map(\.evidence)
                    + [Finding.Evidence(section: "command line", field: "-cpu", value: launch.cpu)],
                effect: "Without the feature, TCG loses the guest at its next write to the register.",
                remedy: "Convert the snapshot: its command line gets the features.")
        ]
    }
}

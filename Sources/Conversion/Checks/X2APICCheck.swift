import VMState

/// C10: a guest in x2APIC mode talks to its LAPIC through MSRs that old TCGs ignore.
struct X2APICCheck: SnapshotCheck {
    let id = "C10"
    let title = "x2APIC mode"
    let explanation = """
        In x2APIC mode a guest reaches its local APIC by MSRs 0x800 to 0x8ff instead of memory. TCG has that mode from QEMU 9.0 \
        on. Before, writes to these MSRs are ignored: the end of an interrupt never arrives at the APIC, no further interrupt \
        is delivered, and the guest hangs in HLT. KVM offers x2APIC with every CPU model unless it is switched off. The repair \
        for Linux, where the policy allows it, takes the guest back to the APIC in memory.
        """
    var fix: String? { SetCPUFeatures.id }
    var repair: String? { XAPICRepair.id }

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        var evidence: [Finding.Evidence] = []
        for apic in context.stream.devices(named: "apic") {
            let base = try apic.unsigned("apicbase")
            guard base & 1 << 10 != 0 else { continue }
            evidence.append(Finding.Evidence(section: apic.name, field: "apicbase", value: "\(hex(base)): x2APIC"))
        }
        guard !evidence.isEmpty else { return [] }
        if context.target.hasX2APIC {
            if let launch = context.launch, context.target.accelerator == .tcg, context.origin != .tcg {
                let argument = ResumeCPU.adapted(launch, context)
                guard !argument.provides("x2apic", context) else { return [] }
                return [
                    finding(
                        .fixable, "The guest's LAPIC is in x2APIC mode, which '-cpu \(argument.text)' may lack",
                        evidence: evidence,
                        effect: "Ends of interrupts and IPIs written to MSRs are ignored: the guest hangs in HLT.",
                        remedy: "Convert the snapshot: its command line gets '+x2apic'.")
                ]
            }
            return [
                finding(
                    .note, "The guest's LAPIC is in x2APIC mode", evidence: evidence,
                    effect: "The target has x2APIC; its CPU has to be started with it.",
                    remedy: "Resume with '+x2apic' in '-cpu'.")
            ]
        }
        return [
            finding(
                .fatal, "The guest's LAPIC is in x2APIC mode, which \(context.target.name) lacks", evidence: evidence,
                effect: "Ends of interrupts and IPIs written to MSRs are ignored: the guest hangs in HLT.",
                remedy: "Use QEMU 9.0 or later as the target. Or: \(context.captureAgain) ('-x2apic' is what matters).")
        ]
    }
}

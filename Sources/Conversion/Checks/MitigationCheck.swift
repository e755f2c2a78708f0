import VMState

/// C32: registers that hold speculation in check.
struct MitigationCheck: SnapshotCheck {
    let id = "C32"
    let title = "Speculation controls"
    let explanation = """
        SPEC_CTRL, VIRT_SSBD and TSX_CTRL hold back speculation or transactions of a real CPU. TCG does not speculate and has \
        no transactions; it ignores what the guest writes there. Nothing is lost but the measured cost of the mitigations.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg else { return [] }
        let evidence = context.cpus.flatMap { (cpu: CPUSection) -> [Finding.Evidence] in
            ["cpu/spec_ctrl", "cpu/virt_ssbd", "cpu/msr_tsx_ctrl"].filter { cpu.hasSubsection($0) }.map {
                Finding.Evidence(section: cpu.section.name, field: $0, value: "present")
            }
        }
        guard !evidence.isEmpty else { return [] }
        return [
            finding(
                .note, "The guest controls speculation", evidence: evidence,
                effect: "None: the translator does not speculate.", remedy: "Nothing to do.")
        ]
    }
}

import VMState

/// C11: process-context identifiers in CR3.
struct ProcessContextCheck: SnapshotCheck {
    let id = "C11"
    let title = "Process-context identifiers (PCID)"
    let explanation = """
        With CR4.PCIDE the low 12 bits of CR3 name an address space, and bit 63 of a value written to CR3 asks to keep its \
        TLB entries. TCG has no PCID: it loads CR4.PCIDE without complaint, but takes bit 63 for a bit beyond the physical \
        address, and leaves by the exit of nested virtualisation, which overwrites the guest's state. INVPCID raises #UD. \
        Linux uses both whenever the CPU offers them.
        """

    func run(_ context: CheckContext) -> [Finding] {
        guard !TargetLimits(context.target).hasPCID else { return [] }
        let evidence = context.cpus.filter { $0.cr4 >> 17 & 1 != 0 }.flatMap { cpu in
            [
                Finding.Evidence(section: cpu.section.name, field: "env.cr[4]", value: "\(hex(cpu.cr4)): PCIDE"),
                Finding.Evidence(
                    section: cpu.section.name, field: "env.cr[3]",
                    value: "\(hex(cpu.cr3)): identifier \(cpu.cr3 & 0xfff)"),
            ]
        }
        guard !evidence.isEmpty else { return [] }
        return [
            finding(
                .fatal, "The guest uses process-context identifiers, which \(context.target.name) lacks",
                evidence: evidence,
                effect:
                    "The next switch of address spaces that keeps TLB entries wrecks the guest without any message.",
                remedy: "\(context.captureAgain) ('-pcid,-invpcid' is what matters).")
        ]
    }
}

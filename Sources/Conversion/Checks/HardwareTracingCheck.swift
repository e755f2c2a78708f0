import VMState

/// C31: performance counters, branch records, processor trace, enclaves.
struct HardwareTracingCheck: SnapshotCheck {
    let id = "C31"
    let title = "Counters and traces of the hardware"
    var fix: String? { DropHardwareTracing.id }
    let explanation = """
        Performance counters, last-branch records, processor trace, SGX's launch key and local machine checks are registers \
        that KVM keeps and TCG does not have: reads give zero, writes are ignored. A guest that counts cycles gets none, and \
        its NMI watchdog never fires. The subsections are dropped, so that nobody takes them for live state.
        """

    /// Subsections without meaning for TCG.
    static let subsections = [
        "cpu/msr_architectural_pmu", "cpu/intel_pt", "cpu/arch_lbr", "cpu/intel_sgx", "cpu/mcg_ext_ctl",
    ]

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg else { return [] }
        let evidence = context.cpus.flatMap { (cpu: CPUSection) -> [Finding.Evidence] in
            Self.subsections.filter { cpu.hasSubsection($0) }.map {
                Finding.Evidence(section: cpu.section.name, field: $0, value: "present")
            }
        }
        guard !evidence.isEmpty else { return [] }
        return [
            finding(
                .fixable, "The guest has used counters or traces of the hardware", evidence: evidence,
                effect: "They stand still under the target; profilers and the NMI watchdog see nothing.",
                remedy: "Convert the snapshot: their state is taken out.")
        ]
    }
}

import VMState

/// C16: contents of AVX-512 and AMX registers.
struct VectorStateCheck: SnapshotCheck {
    let id = "C16"
    let title = "Live AVX-512 and AMX registers"
    let explanation = """
        The section cpu has the subsection avx512 only when one of the registers that AVX-512 adds is not zero, and \
        intel_amx_xtile when the CPU has AMX. TCG loads them and has no instruction that uses them: a thread that was in the \
        middle of such code gets #UD.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg else { return [] }
        var evidence: [Finding.Evidence] = []
        for cpu in context.cpus {
            for name in ["cpu/avx512", "cpu/intel_amx_xtile"] where cpu.hasSubsection(name) {
                guard try !cpu.isInert(name) else { continue }
                evidence.append(Finding.Evidence(section: cpu.section.name, field: name, value: "not zero"))
            }
        }
        guard !evidence.isEmpty else { return [] }
        return [
            finding(
                .fatal, "Registers of AVX-512 or AMX are in use", evidence: evidence,
                effect: "The thread that uses them gets #UD; what it computed is lost.",
                remedy: "\(context.captureAgain) (without avx512* and amx-*).")
        ]
    }
}

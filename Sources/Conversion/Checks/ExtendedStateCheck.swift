import VMState

/// C13: components of XCR0 and XSS that the target's CPU does not have.
struct ExtendedStateCheck: SnapshotCheck {
    let id = "C13"
    let title = "Extended state (XCR0, XSS)"
    let explanation = """
        XCR0 says which parts of the CPU's extended state the guest saves and restores: x87, SSE, AVX, AVX-512, AMX and so \
        on. The guest's buffers are laid out for it. TCG has x87, SSE, AVX, MPX and PKRU; it has no supervisor state (XSS) at \
        all. A component that it lacks is neither saved nor restored, and an XRSTOR that asks for it raises #GP in the \
        guest's kernel.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg else { return [] }
        let limits = TargetLimits(context.target)
        var evidence: [Finding.Evidence] = []
        for cpu in context.cpus {
            let surplus = cpu.cr4 >> 18 & 1 != 0 ? cpu.xcr0 & ~limits.xcr0 : 0
            if surplus != 0 {
                evidence.append(
                    Finding.Evidence(
                        section: cpu.section.name, field: "env.xcr0",
                        value: "\(hex(cpu.xcr0)): \(RequiredFeatures.names(surplus, RequiredFeatures.xcr0Bits))"))
            }
            if let supervisor = try cpu.first(of: "cpu/xss"), supervisor != 0 {
                evidence.append(Finding.Evidence(section: cpu.section.name, field: "cpu/xss", value: hex(supervisor)))
            }
        }
        guard !evidence.isEmpty else { return [] }
        return [
            finding(
                .fatal, "The guest saves extended state that \(context.target.name) does not have", evidence: evidence,
                effect: "The guest's kernel gets #GP or #UD when it switches between threads.",
                remedy: "\(context.captureAgain) (without avx512*, amx-*, pku where they are named).")
        ]
    }
}

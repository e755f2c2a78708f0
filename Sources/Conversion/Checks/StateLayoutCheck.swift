import VMState

/// C15: where the parts of the XSAVE area lie.
struct StateLayoutCheck: SnapshotCheck {
    let id = "C15"
    let title = "Layout of the XSAVE area"
    let explanation = """
        In the standard format every component of the XSAVE area has a fixed place, which CPUID leaf 0xD tells. x87, SSE and \
        AVX lie at the same place everywhere. The places of MPX and PKRU depend on the CPU: TCG has BNDREGS at 0x3c0, BNDCSR at \
        0x400 and PKRU at 0xa80, as Intel's CPUs with AVX-512; AMD's have PKRU elsewhere. A guest with buffers of another \
        layout restores garbage.
        """

    /// PKRU's place in TCG (QEMU, `target/i386/cpu.h`, X86XSaveArea).
    static let protectionKeys: UInt64 = 0xa80

    func run(_ context: CheckContext) -> [Finding] {
        guard context.target.accelerator == .tcg, context.origin != .tcg else { return [] }
        let users = context.cpus.filter { $0.cr4 >> 18 & 1 != 0 && $0.xcr0 >> 9 & 1 != 0 }
        guard !users.isEmpty else { return [] }
        var evidence = users.map {
            Finding.Evidence(section: $0.section.name, field: "env.xcr0", value: "\(hex($0.xcr0)): PKRU")
        }
        if let offset = context.stateOffset(component: 9) {
            guard offset != Self.protectionKeys else { return [] }
            evidence.append(Finding.Evidence(section: "fingerprint", field: "d.9.ebx", value: hex(offset)))
            return [
                finding(
                    .fatal, "PKRU has another place in the guest's buffers than in \(context.target.name)'s",
                    evidence: evidence,
                    effect: "Protection keys are restored from the wrong bytes: threads get page faults at random.",
                    remedy: "\(context.captureAgain) ('-pku' is what matters).")
            ]
        }
        return [
            finding(
                .warning, "The guest saves PKRU, and it is not known where", evidence: evidence,
                effect: "On an AMD CPU the layout differs from TCG's, and protection keys would be garbage.",
                remedy: "Record the CPU's fingerprint, or \(context.captureAgain) ('-pku' is what matters).")
        ]
    }
}

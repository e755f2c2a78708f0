import VMState

/// C17: EFER.
struct ExtendedFeaturesCheck: SnapshotCheck {
    let id = "C17"
    let title = "EFER"
    var fix: String? { SetCPUFeatures.id }
    let explanation = """
        EFER switches on long mode, SYSCALL, no-execute pages and SVM. A value from a stream is not checked; when the guest \
        writes it again, TCG keeps only the bits whose features -cpu has. Without NXE, for example, every page that must not \
        be executed faults for its reserved bit.
        """

    func run(_ context: CheckContext) -> [Finding] {
        let limits = TargetLimits(context.target)
        var strange: [Finding.Evidence] = []
        for cpu in context.cpus {
            let surplus = cpu.efer & ~limits.efer
            guard surplus != 0 else { continue }
            strange.append(
                Finding.Evidence(
                    section: cpu.section.name, field: "env.efer",
                    value: "\(hex(cpu.efer)): \(RequiredFeatures.names(surplus, RequiredFeatures.eferBits))"))
        }
        var findings: [Finding] = []
        if !strange.isEmpty {
            findings.append(
                finding(
                    .warning, "EFER has bits that \(context.target.name) ignores", evidence: strange,
                    effect: "What the bits switch on does not happen.",
                    remedy: "\(context.captureAgain), if the guest needs it."))
        }
        return findings + missingFeatures(context, fields: ["env.efer"], what: "EFER")
    }
}

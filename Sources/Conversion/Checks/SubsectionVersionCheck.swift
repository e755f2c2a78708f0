import CPUModel
import VMState

/// C04: subsections that a newer QEMU wrote and the target's QEMU does not know.
struct SubsectionVersionCheck: SnapshotCheck {
    let id = "C04"
    let title = "Subsections of newer QEMUs"
    var fix: String? { DropUnknownSubsections.id }
    let explanation = """
        A device section ends with optional subsections, which QEMU finds by their names. Newer versions add some; an older \
        one that meets a name it does not know refuses the stream. Versioned machine types promise that new devices stay \
        away, but not that every CPU register does. A subsection whose bytes are all zero says nothing that the reset state \
        does not say as well, and can be dropped. One with contents stands for something that the guest uses.
        """

    /// The CPU's subsections that are younger than QEMU 7.2, with the version that has them.
    ///
    /// Source: QEMU, `target/i386/machine.c`, of the releases.
    static let youngest: [String: QEMUVersion] = [
        "cpu/xen_vcpu": QEMUVersion(8, 0), "cpu/fred": QEMUVersion(9, 1), "cpu/msr_hwcr": QEMUVersion(9, 2),
    ]

    /// The subsections of a CPU that the target does not know.
    static func unknown(_ cpu: CPUSection, _ context: CheckContext) -> [String] {
        context.stream.subsections(of: cpu.section).filter { name in
            youngest[name].map { context.target.version < $0 } ?? false
        }
    }

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        var inert: [Finding.Evidence] = []
        var used: [Finding.Evidence] = []
        for cpu in context.cpus {
            for name in Self.unknown(cpu, context) {
                let isInert = try cpu.isInert(name)
                let evidence = Finding.Evidence(
                    section: cpu.section.name, field: name, value: isInert ? "all zero" : "in use")
                if isInert { inert.append(evidence) } else { used.append(evidence) }
            }
        }
        let effect = "QEMU \(context.target.version) refuses the snapshot: error while loading state of device 'cpu'."
        var findings: [Finding] = []
        if !used.isEmpty {
            findings.append(
                finding(
                    .fatal, "The CPU has state that \(context.target.name) does not know", evidence: used,
                    effect: effect,
                    remedy: "Use a newer QEMU as the target, or take the snapshot of a guest on an older CPU model."))
        }
        if !inert.isEmpty {
            findings.append(
                finding(
                    .fixable, "The CPU has empty subsections that \(context.target.name) does not know",
                    evidence: inert,
                    effect: effect, remedy: "Convert the snapshot: they are taken out."))
        }
        return findings
    }
}

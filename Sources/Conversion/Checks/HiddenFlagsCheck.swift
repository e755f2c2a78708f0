import VMState

/// C05: derived flags that KVM leaves unset and TCG believes.
struct HiddenFlagsCheck: SnapshotCheck {
    let id = "C05"
    let title = "Derived CPU flags"
    let explanation = """
        QEMU keeps a word of flags, hflags, that sums up the CPU's mode for the translator. TCG updates it when a control \
        register is written; KVM fills in only a part. A stream of KVM has, for example, no flag that AVX is switched on: \
        under TCG every AVX instruction then raises #UD, and user space dies within seconds. All bits can be computed from \
        CR4, XCR0, EFER and BNDCFG.
        """
    var fix: String? { RecomputeHiddenFlags.id }

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg else { return [] }
        var evidence: [Finding.Evidence] = []
        var wrong: [HiddenFlags.Bit] = []
        for cpu in context.cpus {
            let expected = try HiddenFlags.expected(cpu)
            guard expected != cpu.hflags else { continue }
            let bits = HiddenFlags.bits.filter { (expected ^ cpu.hflags) & $0.mask != 0 }
            let names = bits.map { "\(expected & $0.mask == 0 ? "surplus" : "missing") \($0.name)" }
            evidence.append(
                Finding.Evidence(
                    section: cpu.section.name, field: "env.hflags",
                    value: "\(hex(cpu.hflags)), should be \(hex(expected)): \(names.joined(separator: ", "))"))
            for bit in bits where !wrong.contains(where: { $0.number == bit.number }) { wrong.append(bit) }
        }
        guard !wrong.isEmpty else { return [] }
        return [
            finding(
                .fixable,
                "Derived flags do not fit the control registers: \(wrong.map(\.name).joined(separator: ", "))",
                evidence: evidence, effect: wrong.map { "\($0.name): \($0.effect)" }.joined(separator: "; ") + ".",
                remedy: "Convert the snapshot: the flags are computed from CR4, XCR0, EFER and BNDCFG.")
        ]
    }
}

import VMState

/// C38: programs that chose their code by the CPU.
struct UserProgramCheck: SnapshotCheck {
    let id = "C38"
    let title = "Instruction sets that programs have chosen"
    let explanation = """
        Programs ask the CPU once what it can do, and keep the answer: libc resolves memcpy to a version for AVX-512, a \
        just-in-time compiler emits its best instructions. What runs already goes on with the old answer. A feature that the \
        target lacks is then an #UD in some program, perhaps hours later. Only the CPU's fingerprint or its command line tells \
        what was on offer; registers tell a part of it.
        """

    /// Features with instructions for user mode that TCG does not execute, with what the user would see.
    private static let features = [
        "avx512f", "avx512vl", "avx512bw", "avx512dq", "gfni", "vpclmulqdq", "xsavec", "xsaves", "amx-tile", "rtm",
        "hle", "cldemote", "movdiri", "movdir64b", "serialize", "waitpkg", "avx-vnni", "shstk", "ibt", "uintr",
    ]

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg, context.origin != .tcg else { return [] }
        let known = CPUEvidence(context)
        let found = Self.features.compactMap { name in known.state(of: name).map { (name, $0) } }.filter { $0.1.isOn }
        guard !found.isEmpty else { return [] }
        let names = found.map(\.0).joined(separator: ", ")
        return [
            finding(
                .warning, "Programs may use what \(context.target.name) does not execute: \(names)",
                evidence: found.map(\.1.evidence),
                effect: "A program that chose such instructions gets SIGILL (#UD) when it uses them.",
                remedy: "\(context.captureAgain).")
        ]
    }
}

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

    /// Features with instructions for user mode that raise #UD where they are missing.
    private static let features = [
        "ssse3", "sse4.1", "sse4.2", "popcnt", "aes", "pclmulqdq", "movbe", "avx", "f16c", "fma", "bmi1", "bmi2",
        "avx2",
        "adx", "sha-ni", "vaes", "rdpid", "xsave", "xsaveopt", "xsavec", "sse4a", "xop", "fma4", "tbm", "3dnow",
        "avx512f", "avx512vl", "avx512bw", "avx512dq", "avx512cd", "avx512ifma", "avx512vbmi", "gfni", "vpclmulqdq",
        "avx-vnni", "avx-ifma", "amx-tile", "rtm", "movdiri", "movdir64b", "serialize", "uintr", "fsgsbase", "pku",
    ]

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg, context.origin != .tcg else { return [] }
        let known = try CPUEvidence(context)
        let found = Self.features.filter { context.target.provides($0) == false }
            .compactMap { name in known.state(of: name).map { (name, $0) } }.filter { $0.1.isOn }
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

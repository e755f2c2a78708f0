import VMState

/// C14: XSAVES, XSAVEC and the compacted format.
struct CompactedStateCheck: SnapshotCheck {
    let id = "C14"
    let title = "Compacted XSAVE format"
    let explanation = """
        Linux saves the extended state of threads with XSAVES or XSAVEC where the CPU has them, and patches its code once at \
        boot. TCG has neither: the instructions raise #UD, and XRSTOR of a buffer in the compacted format raises #GP. Every \
        thread's buffer is in that format, so that nothing short of rewriting kernel code and all buffers helps. Evidence, the \
        strongest first: where the kernel was looked for and found in RAM, the instruction in its code and the headers of its \
        threads' buffers (XCOMP_BV, at most 1024 processes); the CPU's fingerprint; the command line; the subsection xss.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg, context.origin != .tcg,
            !TargetLimits(context.target).hasCompactedXSAVE,
            context.cpus.contains(where: { $0.cr4 >> 18 & 1 != 0 })
        else { return [] }
        // What the kernel does and has done says more than what its CPU could do.
        let instruction = context.stateInstruction()
        let states = context.kernel.flatMap { ThreadStates($0) }
        var proof = instruction.flatMap { $0.usesCompactedFormat ? [$0.evidence] : nil } ?? []
        if let states, states.compactedCount > 0 {
            proof.append(
                Finding.Evidence(
                    section: "memory", field: "buffers of threads",
                    value: "\(states.compactedCount) of \(states.count) are in the compacted format"))
            proof += states.evidence
        }
        if !proof.isEmpty {
            return [
                finding(
                    .fatal, "The kernel saves threads in the compacted format", evidence: proof,
                    effect: "The next switch of threads raises #UD or #GP in the kernel, which panics.",
                    remedy: "\(context.captureAgain) ('-xsavec,-xsaves' is what matters).")
            ]
        }
        if instruction != nil || states.map({ $0.count > 0 }) == true { return [] }
        let evidence = try CPUEvidence(context)
        let found = ["xsaves", "xsavec"].compactMap { name in evidence.state(of: name).map { (name, $0) } }
        let present = found.filter { $0.1.isOn }
        if !present.isEmpty {
            return [
                finding(
                    .fatal, "The guest's CPU had \(present.map(\.0).joined(separator: " and "))",
                    evidence: present.map(\.1.evidence),
                    effect: "Linux uses them for every thread: #UD in the kernel, then a panic.",
                    remedy: "\(context.captureAgain) ('-xsavec,-xsaves' is what matters).")
            ]
        }
        guard found.isEmpty else { return [] }
        return [
            finding(
                .note, "It is not known whether the guest's CPU had XSAVES or XSAVEC",
                evidence: context.cpus.prefix(1).map {
                    Finding.Evidence(section: $0.section.name, field: "env.cr[4]", value: "\(hex($0.cr4)): OSXSAVE")
                },
                effect: "If it had, the guest's kernel gets #UD.",
                remedy: "Try the converted snapshot. If it dies: \(context.captureAgain) ('-xsavec,-xsaves').")
        ]
    }
}

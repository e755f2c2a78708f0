import VMState

/// C28: a guest that believes to run on KVM.
struct HypervisorSignatureCheck: SnapshotCheck {
    let id = "C28"
    let title = "Hypervisor's signature"
    let explanation = """
        CPUID leaf 0x40000000 names the hypervisor, and 0x40000001 what it offers. Linux reads them once at boot and keeps \
        what it found; TCG answers with its own name and offers nothing. What the guest has switched on is looked at by other \
        checks (C08, C18 to C22); what it may switch on later, by writing to an MSR of KVM, TCG ignores.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard !context.target.hasKVMHypercalls, context.origin != .tcg else { return [] }
        var evidence: [Finding.Evidence] = []
        for area in ParavirtualArea.allCases { evidence += try area.evidence(context).prefix(1) }
        guard !evidence.isEmpty else { return [] }
        return [
            finding(
                .note, "The guest knows that it runs on KVM", evidence: evidence,
                effect: "It may use more of KVM's interface later, for example when a CPU is plugged in.",
                remedy: "Nothing to do while nothing is plugged in. 'kvm=off' in '-cpu' avoids it.")
        ]
    }
}

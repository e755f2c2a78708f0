import VMState

/// C20: an interrupt whose end KVM would notice by itself.
struct EndOfInterruptCheck: SnapshotCheck {
    let id = "C20"
    let title = "Paravirtual end of interrupt"
    var fix: String? { ClearEndOfInterrupt.id }
    let explanation = """
        KVM may set a bit in shared memory when it delivers an interrupt: the guest then clears the bit instead of writing to \
        the APIC, and KVM ends the interrupt at its next exit. TCG does not look at the bit. If it is set in the snapshot, the \
        interrupt never ends, and all of its priority and below are kept back. With the bit cleared the guest writes to the \
        APIC as usual.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard !context.target.hasKVMHypercalls else { return [] }
        let users = try ParavirtualArea.endOfInterrupt.evidence(context)
        guard !users.isEmpty, context.memory != nil else { return [] }
        let set = try SharedArea.all(.endOfInterrupt, in: context).filter { $0.bytes[0] & 1 != 0 }
        guard !set.isEmpty else { return [] }
        return [
            finding(
                .fixable, "An interrupt is in service whose end KVM would notice by itself",
                evidence: set.map { $0.evidence("bit 0 set") },
                effect: "The interrupt never ends: others of its priority and below do not come any more.",
                remedy: "Convert the snapshot: the bit is cleared, and the guest ends the interrupt at the APIC.")
        ]
    }
}

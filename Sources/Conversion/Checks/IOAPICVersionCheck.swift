import VMState

/// C35: KVM's IOAPIC shows another version than QEMU's.
struct IOAPICVersionCheck: SnapshotCheck {
    let id = "C35"
    let title = "IOAPIC version"
    var fix: String? { SetIOAPICVersion.id }
    let explanation = """
        KVM's IOAPIC says version 0x11, QEMU's own 0x20, which means a register for the end of interrupts. The stream does not \
        carry the version. A guest that reads it again after it was moved sees another device. '-global ioapic.version=0x11' \
        makes QEMU's show what the guest has seen.
        """

    func run(_ context: CheckContext) -> [Finding] {
        guard context.target.accelerator == .tcg, context.origin == .kvm, let launch = context.launch,
            let ioapic = context.stream.device("ioapic"), !launch.arguments.contains(SetIOAPICVersion.argument)
        else { return [] }
        return [
            finding(
                .fixable, "The IOAPIC would change its version",
                evidence: [Finding.Evidence(section: ioapic.name, value: "0x11 under KVM, 0x20 here")],
                effect: "A guest that looks again may use a register that it has not seen before.",
                remedy: "Convert the snapshot: its command line gets '-global \(SetIOAPICVersion.argument)'.")
        ]
    }
}

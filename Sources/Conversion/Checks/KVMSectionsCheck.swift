import VMState

/// C02: sections of devices that exist under KVM only.
struct KVMSectionsCheck: SnapshotCheck {
    let id = "C02"
    let title = "Sections that only KVM has"
    let explanation = """
        With KVM, QEMU's machines from 5.2 on always have a device kvmclock, which holds the guest's clock of KVM; TCG has \
        none, and refuses the stream at its section. Everything that the guest sees of it is in RAM and in the CPU's \
        registers, so that it can be cut out. The sections of KVM's emulation of Xen cannot: the guest calls into it.
        """
    var fix: String? { RemoveKVMSections.id }

    /// Sections that can be cut without loss: the guest sees their contents elsewhere.
    static let removable: Set<String> = ["kvmclock"]
    /// Sections of KVM's Xen emulation: the guest depends on hypercalls.
    private static let xen: Set<String> = [
        "xen_overlay", "xen_evtchn", "xen_gnttab", "xen_xenstore", "xen_primary_console",
    ]

    func run(_ context: CheckContext) -> [Finding] {
        guard !context.target.hasKVMClock else { return [] }
        return context.stream.devices.compactMap { device in
            if Self.removable.contains(device.idstr) {
                return finding(
                    .fixable, "The section \(device.idstr) can be loaded by KVM only",
                    evidence: [Finding.Evidence(section: device.name, value: "\(device.payload.count) bytes")],
                    effect: "QEMU refuses the snapshot: Unknown savevm section or instance '\(device.idstr)'.",
                    remedy: "Convert the snapshot: the section is cut out.")
            }
            if Self.xen.contains(device.idstr) {
                return finding(
                    .fatal, "The guest runs on KVM's emulation of Xen",
                    evidence: [Finding.Evidence(section: device.name, value: "\(device.payload.count) bytes")],
                    effect: "QEMU refuses the snapshot, and the guest's hypercalls would have no answer.",
                    remedy:
                        "Boot the guest again without the accelerator option xen-version and take the snapshot anew.")
            }
            return nil
        }
    }
}

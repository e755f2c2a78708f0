import VMState

/// C29: enlightenments of Hyper-V.
struct HyperVCheck: SnapshotCheck {
    let id = "C29"
    let title = "Hyper-V enlightenments"
    let explanation = """
        Windows guests use Hyper-V's interface where KVM offers it: a page of hypercalls, a reference clock, synthetic timers \
        and interrupts. TCG has none of it. A guest that has switched them on loses its clock and its timers, and its \
        hypercalls raise #UD.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg else { return [] }
        var evidence: [Finding.Evidence] = []
        for cpu in context.cpus {
            for name in context.stream.subsections(of: cpu.section) where name.hasPrefix("cpu/msr_hyperv_") {
                guard try !cpu.isInert(name) else { continue }
                evidence.append(Finding.Evidence(section: cpu.section.name, field: name, value: "in use"))
            }
        }
        for name in ["hyperv-synic", "hv-synic", "vmbus", "hv-balloon"] {
            for device in context.stream.devices(ofModel: name) {
                evidence.append(Finding.Evidence(section: device.name, value: "\(device.payload.count) bytes"))
            }
        }
        guard !evidence.isEmpty else { return [] }
        return [
            finding(
                .fatal, "The guest uses enlightenments of Hyper-V", evidence: evidence,
                effect: "Its clock and timers stop, and hypercalls raise #UD.",
                remedy: "Boot the guest again without hv-* in '-cpu' and take the snapshot anew.")
        ]
    }
}

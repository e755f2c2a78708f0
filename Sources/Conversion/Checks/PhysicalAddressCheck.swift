import VMState

/// C33: physical addresses beyond those of the target's CPU.
struct PhysicalAddressCheck: SnapshotCheck {
    let id = "C33"
    let title = "Width of physical addresses"
    var fix: String? { SetPhysicalBits.id }
    let explanation = """
        A CPU says how many bits its physical addresses have; TCG's have 40 unless phys-bits says otherwise. Page table \
        entries and CR3 with a bit above that raise page faults for reserved bits, or worse. A guest that ran with the host's \
        width (46 or more on servers) may have placed the windows of PCI devices that high. Looked at are the 64-bit windows of \
        PCI devices and the page tables.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg else { return [] }
        let width = try PhysicalAddressWidth(context)
        guard !width.evidence.isEmpty else { return [] }
        if let launch = context.launch, let setting = ResumeCPU(launch.cpu).setting("phys-bits"),
            Int(setting) ?? 0 >= width.needed
        {
            return []
        }
        return [
            finding(
                .fixable, "The guest uses physical addresses of \(width.needed) bits", evidence: width.evidence,
                effect: "Accesses there raise page faults for reserved bits.",
                remedy: "Convert the snapshot: its command line gets 'phys-bits=\(width.needed)'.")
        ]
    }
}

import VMState

/// C37: the disks that belong to the machine state.
struct DiskPairingCheck: SnapshotCheck {
    let id = "C37"
    let title = "Disks of the snapshot"
    let explanation = """
        A machine state without the disks of the same moment is a guest whose caches and journal do not fit what it reads: \
        the file system is damaged within minutes, and nobody is told. A stream does not carry disks. What can be compared is \
        the number of virtio-blk disks, their places on the bus, and the capacity that the guest saw with the size of the disk.
        """

    func run(_ context: CheckContext) -> [Finding] {
        guard let launch = context.launch else { return [] }
        var fatal: [Finding.Evidence] = []
        var doubtful: [Finding.Evidence] = []
        var places: Set<String> = []
        for disk in launch.disks {
            let slot = String(disk.slot, radix: 16)
            let name = "0000:00:\(slot.count == 1 ? "0" : "")\(slot).0/virtio-blk"
            places.insert(name)
            guard let section = context.stream.device(name) else {
                fatal.append(Finding.Evidence(section: name, value: "missing; the command line has such a disk"))
                continue
            }
            guard let device = VirtioDevice(section), device.configuration.count >= 8, let bytes = disk.bytes else {
                continue
            }
            // virtio 1.1, 5.2.4: the capacity in sectors of 512 bytes.
            let sectors: UInt64 = device.configuration.littleEndian(0)
            if sectors != bytes / 512 {
                doubtful.append(
                    Finding.Evidence(
                        section: name, field: "capacity",
                        value: "\(sectors) sectors, the disk has \(bytes / 512)"))
            }
        }
        for section in context.stream.devices(ofModel: "virtio-blk") where !places.contains(section.idstr) {
            fatal.append(Finding.Evidence(section: section.name, value: "the command line has no such disk"))
        }
        var findings: [Finding] = []
        if !fatal.isEmpty {
            findings.append(
                finding(
                    .fatal, "The snapshot and its command line have different disks", evidence: fatal,
                    effect: "QEMU refuses the snapshot, or the guest loses a disk in the middle of its work.",
                    remedy: "Import the snapshot into a VM with as many disks ('vm create --disk', 'vm disk add')."))
        }
        if !doubtful.isEmpty {
            findings.append(
                finding(
                    .warning, "A disk has another size than the guest saw", evidence: doubtful,
                    effect: "It is hardly the disk of that moment: the guest's file system would be damaged.",
                    remedy: "Import the snapshot with the disks that belong to it ('snapshot import --disk')."))
        }
        return findings
    }
}

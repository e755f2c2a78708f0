import VMState

/// C03: the target has to be started with exactly the devices that the snapshot has.
struct DeviceSetCheck: SnapshotCheck {
    let id = "C03"
    let title = "Devices and CPUs"
    var fix: String? { SetCPUCount.id }
    let explanation = """
        A stream is a list of device sections. QEMU looks each one up, by its name and number, among the devices of the \
        machine that it was started with, and refuses the whole stream at the first that it does not find ("Unknown savevm \
        section or instance"). A device of the machine that the stream lacks is worse: it keeps its reset state, and nobody \
        is told. So the number of CPUs, and every device with its place on the bus, have to be the same. The CPUs are \
        counted in the sections cpu, cpu_common and apic.
        """

    /// Sections that the chipset, the firmware and the migration code of a PC bring along.
    private static let builtIn: Set<String> = [
        "timer", "cpu_common", "cpu", "apic", "kvm-tpr-opt", "kvmclock", "fw_cfg", "PCIHost", "PCIBUS", "dma", "i8259",
        "ioapic", "hpet", "mc146818rtc", "i8254", "pcspk", "serial", "ps2kbd", "ps2mouse", "pckbd", "vmmouse", "port92",
        "i2c_bus", "acpi_build", "globalstate", "slirp", "dirty-bitmap", "vmgenid", "cpuhp", "smbus-eeprom", "fdc",
        "parallel_isa", "acpi-ged", "tpm_tis",
    ]
    /// Models of PCI functions that a machine without further arguments has.
    private static let builtInFunctions: Set<String> = [
        "I440FX", "PIIX3", "ide", "piix4_pm", "virtio-blk", "mch", "ICH9LPC", "ich9_ahci", "ahci", "ich9_smb",
    ]
    /// Models that exist only where somebody asked for them, with the argument.
    private static let optional: [String: String] = [
        "vga": "-device VGA", "cirrus_vga": "-device cirrus-vga", "qxl": "-device qxl", "e1000": "-device e1000",
        "e1000e": "-device e1000e", "virtio-net": "-device virtio-net-pci", "virtio-scsi": "-device virtio-scsi-pci",
        "virtio-rng": "-device virtio-rng-pci", "virtio-balloon": "-device virtio-balloon-pci",
        "virtio-console": "-device virtio-serial-pci", "rtl8139": "-device rtl8139", "nvme": "-device nvme",
        "xhci": "-device qemu-xhci", "uhci": "-device piix3-usb-uhci", "virtio-gpu": "-device virtio-gpu-pci",
    ]

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        var findings: [Finding] = []
        let counts = ["cpu", "cpu_common", "apic"].map { (name: $0, context.stream.devices(named: $0).count) }
        let numbers = context.cpus.map { Int($0.index) }
        if Set(counts.map(\.1)).count != 1 || numbers != Array(0..<context.cpus.count) {
            findings.append(
                finding(
                    .fatal, "The sections of the CPUs do not belong together",
                    evidence: counts.map { Finding.Evidence(section: $0.name, value: "\($0.1) sections") },
                    effect: "No QEMU has such a machine; the stream cannot be loaded.",
                    remedy: "Take the snapshot again."))
        }
        if let launch = context.launch, launch.cpus != context.cpus.count {
            findings.append(
                finding(
                    .fixable, "The snapshot has \(context.cpus.count) CPUs, its command line \(launch.cpus)",
                    evidence: [Finding.Evidence(section: "command line", field: "-smp", value: "\(launch.cpus)")],
                    effect: "QEMU refuses it: Unknown savevm section or instance 'cpu_common' \(launch.cpus).",
                    remedy: "Convert the snapshot: the number of CPUs is set."))
        }
        return findings + strangers(context)
    }

    /// Devices that stemma's machines do not have of themselves.
    private func strangers(_ context: CheckContext) -> [Finding] {
        guard let launch = context.launch else { return [] }
        var certain: [Finding.Evidence] = []
        var doubtful: [Finding.Evidence] = []
        for device in context.stream.devices {
            let parts = device.idstr.split(separator: "/")
            guard let model = parts.last.map(String.init), parts.count > 1 || !Self.builtIn.contains(model),
                !Self.builtInFunctions.contains(model), !Self.builtIn.contains(model)
            else { continue }
            let arguments = launch.arguments
            if let option = Self.optional[model] {
                let word = option.split(separator: " ").last.map(String.init) ?? model
                guard !arguments.contains(where: { $0.hasPrefix(word) || $0.contains("vga") }) else { continue }
                certain.append(
                    Finding.Evidence(section: device.name, value: "\(device.payload.count) bytes; \(option)"))
            } else if arguments.isEmpty {
                doubtful.append(Finding.Evidence(section: device.name, value: "\(device.payload.count) bytes"))
            }
        }
        guard !certain.isEmpty || !doubtful.isEmpty else { return [] }
        let isKnown = !certain.isEmpty
        return [
            finding(
                isKnown ? .fatal : .warning,
                isKnown
                    ? "The command line lacks devices that the snapshot has"
                    : "The snapshot has devices beyond those of a bare machine",
                evidence: certain + doubtful,
                effect: "QEMU refuses the snapshot if it is started without one of them.",
                remedy: "Give the VM the same devices at the same places ('run --qemu-opt' when it boots), "
                    + "or take the snapshot of a machine without them.")
        ]
    }
}

import VMState

/// C03: the target has to be started with exactly the devices that the snapshot has.
struct DeviceSetCheck: SnapshotCheck {
    let id = "C03"
    let title = "Devices and CPUs"
    var fix: String? { SetCPUCount.id }
    let explanation = """
        A stream is a list of device sections. QEMU looks each one up, by its name and number, among the devices of the \
        machine that it was started with, and refuses the whole stream at the first that it does not find ("Unknown savevm \
        section or instance"). A device of the machine that the stream lacks keeps its reset state, and nobody is told. So \
        the number of CPUs, and every device with its place on the bus, have to be the same. Looked at are the number of CPUs \
        (sections cpu, cpu_common and apic) and the number of devices of each model, against the arguments with which the VM \
        runs; their places are not compared.
        """

    /// Sections that the chipset, the firmware and the migration code of a PC bring along.
    private static let builtIn: Set<String> = [
        "timer", "cpu_common", "cpu", "apic", "kvm-tpr-opt", "kvmclock", "fw_cfg", "PCIHost", "PCIBUS", "dma", "i8259",
        "ioapic", "hpet", "mc146818rtc", "i8254", "pcspk", "serial", "ps2kbd", "ps2mouse", "pckbd", "vmmouse", "port92",
        "i2c_bus", "acpi_build", "globalstate", "dirty-bitmap", "cpuhp", "smbus-eeprom", "fdc",
        "parallel_isa", "acpi-ged", "tpm_tis",
    ]
    /// Models of PCI functions that a machine without further arguments has. Disks have a check of their own (C37).
    private static let builtInFunctions: Set<String> = [
        "I440FX", "PIIX3", "ide", "piix4_pm", "virtio-blk", "mch", "ICH9LPC", "ich9_smb",
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
        return findings + others(context)
    }

    /// Devices that stemma's machines do not have of themselves, compared with the command line's further arguments.
    private func others(_ context: CheckContext) -> [Finding] {
        guard let launch = context.launch, let asked = OptionalDevices.counts(launch.arguments) else { return [] }
        var known: [String: [DeviceSection]] = [:]
        var unknown: [DeviceSection] = []
        for device in context.stream.devices {
            guard let model = device.idstr.split(separator: "/").last.map(String.init) else { continue }
            if OptionalDevices.models[model] != nil {
                // Q35's own.
                if model == "ich9_ahci", device.idstr.hasPrefix("0000:00:1f.2") { continue }
                known[model, default: []].append(device)
            } else if !Self.builtIn.contains(model), !Self.builtInFunctions.contains(model) {
                unknown.append(device)
            }
        }
        let missing = known.sorted { $0.key < $1.key }.flatMap { model, devices in
            devices.dropFirst(asked[model] ?? 0).map {
                Finding.Evidence(
                    section: $0.name,
                    value: "\($0.payload.count) bytes; \(OptionalDevices.option(of: model))")
            }
        }
        let surplus = asked.sorted { $0.key < $1.key }.filter { $0.value > known[$0.key]?.count ?? 0 }
        // Whoever gave arguments may have given these devices too.
        let doubtful = launch.arguments.isEmpty ? unknown : []
        return [
            missing.isEmpty
                ? nil
                : finding(
                    .fatal, "The command line lacks devices that the snapshot has", evidence: missing,
                    effect: "QEMU refuses the snapshot: Unknown savevm section or instance.", remedy: Self.remedy),
            doubtful.isEmpty
                ? nil
                : finding(
                    .warning, "The snapshot has devices beyond those of a bare machine",
                    evidence: doubtful.map {
                        Finding.Evidence(section: $0.name, value: "\($0.payload.count) bytes")
                    },
                    effect: "QEMU refuses the snapshot if it is started without one of them.", remedy: Self.remedy),
            surplus.isEmpty
                ? nil
                : finding(
                    .warning, "The command line has devices that the snapshot lacks",
                    evidence: surplus.map {
                        Finding.Evidence(
                            section: "command line", field: OptionalDevices.option(of: $0.key),
                            value: "\($0.value), in the snapshot \(known[$0.key]?.count ?? 0)")
                    },
                    effect: "They are there in their reset state, and the guest knows nothing of them.",
                    remedy: "Take them off the command line, or boot the guest with them and take the snapshot anew."),
        ].compactMap(\.self)
    }

    private static let remedy =
        "Give the VM the same devices at the same places ('run --qemu-opt' when it boots), "
        + "or take the snapshot of a machine without them."
}

/// The virtual hardware of a guest, independent of the accelerator and of any file on the host.
///
/// Stored with every snapshot, because a QEMU migration stream only loads into a machine with the same devices. The
/// JSON form is stable: keys are never renamed or given another meaning, and new keys are optional.
package struct MachineConfiguration: Codable, Sendable, Hashable {
    /// A disk of the guest: virtio-blk on a fixed PCI slot of the root bus.
    package struct Disk: Codable, Sendable, Hashable {
        /// The name of the block node in QEMU, for example `disk0`.
        package var id: String
        /// The PCI slot on the root bus; it is part of the device's name in a migration stream.
        package var slot: Int

        package init(id: String, slot: Int) {
            self.id = id
            self.slot = slot
        }
    }

    /// A kernel that QEMU loads directly, without a boot loader in the guest.
    ///
    /// Its presence is part of the machine: QEMU adds an option ROM for it, which occupies a RAM block in the stream.
    package struct DirectBoot: Codable, Sendable, Hashable {
        /// Whether an initramfs accompanies the kernel.
        package var hasInitialRamdisk: Bool
        /// The kernel's command line (`-append`).
        package var commandLine: String

        package init(hasInitialRamdisk: Bool, commandLine: String) {
            self.hasInitialRamdisk = hasInitialRamdisk
            self.commandLine = commandLine
        }
    }

    /// The versioned machine type, for example `pc-i440fx-7.2`. Aliases such as `pc` are resolved before they are
    /// stored: see ``QEMUInstallation/resolveMachine(_:)``.
    package var machine: String
    /// The value of `-cpu`: a model with `,+feature` and `,-feature` modifiers.
    package var cpu: String
    /// RAM in MiB.
    package var memoryMiB: Int
    /// Number of virtual CPUs.
    package var cpus: Int
    package var disks: [Disk]
    /// Present when the guest is booted with `-kernel`.
    package var boot: DirectBoot?
    /// Further QEMU arguments, appended unchanged: devices that were not foreseen here.
    package var extraArguments: [String]

    /// - Parameters:
    ///   - diskCount: the number of disks; disk `i` is called `disk<i>` and sits in PCI slot 4 + i.
    package init(
        machine: String, cpu: String, memoryMiB: Int, cpus: Int = 1, diskCount: Int = 0, boot: DirectBoot? = nil,
        extraArguments: [String] = []
    ) {
        self.machine = machine
        self.cpu = cpu
        self.memoryMiB = memoryMiB
        self.cpus = cpus
        self.disks = (0..<max(0, diskCount)).map { Disk(id: "disk\($0)", slot: Self.firstDiskSlot + $0) }
        self.boot = boot
        self.extraArguments = extraArguments
    }

    /// The PCI slot of disk 0. Slots 0 to 3 hold the chipset's own functions (1: PIIX3, 2: a display adapter).
    package static let firstDiskSlot = 4
    /// The block node that takes the machine state of VMs, also of those without a disk.
    package static let machineStateNode = "vmstate"

    /// The block nodes that a snapshot consists of: the machine state's node and every disk.
    package var snapshotNodes: [String] { [Self.machineStateNode] + disks.map(\.id) }

    /// Checks what QEMU would refuse late or with an unclear message.
    ///
    /// - Throws: ``HypervisorError`` with `.invalidConfiguration`.
    package func validate() throws(HypervisorError) {
        func refuse(_ text: String) -> HypervisorError {
            HypervisorError(.invalidConfiguration, "The machine configuration cannot be used: \(text)")
        }
        guard !machine.isEmpty, !machine.contains(",") else {
            throw refuse("the machine type '\(machine)' is empty or has options; name only the type.")
        }
        guard !cpu.isEmpty else { throw refuse("the CPU model is empty; name one, for example 'qemu64'.") }
        guard (1...(1 << 24)).contains(memoryMiB) else {
            throw refuse("\(memoryMiB) MiB of memory; give at least 1 MiB.")
        }
        guard (1...255).contains(cpus) else { throw refuse("\(cpus) CPUs; give 1 to 255.") }
        guard disks.count <= 26 else { throw refuse("\(disks.count) disks; the root PCI bus has room for 26.") }
        var slots: Set<Int> = []
        var ids: Set<String> = [Self.machineStateNode]
        for disk in disks {
            let isNodeName =
                disk.id.first?.isLetter == true && disk.id.utf8.count < 32
                && disk.id.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0)) }
            guard isNodeName else {
                throw refuse("'\(disk.id)' is no block node name; use letters, digits, '-', '.' and '_'.")
            }
            guard ids.insert(disk.id).inserted else { throw refuse("the name '\(disk.id)' is used twice.") }
            guard (Self.firstDiskSlot...0x1e).contains(disk.slot), slots.insert(disk.slot).inserted else {
                throw refuse("PCI slot \(disk.slot) of '\(disk.id)' is taken or not one of 4 to 30.")
            }
        }
    }
}

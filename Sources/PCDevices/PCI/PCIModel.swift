/// What a PCI function of QEMU's is, by the name of its section.
enum PCIModel: Sendable, Hashable {
    /// 82441FX: PAM and SMRAM registers are kept without an effect on memory.
    case hostBridge
    /// Q35 memory controller hub: PCIEXBAR places the configuration window.
    case memoryController
    /// 82371SB: routes PIRQA-D.
    case piix3
    /// 82801IB LPC bridge: routes PIRQA-H.
    case ich9
    /// Known to do nothing here: IDE and AHCI without drives, SMBus, and the PIIX4's power management (a device of its own).
    case inert
    case virtioBlock
    case virtioEntropy
    case virtioNetwork
    case e1000
    /// A bridge to another bus: configuration only.
    case bridge
    /// Configuration only; the guest's accesses are noted.
    case unknown

    init(section name: String) {
        switch name {
        case "I440FX": self = .hostBridge
        case "mch": self = .memoryController
        case "PIIX3": self = .piix3
        case "ICH9LPC": self = .ich9
        case "ide", "ich9_ahci", "ich9_smb", "piix4_pm": self = .inert
        case "virtio-blk": self = .virtioBlock
        case "virtio-rng": self = .virtioEntropy
        case "virtio-net": self = .virtioNetwork
        case "e1000": self = .e1000
        case "pcie-root-port", "pci_bridge", "ioh-3240-express-root-port", "pcie_pci_bridge": self = .bridge
        default: self = .unknown
        }
    }

    /// Bytes behind each base address register, which no section tells, as QEMU makes them.
    ///
    /// - Parameter configurationByteCount: of a virtio device, whose legacy ports depend on it.
    static func sizes(vendor: UInt16, device: UInt16, configurationByteCount: Int = 0) -> [Int: UInt64] {
        switch (vendor, device) {
        case (VirtioPCI.vendor, let device):
            // 24 ports of the transport, then the device's configuration; a network card has a ROM of 256 KiB.
            var ports: UInt64 = 32
            while ports < 24 + UInt64(max(configurationByteCount, 0)), ports < 0x1_0000 { ports *= 2 }
            var sizes: [Int: UInt64] = [0: ports, 1: 4096, 4: 16384]
            if device == 0x1000 || device == 0x1041 { sizes[PCIBaseAddress.romIndex] = 0x4_0000 }
            return sizes
        // PIIX3 and PIIX4 IDE: bus master ports.
        case (0x8086, 0x7010), (0x8086, 0x7111): return [4: 16]
        // ICH9 AHCI: index and data ports, registers.
        case (0x8086, 0x2922): return [4: 32, 5: 4096]
        // ICH9 SMBus.
        case (0x8086, 0x2930): return [4: 64]
        // e1000: registers, ports, ROM.
        case (0x8086, 0x100E): return [0: 0x2_0000, 1: 64, PCIBaseAddress.romIndex: 0x4_0000]
        // QEMU's VGA: 16 MiB of memory, registers, ROM.
        case (0x1234, 0x1111): return [0: 0x100_0000, 2: 4096, PCIBaseAddress.romIndex: 0x1_0000]
        // PCI Express root port of QEMU.
        case (0x1B36, 0x000C): return [0: 4096]
        default: return [:]
        }
    }
}

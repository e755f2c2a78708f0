/// Offsets in the configuration header (PCI Local Bus 3.0, 6.1 and 6.2; PCI-to-PCI Bridge 1.2, 3.2).
enum PCIRegister {
    static let vendor = 0x00
    static let device = 0x02
    static let command = 0x04
    static let status = 0x06
    static let revision = 0x08
    static let cacheLineSize = 0x0C
    static let headerType = 0x0E
    static let baseAddress = 0x10
    static let rom = 0x30
    static let capabilityPointer = 0x34
    static let interruptLine = 0x3C
    static let interruptPin = 0x3D
    /// End of the header; what follows belongs to the device.
    static let headerEnd = 0x40

    /// In the header of a bridge.
    enum Bridge {
        static let secondaryBus = 0x19
        static let rom = 0x38
    }
}

/// Bits of the command register (PCI Local Bus 3.0, 6.2.2).
package struct PCICommand: OptionSet, Sendable, Hashable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let ports = PCICommand(rawValue: 1)
    package static let memory = PCICommand(rawValue: 2)
    package static let busMaster = PCICommand(rawValue: 4)
    package static let systemError = PCICommand(rawValue: 0x100)
    package static let interruptDisable = PCICommand(rawValue: 0x400)
}

/// Bits of the status register (PCI Local Bus 3.0, 6.2.3).
enum PCIStatus {
    static let interrupt: UInt16 = 0x08
    static let capabilities: UInt16 = 0x10
    /// Errors, each cleared by writing a one.
    static let errors: UInt16 = 0xF900
}

/// Identities of capabilities (PCI Local Bus 3.0, appendix H, and PCI Express).
enum PCICapabilityID {
    static let powerManagement: UInt8 = 0x01
    static let msi: UInt8 = 0x05
    static let vendorSpecific: UInt8 = 0x09
    static let express: UInt8 = 0x10
    static let msix: UInt8 = 0x11
}

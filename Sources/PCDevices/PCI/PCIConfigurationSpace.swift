/// The configuration registers of a function: 256 bytes, or 4096 of a PCI Express function.
///
/// Which bits a write changes follows PCI Local Bus 3.0, chapter 6, and where that leaves a choice, QEMU: registers of the device
/// (from 0x40 on) can be written, capabilities cannot but for their control bits.
package struct PCIConfigurationSpace: Sendable, Hashable {
    package private(set) var bytes: [UInt8]
    /// Ones for bits that take what is written.
    private var writeMask: [UInt8]
    /// Ones for bits that a written one clears.
    private var clearMask: [UInt8]
    package let baseAddresses: [PCIBaseAddress]

    /// - Parameter bytes: 256 or 4096 registers; other lengths are cut or filled with zeros.
    /// - Parameter sizes: bytes behind each base address register.
    package init(bytes: [UInt8], sizes: [Int: UInt64] = [:]) {
        let count = bytes.count >= 4096 ? 4096 : 256
        var bytes = Array(bytes.prefix(count))
        bytes.append(contentsOf: repeatElement(0, count: count - bytes.count))
        self.bytes = bytes
        baseAddresses = PCIBaseAddress.all(in: bytes, sizes: sizes)
        writeMask = [UInt8](repeating: 0, count: count)
        clearMask = writeMask
        initializeMasks()
    }

    /// Registers as a little-endian integer; ones beyond the end.
    package func read(_ offset: Int, byteCount: Int) -> UInt64 {
        guard offset >= 0 else { return UInt64.max }
        var value: UInt64 = 0
        for index in 0..<min(max(byteCount, 0), 8) {
            let byte = offset + index < bytes.count ? bytes[offset + index] : 0xFF
            value |= UInt64(byte) << UInt64(8 * index)
        }
        return value
    }

    /// A write of the guest: only what the masks allow changes.
    package mutating func write(_ offset: Int, byteCount: Int, value: UInt64) {
        guard offset >= 0 else { return }
        for index in 0..<min(max(byteCount, 0), 8) where offset + index < bytes.count {
            let place = offset + index
            let written = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
            let kept = bytes[place] & ~(written & clearMask[place])
            bytes[place] = kept & ~writeMask[place] | written & writeMask[place]
        }
    }

    /// Sets registers regardless of the masks, for the device itself.
    mutating func set(_ offset: Int, byteCount: Int, value: UInt64) {
        guard offset >= 0 else { return }
        for index in 0..<min(max(byteCount, 0), 8) where offset + index < bytes.count {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
        }
    }

    /// Lets the guest write the ones of `mask`.
    mutating func allowWrites(_ offset: Int, byteCount: Int, mask: UInt64) {
        setMask(offset, byteCount: byteCount, mask: mask)
    }
}

extension PCIConfigurationSpace {
    package var vendor: UInt16 { UInt16(truncatingIfNeeded: read(PCIRegister.vendor, byteCount: 2)) }
    package var device: UInt16 { UInt16(truncatingIfNeeded: read(PCIRegister.device, byteCount: 2)) }
    package var command: PCICommand {
        PCICommand(rawValue: UInt16(truncatingIfNeeded: read(PCIRegister.command, byteCount: 2)))
    }
    /// Header type 1: a PCI-to-PCI bridge.
    package var isBridge: Bool { bytes[PCIRegister.headerType] & 0x7F == 1 }
    /// 0 for INTA to 3 for INTD; nil for a function without.
    var interruptPin: Int? {
        let pin = Int(bytes[PCIRegister.interruptPin])
        return (1...4).contains(pin) ? pin - 1 : nil
    }

    /// The range that a base address register decodes at present; nil while the command register or the ROM's enable bit forbids
    /// it, or nothing was assigned. Empty and wrapping ranges decode nothing.
    func range(of base: PCIBaseAddress) -> Range<UInt64>? {
        guard command.contains(base.space == .ports ? .ports : .memory) else { return nil }
        let value = read(base.offset(isBridge: isBridge), byteCount: base.registerByteCount)
        if base.space == .rom, value & 1 == 0 { return nil }
        let start = value & base.writeMask & ~1
        let (end, overflow) = start.addingReportingOverflow(base.byteCount)
        // Address 0 and the top of the space are what an unassigned register and the sizing write leave.
        let limit: UInt64 = base.space == .ports ? 0x1_0000 : base.space == .memory64 ? UInt64.max : 0x1_0000_0000
        guard start != 0, !overflow, end <= limit, start != base.writeMask & ~1 else { return nil }
        return start..<end
    }

    /// The capabilities in the order of the list (6.7); a damaged list ends early.
    func capabilities() -> [(id: UInt8, offset: Int)] {
        guard read(PCIRegister.status, byteCount: 2) & UInt64(PCIStatus.capabilities) != 0 else { return [] }
        var list: [(id: UInt8, offset: Int)] = []
        var next = Int(bytes[PCIRegister.capabilityPointer] & 0xFC)
        // At most 48 structures of four bytes fit between 0x40 and 0xFF: a longer list is a loop.
        while next >= PCIRegister.headerEnd, list.count < 48 {
            list.append((bytes[next], next))
            next = Int(bytes[next + 1] & 0xFC)
        }
        return list
    }

    func capability(_ id: UInt8) -> Int? { capabilities().first { $0.id == id }?.offset }
}

extension PCIConfigurationSpace {
    private mutating func initializeMasks() {
        let command: PCICommand = [.ports, .memory, .busMaster, .systemError, .interruptDisable]
        setMask(PCIRegister.command, byteCount: 2, mask: UInt64(command.rawValue))
        setMask(PCIRegister.cacheLineSize, byteCount: 1, mask: 0xFF)
        setMask(PCIRegister.interruptLine, byteCount: 1, mask: 0xFF)
        for index in 0..<2 {
            clearMask[PCIRegister.status + index] = UInt8(truncatingIfNeeded: PCIStatus.errors >> UInt16(8 * index))
        }
        if isBridge { allowBridgeRegisters() }
        for base in baseAddresses {
            setMask(
                base.offset(isBridge: isBridge), byteCount: base.registerByteCount, mask: base.writeMask)
        }
        for index in PCIRegister.headerEnd..<bytes.count { writeMask[index] = index < 0x100 ? 0xFF : 0 }
        for capability in capabilities() { protect(capability.id, capability.offset) }
    }

    /// Bus numbers, windows and control of a bridge (PCI-to-PCI Bridge 1.2, 3.2.5).
    private mutating func allowBridgeRegisters() {
        setMask(0x18, byteCount: 4, mask: 0xFFFF_FFFF)
        setMask(0x1C, byteCount: 2, mask: 0xF0F0)
        setMask(0x20, byteCount: 8, mask: 0xFFF0_FFF0_FFF0_FFF0)
        setMask(0x28, byteCount: 8, mask: UInt64.max)
        setMask(0x30, byteCount: 4, mask: 0xFFFF_FFFF)
        setMask(0x3E, byteCount: 2, mask: 0x0FFF)
        clearMask[0x1F] = 0xF9
    }

    /// Makes a capability read only but for its control bits.
    private mutating func protect(_ id: UInt8, _ offset: Int) {
        var length = 8
        var writable: [(offset: Int, count: Int, mask: UInt64)] = []
        switch id {
        case PCICapabilityID.powerManagement:
            writable = [(4, 2, 0x0103)]
        case PCICapabilityID.msi:
            // Message Control: 64-bit address (bit 7), mask bits per vector (bit 8); writable are enable and the number of messages.
            let control = read(offset + 2, byteCount: 2)
            let isWide = control & 0x80 != 0
            let data = isWide ? 12 : 8
            length = control & 0x100 != 0 ? data + 12 : data + 2
            writable = [(2, 2, 0x71), (4, 4, 0xFFFF_FFFC), (data, 2, 0xFFFF)]
            if isWide { writable.append((8, 4, 0xFFFF_FFFF)) }
            if control & 0x100 != 0 { writable.append((data + 4, 4, 0xFFFF_FFFF)) }
        case PCICapabilityID.msix:
            // Message Control: enable (bit 15) and function mask (bit 14).
            length = 12
            writable = [(2, 2, 0xC000)]
        case PCICapabilityID.vendorSpecific:
            length = max(Int(bytes[offset + 2]), 3)
            // virtio 1.1, 4.1.4.8: of the PCI configuration access capability the driver writes bar, offset, length and data.
            if vendor == VirtioPCI.vendor, bytes[offset + 3] == VirtioCapability.Kind.configurationAccess.rawValue {
                writable = [(4, 1, 0xFF), (8, 4, 0xFFFF_FFFF), (12, 4, 0xFFFF_FFFF), (16, 4, 0xFFFF_FFFF)]
            }
        case PCICapabilityID.express:
            // Device, link, slot and root control, and their second set.
            length = 0x3C
            writable = [8, 0x10, 0x18, 0x1C, 0x28, 0x30, 0x38].map { ($0, 2, 0xFFFF) }
        default: break
        }
        for index in offset..<min(offset + length, 0x100) { writeMask[index] = 0 }
        for item in writable { setMask(offset + item.offset, byteCount: item.count, mask: item.mask) }
    }

    private mutating func setMask(_ offset: Int, byteCount: Int, mask: UInt64) {
        for index in 0..<byteCount where offset + index < writeMask.count {
            writeMask[offset + index] = UInt8(truncatingIfNeeded: mask >> UInt64(8 * index))
        }
    }
}

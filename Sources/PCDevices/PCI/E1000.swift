import VMState

/// An Intel 82540EM network card whose cable is unplugged: a file of registers, descriptors that are sent come back at once, nothing arrives.
///
/// Intel "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual", chapter 13.
struct E1000: Sendable, Hashable {
    /// Registers that are not zero, by their number (offset / 4).
    private var registers: [UInt16: UInt32] = [:]
    /// The PHY's registers and the EEPROM's words.
    private var phy: [UInt16]
    private let eeprom: [UInt16]

    /// Offsets of registers with an effect.
    private enum Register {
        static let control: UInt16 = 0x0000
        static let status: UInt16 = 0x0008
        static let eepromRead: UInt16 = 0x0014
        static let phyControl: UInt16 = 0x0020
        static let interruptCause: UInt16 = 0x00C0
        static let interruptCauseSet: UInt16 = 0x00C8
        static let interruptMask: UInt16 = 0x00D0
        static let interruptMaskClear: UInt16 = 0x00D8
        static let transmitControl: UInt16 = 0x0400
        static let ringLow: UInt16 = 0x3800
        static let ringHigh: UInt16 = 0x3804
        static let ringByteCount: UInt16 = 0x3808
        static let ringHead: UInt16 = 0x3810
        static let ringTail: UInt16 = 0x3818
    }

    /// QEMU's fields and the offsets of their registers.
    private static let fields: [(name: String, offset: UInt16)] = [
        ("CTRL", 0x0000), ("STATUS", 0x0008), ("EECD", 0x0010), ("EERD", 0x0014), ("MDIC", 0x0020), ("VET", 0x0038),
        ("ICR", 0x00C0), ("ITR", 0x00C4), ("ICS", 0x00C8), ("IMS", 0x00D0), ("IMC", 0x00D8), ("RCTL", 0x0100),
        ("TCTL", 0x0400), ("LEDCTL", 0x0E00), ("PBA", 0x1000), ("RDBAL", 0x2800), ("RDBAH", 0x2804), ("RDLEN", 0x2808),
        ("RDH", 0x2810), ("RDT", 0x2818), ("RDTR", 0x2820), ("RADV", 0x282C), ("TDBAL", 0x3800), ("TDBAH", 0x3804),
        ("TDLEN", 0x3808), ("TDH", 0x3810), ("TDT", 0x3818), ("TXDCTL", 0x3828), ("TADV", 0x382C), ("MPC", 0x4010),
        ("GPRC", 0x4074), ("GPTC", 0x4080), ("TORL", 0x40C0), ("TORH", 0x40C4), ("TOTL", 0x40C8), ("TOTH", 0x40CC),
        ("TPR", 0x40D0), ("TPT", 0x40D4), ("WUFC", 0x5808), ("MANC", 0x5820), ("SWSM", 0x5B50),
    ]
    /// Arrays of registers: receive addresses, multicast table, VLAN filter.
    private static let arrays: [(name: String, offset: UInt16, count: Int)] = [
        ("mac_reg[0]", 0x5400, 32), ("mac_reg[1]", 0x5200, 128), ("mac_reg[2]", 0x5600, 128),
    ]
    /// All registers, in sections of QEMU 2.9 and later.
    private static let all = "mac_reg"

    init(_ section: DeviceSection) {
        func words(_ path: String, _ count: Int) -> [UInt64]? {
            guard let list = try? section.unsignedArray(path), list.count == count else { return nil }
            return list
        }
        phy = (words("phy_reg", 32) ?? []).map { UInt16(truncatingIfNeeded: $0) }
        eeprom = (words("eeprom_data", 64) ?? []).map { UInt16(truncatingIfNeeded: $0) }
        for (index, value) in (words(Self.all, 0x8000) ?? []).enumerated() where value != 0 {
            registers[UInt16(index)] = UInt32(truncatingIfNeeded: value)
        }
        for (name, offset) in Self.fields {
            guard let value = try? section.unsigned("mac_reg[\(name)]") else { continue }
            self[offset] = UInt32(truncatingIfNeeded: value)
        }
        for (name, offset, count) in Self.arrays {
            for (index, value) in (words(name, count) ?? []).enumerated() {
                self[offset + UInt16(4 * index)] = UInt32(truncatingIfNeeded: value)
            }
        }
    }

    /// Overwrites the registers of a section.
    func save(to section: inout DeviceSection) throws(VMStateError) {
        for (name, offset) in Self.fields where section.contains("mac_reg[\(name)]") {
            try section.set("mac_reg[\(name)]", to: UInt64(self[offset]))
        }
        for (name, offset, count) in Self.arrays where section.contains(name) {
            try section.set(name, toBytes: bytes((0..<count).map { self[offset + UInt16(4 * $0)] }))
        }
        if section.contains(Self.all) {
            try section.set(Self.all, toBytes: bytes((0..<0x8000).map { registers[UInt16($0)] ?? 0 }))
        }
        if phy.count == 32 {
            try section.set("phy_reg", toBytes: phy.flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] })
        }
    }

    private func bytes(_ words: [UInt32]) -> [UInt8] {
        var list: [UInt8] = []
        list.reserveCapacity(4 * words.count)
        for word in words { list.append(bigEndian: word) }
        return list
    }

    /// A register by its offset.
    private subscript(offset: UInt16) -> UInt32 {
        get { registers[offset / 4] ?? 0 }
        set { registers[offset / 4] = newValue == 0 ? nil : newValue }
    }

    /// A cause of interrupt that the mask lets through (13.4.17 and 13.4.20).
    var interruptLine: Bool { self[Register.interruptCause] & self[Register.interruptMask] & 0x7FFF_FFFF != 0 }
}

extension E1000 {
    /// Reads four bytes of registers; ports (an index and data register that nobody uses) read zeros.
    mutating func read(_ offset: UInt64, byteCount: Int, isPort: Bool) -> UInt64 {
        guard !isPort, let number = UInt16(exactly: offset & ~3) else { return 0 }
        switch number {
        case Register.status: return UInt64(self[Register.status] & ~2)
        case Register.interruptCause:
            // Reading clears all causes.
            let value = self[Register.interruptCause]
            self[Register.interruptCause] = 0
            return UInt64(value)
        case Register.eepromRead:
            let word = Int(self[Register.eepromRead] >> 8 & 0x3F)
            let data = word < eeprom.count ? UInt64(eeprom[word]) : 0
            return data << 16 | UInt64(self[Register.eepromRead] & 0xFFFE) | 0x10
        default: return UInt64(self[number])
        }
    }

    mutating func write<Memory: PhysicalMemory & ~Copyable>(
        _ offset: UInt64, byteCount: Int, value: UInt64, isPort: Bool, isBusMaster: Bool, memory: inout Memory
    ) {
        guard !isPort, let number = UInt16(exactly: offset & ~3) else { return }
        let value = UInt32(truncatingIfNeeded: value)
        switch number {
        // Reset (bit 26) is over at once.
        case Register.control: self[number] = value & ~(1 << 26)
        case Register.status: break
        case Register.phyControl: accessPHY(value)
        case Register.interruptCause: self[number] &= ~value
        case Register.interruptCauseSet: self[Register.interruptCause] |= value
        case Register.interruptMask: self[number] |= value
        case Register.interruptMaskClear: self[Register.interruptMask] &= ~value
        case Register.ringTail:
            self[number] = value & 0xFFFF
            if isBusMaster, self[Register.transmitControl] & 2 != 0 { drop(&memory) }
        default: self[number] = value
        }
    }

    /// MDI control (13.4.8): data (bits 0-15), register (16-20), PHY (21-25), operation (26-27: 1 write, 2 read), ready (28), error (30).
    private mutating func accessPHY(_ value: UInt32) {
        let register = Int(value >> 16 & 31)
        var result = value | 1 << 28
        if value >> 21 & 31 != 1 || register >= phy.count {
            result |= 1 << 30
        } else if value >> 26 & 3 == 2 {
            // Register 1 is the PHY's status: link (bit 2) and negotiation (bit 5) are down.
            let data = register == 1 ? phy[register] & ~0x24 : phy[register]
            result = result & ~0xFFFF | UInt32(data)
        } else if value >> 26 & 3 == 1 {
            phy[register] = UInt16(truncatingIfNeeded: value)
        }
        self[Register.phyControl] = result
        // Cause MDAC, when the driver asked for an interrupt (bit 29).
        if value & 1 << 29 != 0 { self[Register.interruptCause] |= 1 << 9 }
    }

    /// Marks descriptors from head to tail as done (bit 0 of the byte at 12) where they ask for it (RS, bit 3 of the byte at 11).
    private mutating func drop<Memory: PhysicalMemory & ~Copyable>(_ memory: inout Memory) {
        let count = self[Register.ringByteCount] / 16
        let ring = UInt64(self[Register.ringHigh]) << 32 | UInt64(self[Register.ringLow] & ~15)
        let tail = self[Register.ringTail]
        var head = self[Register.ringHead]
        guard count > 0, count <= 0x1_0000, tail < count, head < count else { return }
        while head != tail {
            let place = ring &+ 16 &* UInt64(head)
            guard let word: UInt64 = memory.load(place &+ 8) else { return }
            if word >> 27 & 1 != 0, !memory.store(word | 1 << 32, at: place &+ 8) { return }
            head = head + 1 == count ? 0 : head + 1
        }
        self[Register.ringHead] = head
        // Descriptor written back, queue empty.
        self[Register.interruptCause] |= 3
    }
}

/// A range of ports or memory that a function decodes, set by a base address register.
package struct PCIBaseAddress: Sendable, Hashable {
    package enum Space: Sendable, Hashable { case ports, memory, memory64, rom }

    /// The register's number, 0-5; ``romIndex`` for the expansion ROM.
    package let index: Int
    package let space: Space
    /// A power of two, at least 4 ports or 16 bytes of memory.
    package let byteCount: UInt64

    package static let romIndex = 6

    package init(index: Int, space: Space, byteCount: UInt64) {
        self.index = index
        self.space = space
        self.byteCount = byteCount
    }

    /// Offset of the register in a header of type 0 or (two base addresses only) 1.
    func offset(isBridge: Bool) -> Int {
        guard index == Self.romIndex else { return PCIRegister.baseAddress + 4 * index }
        return isBridge ? PCIRegister.Bridge.rom : PCIRegister.rom
    }

    /// The bits of the register that a write can change: those of the address above the size (6.2.5.1), and for a ROM its enable.
    var writeMask: UInt64 {
        let address = ~(byteCount &- 1)
        switch space {
        case .ports: return address & 0xFFFF_FFFC
        case .memory: return address & 0xFFFF_FFF0
        case .memory64: return address & ~0xF
        case .rom: return address & 0xFFFF_F800 | 1
        }
    }

    /// Bytes of the register.
    var registerByteCount: Int { space == .memory64 ? 8 : 4 }
}

extension PCIBaseAddress {
    /// The registers that a header has, with sizes from `sizes` by number. A size that is not listed is guessed from the address
    /// that firmware has given: no more than its alignment, at most 256 ports or 64 KiB.
    static func all(in bytes: [UInt8], sizes: [Int: UInt64]) -> [PCIBaseAddress] {
        guard bytes.count >= PCIRegister.headerEnd else { return [] }
        func word(_ offset: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
        }
        let isBridge = bytes[PCIRegister.headerType] & 0x7F == 1
        var list: [PCIBaseAddress] = []
        var index = 0
        while index < (isBridge ? 2 : 6) {
            let value = word(PCIRegister.baseAddress + 4 * index)
            let space: Space = value & 1 != 0 ? .ports : value & 6 == 4 && index < 5 ? .memory64 : .memory
            if let size = sizes[index] ?? guess(value, space), let size = normal(size, space) {
                list.append(PCIBaseAddress(index: index, space: space, byteCount: size))
            }
            index += space == .memory64 ? 2 : 1
        }
        if let size = sizes[romIndex], let size = normal(size, .rom) {
            list.append(PCIBaseAddress(index: romIndex, space: .rom, byteCount: size))
        }
        return list
    }

    private static func guess(_ value: UInt32, _ space: Space) -> UInt64? {
        let address = space == .ports ? value & ~3 : value & ~15
        guard address != 0 else { return nil }
        return min(1 << UInt64(address.trailingZeroBitCount), space == .ports ? 256 : 0x1_0000)
    }

    /// A size that a register can say: a power of two inside the bounds of its kind.
    private static func normal(_ size: UInt64, _ space: Space) -> UInt64? {
        guard size > 0, size.nonzeroBitCount == 1, size <= 1 << 40 else { return nil }
        switch space {
        case .ports: return min(max(size, 4), 0x1_0000)
        case .memory: return min(max(size, 16), 0x8000_0000)
        case .memory64: return max(size, 16)
        case .rom: return min(max(size, 0x800), 0x100_0000)
        }
    }
}

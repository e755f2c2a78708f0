/// Constants of the migration stream (see the module's documentation).
package enum StreamFormat {
    /// "QEVM".
    package static let magic: UInt32 = 0x5145_564D
    /// The only version in use since 2008.
    package static let version: UInt32 = 3
    /// Bytes of a RAM page, the unit of RAM records.
    package static let pageSize = 4096

    /// The byte that begins a part of the stream.
    enum SectionType: UInt8 {
        case endOfStream = 0x00
        case start = 0x01
        case part = 0x02
        case end = 0x03
        case full = 0x04
        case subsection = 0x05
        case description = 0x06
        case configuration = 0x07
        case command = 0x08
        case footer = 0x7e
    }

    /// The flags in the low bits of a RAM record's first integer.
    struct RAMFlags: OptionSet {
        let rawValue: UInt64

        static let full = RAMFlags(rawValue: 0x001)
        static let zero = RAMFlags(rawValue: 0x002)
        static let memorySize = RAMFlags(rawValue: 0x004)
        static let page = RAMFlags(rawValue: 0x008)
        static let endOfSection = RAMFlags(rawValue: 0x010)
        static let sameBlock = RAMFlags(rawValue: 0x020)
        static let xbzrle = RAMFlags(rawValue: 0x040)
        static let hook = RAMFlags(rawValue: 0x080)
        static let compressed = RAMFlags(rawValue: 0x100)
        static let multifdFlush = RAMFlags(rawValue: 0x200)
    }

    /// The bits of a RAM record's first integer that are flags; the others are the offset.
    static let flagMask: UInt64 = UInt64(pageSize - 1)
}

/// Upper limits for what a stream may ask for; beyond them it is refused.
package struct StreamLimits: Sendable, Hashable {
    /// Bytes of the description.
    package var description = 64 << 20
    /// Bytes of all device sections together.
    package var deviceBytes = 256 << 20
    /// Number of device sections.
    package var deviceSections = 65_536
    /// Number of RAM blocks.
    package var ramBlocks = 4096
    /// Bytes of the machine name.
    package var machineName = 1024
    /// Zero bytes after the end.
    package var padding = 2 << 20

    /// The usual limits.
    package init() {}
}

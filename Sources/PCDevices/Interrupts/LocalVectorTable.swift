/// The sources of interrupts inside a local APIC, in the order of their registers (xAPIC offsets 0x320...0x370) and of
/// QEMU's field `lvt`.
package enum LocalInterrupt: Int, Sendable, CaseIterable {
    case timer, thermal, performance, lint0, lint1, error
}

/// The local vector table (SDM volume 3, 11.5.1).
struct LocalVectorTable: Sendable, Hashable {
    /// Bits of an entry.
    enum Bit {
        static let vector: UInt32 = 0xFF
        static let deliveryMode: UInt32 = 0x700
        static let deliveryStatus: UInt32 = 1 << 12
        static let polarity: UInt32 = 1 << 13
        static let remoteIRR: UInt32 = 1 << 14
        static let level: UInt32 = 1 << 15
        static let masked: UInt32 = 1 << 16
        static let timerMode: UInt32 = 3 << 17
    }

    private var timer = Bit.masked
    private var thermal = Bit.masked
    private var performance = Bit.masked
    private var lint0 = Bit.masked
    private var lint1 = Bit.masked
    private var error = Bit.masked

    subscript(entry: LocalInterrupt) -> UInt32 {
        get {
            switch entry {
            case .timer: timer
            case .thermal: thermal
            case .performance: performance
            case .lint0: lint0
            case .lint1: lint1
            case .error: error
            }
        }
        set {
            switch entry {
            case .timer: timer = newValue
            case .thermal: thermal = newValue
            case .performance: performance = newValue
            case .lint0: lint0 = newValue
            case .lint1: lint1 = newValue
            case .error: error = newValue
            }
        }
    }

    func isMasked(_ entry: LocalInterrupt) -> Bool { self[entry] & Bit.masked != 0 }

    /// What a software-disabled APIC has set in every entry (SDM 11.4.7.2).
    mutating func maskAll() {
        for entry in LocalInterrupt.allCases { self[entry] |= Bit.masked }
    }

    /// Bits of an entry that software may change (SDM figure 11-8).
    static func writable(_ entry: LocalInterrupt) -> UInt32 {
        switch entry {
        case .timer: Bit.vector | Bit.masked | Bit.timerMode
        case .thermal, .performance: Bit.vector | Bit.deliveryMode | Bit.masked
        case .lint0, .lint1: Bit.vector | Bit.deliveryMode | Bit.polarity | Bit.level | Bit.masked
        case .error: Bit.vector | Bit.masked
        }
    }

    /// Bits of an entry that are read only; a write of them is ignored.
    static func readOnly(_ entry: LocalInterrupt) -> UInt32 {
        entry == .lint0 || entry == .lint1 ? Bit.deliveryStatus | Bit.remoteIRR : Bit.deliveryStatus
    }
}

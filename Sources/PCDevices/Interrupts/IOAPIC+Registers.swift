extension IOAPIC {
    /// Offsets of the registers in memory (82093AA, 3.1; EOI: ICH10 data sheet, 13.5.5).
    private enum Offset {
        static let select: UInt64 = 0x00
        static let window: UInt64 = 0x10
        static let endOfInterrupt: UInt64 = 0x40
    }

    /// Numbers of the registers behind the window (82093AA, 3.2).
    private enum Number {
        static let id: UInt8 = 0
        static let version: UInt8 = 1
        static let arbitration: UInt8 = 2
        static let firstEntry: UInt8 = 0x10
    }

    /// Reads a register; `offset` counts from 0xFEC0_0000. Only the lower 8 bits are decoded, as in QEMU. What does not
    /// exist reads 0.
    package func read(_ offset: UInt64, byteCount: Int, now: UInt64) -> UInt64 {
        let value: UInt64
        switch offset & 0xFF {
        case Offset.select: value = UInt64(selected)
        case Offset.window: value = UInt64(window)
        default: value = 0
        }
        return byteCount >= 8 ? value : value & ((1 << UInt64(8 * max(byteCount, 0))) - 1)
    }

    /// Writes a register. The window and the EOI register take 4 bytes at once, other widths are dropped.
    package mutating func write(_ offset: UInt64, byteCount: Int, value: UInt64, now: UInt64) {
        switch offset & 0xFF {
        case Offset.select: selected = UInt8(truncatingIfNeeded: value)
        case Offset.window where byteCount == 4: writeWindow(UInt32(truncatingIfNeeded: value))
        case Offset.endOfInterrupt where byteCount == 4: endOfInterrupt(vector: UInt8(truncatingIfNeeded: value))
        default: break
        }
    }

    private var window: UInt32 {
        switch selected {
        // The arbitration ID is loaded with the ID, and no arbitration changes it.
        case Number.id, Number.arbitration: return UInt32(id & 0xF) << 24
        case Number.version: return Self.version | UInt32(Self.pinCount - 1) << 16
        default:
            guard let pin = selectedPin else { return 0 }
            return UInt32(truncatingIfNeeded: selected & 1 == 0 ? entries[pin] : entries[pin] >> 32)
        }
    }

    private mutating func writeWindow(_ value: UInt32) {
        if selected == Number.id { id = UInt8(truncatingIfNeeded: value >> 24) & 0xF }
        guard let pin = selectedPin else { return }
        let entry = entries[pin]
        var changed =
            selected & 1 == 0
            ? entry & 0xFFFF_FFFF_0000_0000 | UInt64(value) : entry & 0xFFFF_FFFF | UInt64(value) << 32
        changed = changed & Bit.writable | entry & Bit.readOnly
        // Linux ends a level-triggered interrupt of an IOAPIC without EOI register by making it an edge for a moment.
        if changed & Bit.level == 0 { changed &= ~Bit.remoteIRR }
        changeEntry(pin, to: changed)
    }

    private var selectedPin: Int? {
        guard selected >= Number.firstEntry else { return nil }
        let pin = Int(selected - Number.firstEntry) / 2
        return pin < Self.pinCount ? pin : nil
    }
}

extension PowerManagement {
    /// Offsets from PMBASE (ACPI 4.8.3; ICH9 data sheet 13.8.3).
    private enum Block {
        static let status = 0x00..<0x02
        static let enable = 0x02..<0x04
        static let control = 0x04..<0x06
        static let timer = 0x08..<0x0C
        /// ICH9 only: the PIIX4's are elsewhere.
        static let eventStatus = 0x20..<0x28
        static let eventEnable = 0x28..<0x30
        static let managementEnable = 0x30..<0x34
        static let managementStatus = 0x34..<0x38
        static let watchdog = 0x60..<0x80
    }

    /// Reads the block at PMBASE. Holes read ones.
    package mutating func read(_ offset: UInt64, byteCount: Int, now: UInt64) -> UInt64 {
        advance(to: now)
        return ByteAccess.read(offset, byteCount: byteCount) { byte($0, now: now) }
    }

    private func byte(_ offset: UInt64, now: UInt64) -> UInt8? {
        guard let offset = Int(exactly: offset) else { return nil }
        switch offset {
        case Block.status: return Self.byte(of: UInt64(status), offset)
        case Block.enable: return Self.byte(of: UInt64(enable), offset - Block.enable.lowerBound)
        case Block.control: return Self.byte(of: UInt64(control), offset - Block.control.lowerBound)
        // 24 bits: TMR_VAL_EXT is not set in QEMU's FADT.
        case Block.timer: return Self.byte(of: timerCount(now) & 0xFF_FFFF, offset - Block.timer.lowerBound)
        default: return chipset == .ich9 ? extendedByte(offset) : nil
        }
    }

    private func extendedByte(_ offset: Int) -> UInt8? {
        switch offset {
        case Block.eventStatus: eventStatus[offset - Block.eventStatus.lowerBound]
        case Block.eventEnable: eventEnable[offset - Block.eventEnable.lowerBound]
        case Block.managementEnable:
            Self.byte(of: UInt64(managementEnable), offset - Block.managementEnable.lowerBound)
        case Block.managementStatus:
            Self.byte(of: UInt64(managementStatus), offset - Block.managementStatus.lowerBound)
        case Block.watchdog: watchdog[offset - Block.watchdog.lowerBound]
        default: nil
        }
    }

    private static func byte(of value: UInt64, _ index: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
    }

    /// Writes the block at PMBASE.
    package mutating func write(_ offset: UInt64, byteCount: Int, value: UInt64, now: UInt64) {
        advance(to: now)
        // The control register acts on a whole write: a byte alone is merged.
        var newControl: UInt16?
        ByteAccess.write(offset, byteCount: byteCount, value: value) { offset, byte in
            guard let offset = Int(exactly: offset) else { return }
            switch offset {
            case Block.status: clearStatus(UInt16(byte) << UInt16(8 * offset), now: now)
            case Block.enable: enable = Self.replace(enable, offset - Block.enable.lowerBound, byte)
            case Block.control:
                newControl = Self.replace(newControl ?? control, offset - Block.control.lowerBound, byte)
            default: if chipset == .ich9 { writeExtended(offset, byte) }
            }
        }
        if let newControl { writeControl(newControl) }
    }

    private static func replace(_ value: UInt16, _ index: Int, _ byte: UInt8) -> UInt16 {
        index == 0 ? value & 0xFF00 | UInt16(byte) : value & 0x00FF | UInt16(byte) << 8
    }

    private mutating func writeExtended(_ offset: Int, _ byte: UInt8) {
        switch offset {
        case Block.eventStatus: eventStatus[offset - Block.eventStatus.lowerBound] &= ~byte
        case Block.eventEnable: eventEnable[offset - Block.eventEnable.lowerBound] = byte
        case Block.managementEnable:
            let shift = UInt32(8 * (offset - Block.managementEnable.lowerBound))
            managementEnable = managementEnable & ~(0xFF << shift) | UInt32(byte) << shift
        case Block.watchdog: watchdog[offset - Block.watchdog.lowerBound] = byte
        default: break
        }
    }

    /// Reads the PIIX4's general purpose events (ports 0xAFE0-0xAFE3): two bytes of status, two of enable.
    package func readEvents(_ offset: UInt64, byteCount: Int) -> UInt64 {
        ByteAccess.read(offset, byteCount: byteCount) { offset in
            offset < 2 ? eventStatus[Int(offset)] : offset < 4 ? eventEnable[Int(offset) - 2] : nil
        }
    }

    /// Writes the PIIX4's general purpose events: ones clear status bits.
    package mutating func writeEvents(_ offset: UInt64, byteCount: Int, value: UInt64) {
        ByteAccess.write(offset, byteCount: byteCount, value: value) { offset, byte in
            if offset < 2 {
                eventStatus[Int(offset)] &= ~byte
            } else if offset < 4 {
                eventEnable[Int(offset) - 2] = byte
            }
        }
    }
}

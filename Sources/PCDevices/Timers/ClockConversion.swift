/// Conversions between nanoseconds and the ticks of a clock, exact and without overflow.
struct ClockConversion {
    static let nanosecondsPerSecond: UInt64 = 1_000_000_000

    /// Ticks per second, at most 1,000,000,000 and not 0.
    let frequency: UInt64

    /// Whole ticks in a time.
    func ticks(_ nanoseconds: UInt64) -> UInt64 {
        Self.scale(nanoseconds, by: frequency, over: Self.nanosecondsPerSecond).quotient
    }

    /// The earliest time at which that many ticks are over: `ticks(nanoseconds(after: n)) == n`.
    func nanoseconds(after ticks: UInt64) -> UInt64 {
        let (quotient, remainder) = Self.scale(ticks, by: Self.nanosecondsPerSecond, over: frequency)
        return remainder == 0 || quotient == .max ? quotient : quotient + 1
    }

    /// `value * factor / divisor` with a product of 128 bits; the largest value if the quotient does not fit.
    static func scale(_ value: UInt64, by factor: UInt64, over divisor: UInt64) -> (
        quotient: UInt64, remainder: UInt64
    ) {
        let product = value.multipliedFullWidth(by: factor)
        guard product.high < divisor else { return (.max, 0) }
        return divisor.dividingFullWidth(product)
    }
}

/// Splits an access into bytes for devices whose registers are bytes, as the ISA bus does.
enum ByteAccess {
    /// All ones in the width of an access: what a bus without a device reads.
    static func ones(_ byteCount: Int) -> UInt64 {
        byteCount >= 8 ? .max : byteCount <= 0 ? 0 : (1 << UInt64(8 * byteCount)) - 1
    }

    /// Reads up to 8 bytes of consecutive registers, little-endian; registers that answer nil read as ones.
    static func read(_ offset: UInt64, byteCount: Int, register: (UInt64) -> UInt8?) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<UInt64(min(max(byteCount, 0), 8)) {
            value |= UInt64(register(offset &+ index) ?? 0xFF) << (8 * index)
        }
        return value
    }

    /// Writes up to 8 bytes to consecutive registers, lowest first.
    static func write(_ offset: UInt64, byteCount: Int, value: UInt64, register: (UInt64, UInt8) -> Void) {
        for index in 0..<UInt64(min(max(byteCount, 0), 8)) {
            register(offset &+ index, UInt8(truncatingIfNeeded: value >> (8 * index)))
        }
    }

    /// Part of a register: `byteCount` bytes from byte `offset`.
    static func part(of register: UInt64, from offset: UInt64, byteCount: Int) -> UInt64 {
        offset >= 8 ? 0 : (register >> (8 * offset)) & ones(byteCount)
    }

    /// A register after `byteCount` bytes from byte `offset` have been replaced.
    static func merge(_ value: UInt64, into register: UInt64, at offset: UInt64, byteCount: Int) -> UInt64 {
        guard offset < 8 else { return register }
        let mask = ones(byteCount) << (8 * offset)
        return register & ~mask | (value << (8 * offset)) & mask
    }
}

import VMState

/// Where the guest's time stamp counters stand when the snapshot goes on, for each CPU.
struct GuestCounters: Sendable {
    let values: [UInt64]

    /// KVM keeps them in `cpu.tsc`, TCG in the machine's counter and an offset for each CPU.
    init(_ context: CheckContext) throws(VMStateError) {
        if context.origin == .kvm {
            let counters = try TimeStampCounters(context.cpus)
            values = counters.offsets.map { counters.ticks &+ $0 }
        } else {
            let ticks = try context.stream.device("timer")?.unsigned("cpu_ticks_offset") ?? 0
            values = context.cpus.map { ticks &+ $0.tscOffset }
        }
    }
}

/// The clock that KVM publishes in RAM: `pvclock_vcpu_time_info`.
struct PublishedClock: Sendable, Hashable {
    /// Odd while KVM writes.
    var version: UInt32
    /// Counter at the time of `systemTime`.
    var timestamp: UInt64
    /// Nanoseconds.
    var systemTime: UInt64
    /// Nanoseconds = counts shifted by `shift`, times this, divided by 2^32.
    var multiplier: UInt32
    var shift: Int8
    /// Bit 0: the counters of all CPUs agree.
    var flags: UInt8

    /// Reads the 32 bytes.
    init(_ bytes: [UInt8]) {
        version = bytes.littleEndian(0)
        timestamp = bytes.littleEndian(8)
        systemTime = bytes.littleEndian(16)
        multiplier = bytes.littleEndian(24)
        shift = Int8(bitPattern: bytes.littleEndian(28))
        flags = bytes.littleEndian(29)
    }

    /// Counts a second; nil if the multiplier makes no sense.
    var frequency: Double? {
        guard multiplier != 0, (-32...32).contains(shift) else { return nil }
        var factor = Double(multiplier) / 4_294_967_296
        for _ in 0..<shift.magnitude { factor = shift > 0 ? factor * 2 : factor / 2 }
        let frequency = 1e9 / factor
        return frequency.isFinite ? frequency : nil
    }

    /// What a reader computes at a counter, as Linux does: the difference is shifted in 64 bits, and multiplied in 96.
    func nanoseconds(at counter: UInt64) -> UInt64 {
        let difference = counter &- timestamp
        let shifted =
            shift >= 0
            ? difference << UInt64(min(shift.magnitude, 64)) : difference >> UInt64(min(shift.magnitude, 64))
        let product = shifted.multipliedFullWidth(by: UInt64(multiplier))
        return systemTime &+ (product.high << 32 | product.low >> 32)
    }

    /// The 32 bytes; the padding is zero as KVM writes it.
    var bytes: [UInt8] {
        func little(_ value: some FixedWidthInteger & UnsignedInteger) -> [UInt8] {
            withUnsafeBytes(of: value.littleEndian) { Array($0) }
        }
        return little(version) + little(UInt32(0)) + little(timestamp) + little(systemTime) + little(multiplier)
            + [UInt8(bitPattern: shift), flags, 0, 0]
    }
}

// The two ways to the registers: memory in xAPIC mode, MSRs in x2APIC mode.
extension LocalAPIC {
    /// Reads the memory of the registers (SDM volume 3, 11.4.1); `offset` counts from ``address``.
    ///
    /// Registers are 4 bytes at multiples of 16; parts of them can be read. Other bytes read 0. Without registers in
    /// memory there is nothing on the bus, which reads ones.
    package mutating func read(_ offset: UInt64, byteCount: Int, now: UInt64) -> UInt64 {
        let mask = byteCount >= 8 ? UInt64.max : (1 << UInt64(8 * max(byteCount, 0))) - 1
        guard address != nil, offset < 0x1000 else { return mask }
        let lane = offset & 15
        guard byteCount > 0, lane + UInt64(byteCount) <= 4 else { return 0 }
        guard let register = memoryRegister(offset) else { return 0 }
        return UInt64(read(register, now: now)) >> (8 * lane) & mask
    }

    /// Writes the memory of the registers. Only aligned writes of 4 bytes do anything.
    package mutating func write(_ offset: UInt64, byteCount: Int, value: UInt64, now: UInt64) -> Effect {
        guard address != nil, offset < 0x1000, offset & 15 == 0, byteCount == 4,
            let register = memoryRegister(offset)
        else { return .none }
        return write(register, UInt32(truncatingIfNeeded: value), now: now)
    }

    /// The register of an offset. None is an error for the error status register (SDM 11.5.3).
    private mutating func memoryRegister(_ offset: UInt64) -> Register? {
        if let register = Register(number: UInt8(truncatingIfNeeded: offset >> 4)), register != .selfInterrupt {
            return register
        }
        report(ErrorBit.illegalRegister)
        return nil
    }

    /// The MSRs of x2APIC mode.
    package static let x2APICRegisters: ClosedRange<UInt32> = 0x800...0x8FF

    /// RDMSR of one of ``x2APICRegisters`` (SDM table 11-6); nil is a general protection exception.
    package func readMSR(_ number: UInt32, now: UInt64) -> UInt64? {
        guard let register = msrRegister(number) else { return nil }
        switch register {
        case .endOfInterrupt, .selfInterrupt: return nil
        case .command: return UInt64(commandHigh) << 32 | UInt64(commandLow)
        default: return UInt64(read(register, now: now))
        }
    }

    /// WRMSR of one of ``x2APICRegisters`` (SDM table 11-6); nil is a general protection exception: no such register,
    /// read only, or reserved bits.
    package mutating func writeMSR(_ number: UInt32, _ value: UInt64, now: UInt64) -> Effect? {
        guard let register = msrRegister(number) else { return nil }
        switch register {
        case .command:
            // Bit 12 was the delivery status: not there any more, and ignored (SDM 11.12.9).
            guard UInt32(truncatingIfNeeded: value) & ~(writableBits(register) | 1 << 12) == 0 else { return nil }
            commandHigh = UInt32(truncatingIfNeeded: value >> 32)
        case .id, .version, .processorPriority, .logicalDestination, .inService, .triggerMode, .requested,
            .currentCount:
            return nil
        case .endOfInterrupt, .errorStatus:
            guard value == 0 else { return nil }
        case .local(let source):
            guard value & ~UInt64(writableBits(register) | LocalVectorTable.readOnly(source)) == 0 else { return nil }
        default:
            guard value & ~UInt64(writableBits(register)) == 0 else { return nil }
        }
        return write(register, UInt32(truncatingIfNeeded: value), now: now)
    }

    /// The register of an MSR. What x2APIC mode took away: arbitration priority, remote read, destination format, the
    /// upper half of the command as a register of its own (SDM 11.12.1.2).
    private func msrRegister(_ number: UInt32) -> Register? {
        guard isX2APIC, Self.x2APICRegisters.contains(number),
            let register = Register(number: UInt8(truncatingIfNeeded: number))
        else { return nil }
        switch register {
        case .arbitrationPriority, .remoteRead, .destinationFormat, .commandHigh: return nil
        default: return register
        }
    }
}

// The registers, common to both modes (SDM volume 3, table 11-1 and table 11-6).
extension LocalAPIC {
    /// A register by its number: bits 4-11 of its offset, the lower byte of its MSR.
    enum Register: Sendable, Hashable {
        case id, version
        case taskPriority, arbitrationPriority, processorPriority
        case endOfInterrupt, remoteRead
        case logicalDestination, destinationFormat
        case spurious
        case inService(Int), triggerMode(Int), requested(Int)
        case errorStatus
        case command, commandHigh
        case local(LocalInterrupt)
        case initialCount, currentCount, divideConfiguration
        case selfInterrupt

        /// Nil for numbers of no register. 0x2F (CMCI) is none: the version register promises six local vectors.
        init?(number: UInt8) {
            switch number {
            case 0x02: self = .id
            case 0x03: self = .version
            case 0x08: self = .taskPriority
            case 0x09: self = .arbitrationPriority
            case 0x0A: self = .processorPriority
            case 0x0B: self = .endOfInterrupt
            case 0x0C: self = .remoteRead
            case 0x0D: self = .logicalDestination
            case 0x0E: self = .destinationFormat
            case 0x0F: self = .spurious
            case 0x10...0x17: self = .inService(Int(number & 7))
            case 0x18...0x1F: self = .triggerMode(Int(number & 7))
            case 0x20...0x27: self = .requested(Int(number & 7))
            case 0x28: self = .errorStatus
            case 0x30: self = .command
            case 0x31: self = .commandHigh
            case 0x32...0x37:
                guard let source = LocalInterrupt(rawValue: Int(number) - 0x32) else { return nil }
                self = .local(source)
            case 0x38: self = .initialCount
            case 0x39: self = .currentCount
            case 0x3E: self = .divideConfiguration
            case 0x3F: self = .selfInterrupt
            default: return nil
            }
        }
    }

    /// Version 0x14 (integrated APIC) with six local vectors, as QEMU and KVM have it; bit 24: EOI broadcasts can be
    /// suppressed.
    var versionRegister: UInt32 {
        0x14 | UInt32(LocalInterrupt.allCases.count - 1) << 16 | (canSuppressBroadcasts ? 1 << 24 : 0)
    }

    /// What a register reads; write-only ones read 0.
    func read(_ register: Register, now: UInt64) -> UInt32 {
        switch register {
        case .id: isX2APIC ? initialID : UInt32(id) << 24
        case .version: versionRegister
        case .taskPriority: UInt32(taskPriority)
        // Arbitration and remote read exist on no processor with x2APIC (SDM table 11-1, notes).
        case .arbitrationPriority, .remoteRead, .endOfInterrupt, .selfInterrupt: 0
        case .processorPriority: UInt32(processorPriority)
        case .logicalDestination: isX2APIC ? logicalX2APICID : UInt32(logicalID) << 24
        case .destinationFormat: UInt32(destinationFormat) << 28 | 0x0FFF_FFFF
        case .spurious: spurious
        case .inService(let number): inService[register: number]
        case .triggerMode(let number): levelTriggered[register: number]
        case .requested(let number): requested[register: number]
        case .errorStatus: errorStatus
        case .command: commandLow
        case .commandHigh: commandHigh
        case .local(let source): localVectors[source]
        case .initialCount: timer.initialCount
        case .currentCount: timer.currentCount(timerMode, now: now)
        case .divideConfiguration: divideConfiguration
        }
    }

    /// Bits that software may set in a register of 32 bits; in xAPIC mode others are dropped, in x2APIC mode they are
    /// an exception.
    func writableBits(_ register: Register) -> UInt32 {
        switch register {
        case .taskPriority, .selfInterrupt: 0xFF
        case .spurious:
            0xFF | SpuriousBit.enabled | SpuriousBit.focus
                | (canSuppressBroadcasts ? SpuriousBit.suppressBroadcast : 0)
        case .local(let source): LocalVectorTable.writable(source)
        case .divideConfiguration: 0b1011
        case .command: Self.commandBits
        default: 0xFFFF_FFFF
        }
    }

    /// Bits of the lower half of the interrupt command register: vector, delivery mode, destination mode, level,
    /// trigger mode, shorthand.
    private static let commandBits: UInt32 = 0x000C_CFFF

    /// Writes a register that can be written; others are left alone.
    mutating func write(_ register: Register, _ value: UInt32, now: UInt64) -> Effect {
        let bits = value & writableBits(register)
        switch register {
        case .id: id = UInt8(truncatingIfNeeded: bits >> 24)
        case .taskPriority: taskPriority = UInt8(truncatingIfNeeded: bits)
        case .endOfInterrupt: return endOfInterrupt()
        case .logicalDestination: logicalID = UInt8(truncatingIfNeeded: bits >> 24)
        case .destinationFormat: destinationFormat = UInt8(truncatingIfNeeded: bits >> 28)
        case .spurious:
            spurious = bits
            if bits & SpuriousBit.enabled == 0 {
                advance(to: now)
                localVectors.maskAll()
            }
        case .errorStatus:
            errorStatus = detectedErrors
            detectedErrors = 0
        case .command:
            commandLow = bits
            return sendCommand()
        case .commandHigh: commandHigh = bits
        case .local(let source): writeLocal(source, bits, now: now)
        case .initialCount:
            advance(to: now)
            // Ignored in TSC-deadline mode (SDM 11.5.4.1).
            if timerMode != .deadline { timer.load(bits, now: now) }
        case .divideConfiguration:
            advance(to: now)
            divideConfiguration = bits
            // Bits 0, 1 and 3 are the exponent less one; 7 divides by 1 (SDM figure 11-10).
            let exponent = (bits & 3 | bits >> 1 & 4) &+ 1
            timer.setShift(UInt8(truncatingIfNeeded: exponent & 7), timerMode, now: now)
        case .selfInterrupt:
            let vector = UInt8(truncatingIfNeeded: bits)
            if vector < Self.firstLegalVector { report(ErrorBit.sendIllegalVector) }
            request(vector, isLevelTriggered: false)
        case .version, .arbitrationPriority, .processorPriority, .remoteRead, .inService, .triggerMode, .requested,
            .currentCount:
            break
        }
        return .none
    }

    private mutating func writeLocal(_ source: LocalInterrupt, _ bits: UInt32, now: UInt64) {
        var entry = bits | localVectors[source] & LocalVectorTable.readOnly(source)
        // While software has disabled the APIC, the masks cannot be taken away (SDM 11.4.7.2).
        if spurious & SpuriousBit.enabled == 0 { entry |= LocalVectorTable.Bit.masked }
        switch source {
        case .timer: setTimerEntry(entry, now: now)
        case .lint0, .lint1:
            // An edge has no remote IRR.
            if entry & LocalVectorTable.Bit.level == 0 { entry &= ~LocalVectorTable.Bit.remoteIRR }
            localVectors[source] = entry
            updateLocalLevel(source)
        case .thermal, .performance, .error: localVectors[source] = entry
        }
    }

    /// The message that the interrupt command register means (SDM 11.6.1); one to the sender itself is taken here.
    private mutating func sendCommand() -> Effect {
        guard let delivery = InterruptMessage.Delivery(rawValue: UInt8(truncatingIfNeeded: commandLow >> 8) & 7),
            delivery != .external,
            let audience = InterruptMessage.Audience(rawValue: UInt8(truncatingIfNeeded: commandLow >> 18) & 3)
        else { return .none }
        let vector = UInt8(truncatingIfNeeded: commandLow)
        let isLogical = commandLow & 1 << 11 != 0
        if delivery == .initialize, commandLow & (1 << 14 | 1 << 15) == 1 << 15 {
            // INIT level de-assert only synchronizes arbitration IDs, which are no more (SDM 11.6.1).
            return .none
        }
        if (delivery == .fixed || delivery == .lowestPriority) && vector < Self.firstLegalVector {
            report(ErrorBit.sendIllegalVector)
        }
        var destination = commandHigh
        if !isX2APIC {
            destination = commandHigh >> 24
            // 0xFF is everybody in both destination modes (SDM 11.6.2).
            if destination == 0xFF { destination = Self.broadcast }
        }
        // Level and trigger mode mean nothing but for INIT: all others are edges (SDM 11.6.1).
        let message = InterruptMessage(
            vector: vector, delivery: delivery, isLogical: isLogical, destination: destination, audience: audience)
        if audience == .sender {
            accept(message)
            return .none
        }
        return .send(message)
    }
}

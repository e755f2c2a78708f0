// What arrives: messages, the pins, and the APIC's own sources.
extension LocalAPIC {
    /// Errors of the error status register (SDM 11.5.3).
    enum ErrorBit {
        static let sendIllegalVector: UInt32 = 1 << 5
        static let receiveIllegalVector: UInt32 = 1 << 6
        static let illegalRegister: UInt32 = 1 << 7
    }

    /// Vectors below are reserved for exceptions (SDM 11.5.2).
    static let firstLegalVector: UInt8 = 16

    /// Takes a message that ``matches(_:fromProcessor:)`` this APIC, for one of lowest priority after
    /// ``arbitrate(_:after:)``.
    package mutating func accept(_ message: InterruptMessage) {
        guard isGloballyEnabled else { return }
        switch message.delivery {
        case .fixed, .lowestPriority: request(message.vector, isLevelTriggered: message.isLevelTriggered)
        case .systemManagement: isSMIPending = true
        case .nonMaskable: isNMIPending = true
        case .initialize:
            isInitializePending = true
            startUpVector = nil
        case .startUp:
            // A processor that runs ignores it; one with an INIT before it will wait for it.
            if isWaitingForStartUp || isInitializePending { startUpVector = message.vector }
        case .external: isExternalMessagePending = true
        }
    }

    /// The processor takes the INIT that waits; its registers are the caller's. The bootstrap processor goes on at the
    /// reset vector, another one waits for ``takeStartUp()`` (SDM 8.4.2).
    package mutating func takeInitialize() -> Bool {
        guard isInitializePending else { return false }
        isInitializePending = false
        resetRegisters()
        isNMIPending = false
        isWaitingForStartUp = !isBootstrap
        if isBootstrap { startUpVector = nil }
        return true
    }

    /// A processor that waits starts at the vector times 4096, when there is one.
    package mutating func takeStartUp() -> UInt8? {
        guard isWaitingForStartUp, !isInitializePending, let vector = startUpVector else { return nil }
        startUpVector = nil
        isWaitingForStartUp = false
        return vector
    }

    /// A pin changes its level. LINT0 is the output of the 8259, LINT1 the machine's NMI. Other entries have no pin.
    package mutating func setLine(_ pin: LocalInterrupt, _ isAsserted: Bool) {
        switch pin {
        case .lint0:
            guard isLINT0Asserted != isAsserted else { return }
            isLINT0Asserted = isAsserted
        case .lint1:
            guard isLINT1Asserted != isAsserted else { return }
            isLINT1Asserted = isAsserted
        case .timer, .thermal, .performance, .error: return
        }
        guard isAsserted else { return }
        guard isGloballyEnabled else {
            // The pins of a processor without APIC are INTR and NMI (SDM 11.4.3).
            if pin == .lint1 { isNMIPending = true }
            return
        }
        if isLevelSensitive(pin) { updateLocalLevel(pin) } else { raise(pin) }
    }

    /// Sets the pins' levels after loading, without the edges of a change.
    package mutating func restoreLines(lint0: Bool, lint1: Bool) {
        isLINT0Asserted = lint0
        isLINT1Asserted = lint1
    }

    /// The processor listens to the 8259: LINT0 has delivery mode ExtINT and is not masked, or the APIC is switched
    /// off.
    package var acceptsExternalInterrupts: Bool {
        !isGloballyEnabled
            || localVectors[.lint0] & (LocalVectorTable.Bit.masked | LocalVectorTable.Bit.deliveryMode)
                == UInt32(InterruptMessage.Delivery.external.rawValue) << 8
    }

    /// The 8259 has an interrupt for this processor. It comes before ``pendingVector`` and ignores the priorities (SDM
    /// 11.8.1, note).
    ///
    /// The board lowers LINT0 after it has taken the vector from the 8259, and calls ``acknowledgeExternal()``.
    package var hasExternalInterrupt: Bool {
        isExternalMessagePending || isLINT0Asserted && acceptsExternalInterrupts
    }

    /// The processor has asked the 8259 for the vector.
    package mutating func acknowledgeExternal() { isExternalMessagePending = false }

    /// An interrupt of one of the APIC's own sources, by its entry of the local vector table (SDM 11.5.1).
    package mutating func raise(_ source: LocalInterrupt) {
        let entry = localVectors[source]
        guard isGloballyEnabled, entry & LocalVectorTable.Bit.masked == 0 else { return }
        // An overflow of a performance counter masks its own entry (SDM 18.6.3.5.9).
        if source == .performance { localVectors[source] |= LocalVectorTable.Bit.masked }
        let vector = UInt8(truncatingIfNeeded: entry)
        switch source {
        case .timer, .error: request(vector, isLevelTriggered: false)
        case .thermal, .performance, .lint0, .lint1:
            switch InterruptMessage.Delivery(rawValue: UInt8(truncatingIfNeeded: entry >> 8) & 7) {
            case .fixed: request(vector, isLevelTriggered: false)
            case .systemManagement: isSMIPending = true
            case .nonMaskable: isNMIPending = true
            case .initialize: isInitializePending = true
            // The level of LINT0 is looked at by `hasExternalInterrupt`; other pins cannot be ExtINT (SDM 11.5.1).
            case .external, .lowestPriority, .startUp, nil: break
            }
        }
    }

    /// Sets a request, or an error for a vector that no interrupt may have.
    mutating func request(_ vector: UInt8, isLevelTriggered isLevel: Bool) {
        guard isEnabled else { return }
        guard vector >= Self.firstLegalVector else { return report(ErrorBit.receiveIllegalVector) }
        requested[vector] = true
        levelTriggered[vector] = isLevel
    }

    /// Notes an error. The first one after a write of the error status register interrupts (SDM 11.5.3).
    mutating func report(_ error: UInt32) {
        let isFirst = detectedErrors == 0
        detectedErrors |= error
        if isFirst { raise(.error) }
    }
}

// Level-triggered fixed interrupts of the pins: accepted once, and again when the level is still there at the end (SDM
// 11.5.1).
extension LocalAPIC {
    private func isLevelSensitive(_ pin: LocalInterrupt) -> Bool {
        localVectors[pin] & (LocalVectorTable.Bit.level | LocalVectorTable.Bit.deliveryMode)
            == LocalVectorTable.Bit.level
    }

    mutating func updateLocalLevel(_ pin: LocalInterrupt) {
        let isAsserted = pin == .lint0 ? isLINT0Asserted : isLINT1Asserted
        let entry = localVectors[pin]
        guard isAsserted, isEnabled, isLevelSensitive(pin),
            entry & (LocalVectorTable.Bit.masked | LocalVectorTable.Bit.remoteIRR) == 0
        else { return }
        localVectors[pin] |= LocalVectorTable.Bit.remoteIRR
        request(UInt8(truncatingIfNeeded: entry), isLevelTriggered: true)
    }

    mutating func endOfLocalLevel(_ vector: UInt8) {
        for pin in [LocalInterrupt.lint0, .lint1] {
            let entry = localVectors[pin]
            guard entry & LocalVectorTable.Bit.remoteIRR != 0, UInt8(truncatingIfNeeded: entry) == vector else {
                continue
            }
            localVectors[pin] &= ~LocalVectorTable.Bit.remoteIRR
            updateLocalLevel(pin)
        }
    }
}

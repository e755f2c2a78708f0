// Who a message is for (SDM volume 3, 11.6.2 and 11.12.10).
extension LocalAPIC {
    /// Destination of an x2APIC's message to all.
    package static let broadcast: UInt32 = 0xFFFF_FFFF
    /// Destination of a message of 8 bits to all.
    private static let shortBroadcast: UInt32 = 0xFF

    /// Whether a message without shorthand is for this APIC.
    ///
    /// A message of the IOAPIC or of a device has 8 bits of destination (15 with KVM's extension), and its 0xFF means
    /// all also for APICs in x2APIC mode, as KVM has it. Interprocessor interrupts to all have been widened to
    /// ``broadcast`` by their sender.
    ///
    /// - Parameter fromProcessor: the message is an interprocessor interrupt.
    package func matches(_ message: InterruptMessage, fromProcessor: Bool = false) -> Bool {
        guard isGloballyEnabled else { return false }
        let destination = message.destination
        if destination == Self.broadcast || destination == Self.shortBroadcast && !(fromProcessor && isX2APIC) {
            return true
        }
        return message.isLogical ? matchesLogical(destination) : matchesPhysical(destination)
    }

    /// Whether an interprocessor interrupt is for this APIC, with its shorthand.
    ///
    /// - Parameter isSender: this APIC has sent it.
    package func matches(_ message: InterruptMessage, isSender: Bool) -> Bool {
        switch message.audience {
        case .destination: matches(message, fromProcessor: true)
        case .sender: isGloballyEnabled && isSender
        case .all: isGloballyEnabled
        case .allButSender: isGloballyEnabled && !isSender
        }
    }

    private func matchesPhysical(_ destination: UInt32) -> Bool {
        // An xAPIC cannot read more than 8 bits of its ID, but is found by all of them (KVM).
        isX2APIC || destination > Self.shortBroadcast ? destination == initialID : destination == UInt32(id)
    }

    private func matchesLogical(_ destination: UInt32) -> Bool {
        if isX2APIC {
            return destination >> 16 == logicalX2APICID >> 16 && destination & logicalX2APICID & 0xFFFF != 0
        }
        guard let mask = UInt8(exactly: destination) else { return false }
        switch destinationFormat {
        case 0xF: return mask & logicalID != 0
        case 0: return mask >> 4 == logicalID >> 4 && mask & logicalID & 0xF != 0
        default: return false
        }
    }
}

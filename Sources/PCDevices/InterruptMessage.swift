/// An interrupt on its way to local APICs: from an IOAPIC pin, a message-signalled interrupt, or another processor's command register.
///
/// Intel SDM volume 3, 11.6 (interrupt command register) and 11.11 (message signalled interrupts).
package struct InterruptMessage: Sendable, Hashable {
    /// What arrives (ICR bits 8-10, redirection entry bits 8-10).
    package enum Delivery: UInt8, Sendable {
        case fixed = 0
        case lowestPriority = 1
        case systemManagement = 2
        case nonMaskable = 4
        case initialize = 5
        case startUp = 6
        /// The vector comes from the 8259.
        case external = 7
    }

    /// Shorthand of an interrupt command (ICR bits 18-19).
    package enum Audience: UInt8, Sendable {
        case destination = 0
        case sender = 1
        case all = 2
        case allButSender = 3
    }

    package var vector: UInt8
    package var delivery: Delivery
    /// Logical destination mode: `destination` is compared with each APIC's logical ID, else it is an APIC ID.
    package var isLogical: Bool
    package var isLevelTriggered: Bool
    /// 8 bits in xAPIC mode (0xFF: all), 32 bits from an x2APIC (0xFFFF_FFFF: all).
    package var destination: UInt32
    package var audience: Audience

    package init(
        vector: UInt8, delivery: Delivery = .fixed, isLogical: Bool = false, isLevelTriggered: Bool = false,
        destination: UInt32, audience: Audience = .destination
    ) {
        self.vector = vector
        self.delivery = delivery
        self.isLogical = isLogical
        self.isLevelTriggered = isLevelTriggered
        self.destination = destination
        self.audience = audience
    }

    /// The interrupt that a write of `data` to `address` in 0xFEEx_xxxx means; nil for another address or a reserved kind.
    ///
    /// - Parameter isExtended: address bits 5-11 are destination bits 8-14 (`kvm-msi-ext-dest-id`).
    package init?(address: UInt64, data: UInt32, isExtended: Bool = false) {
        guard address & 0xFFF0_0000 == 0xFEE0_0000, address >> 32 == 0,
            let delivery = Delivery(rawValue: UInt8(truncatingIfNeeded: data >> 8) & 7)
        else { return nil }
        var destination = UInt32(truncatingIfNeeded: address >> 12) & 0xFF
        if isExtended { destination |= (UInt32(truncatingIfNeeded: address >> 5) & 0x7F) << 8 }
        self.init(
            vector: UInt8(truncatingIfNeeded: data), delivery: delivery, isLogical: address & 4 != 0,
            isLevelTriggered: data & 0x8000 != 0, destination: destination)
    }
}

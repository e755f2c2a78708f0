/// The IOAPIC of the chipset: 24 pins, version 0x20 (82093AA; the EOI register of later ones).
///
/// A pin whose interrupt can go out makes a message at once; the board takes the messages with ``takeMessages()`` after
/// each call that changes something. Polarity is ignored: a line that is `true` is asserted, as in QEMU.
package struct IOAPIC: Sendable, Hashable {
    package static let pinCount = 24
    /// What the version register reads in QEMU. KVM's reads 0x11, without EOI register; what a guest found there at
    /// boot it uses on.
    static let version: UInt32 = 0x20

    /// Bits of a redirection entry (82093AA, 3.2.4).
    enum Bit {
        static let vector: UInt64 = 0xFF
        static let logical: UInt64 = 1 << 11
        static let deliveryStatus: UInt64 = 1 << 12
        static let polarity: UInt64 = 1 << 13
        static let remoteIRR: UInt64 = 1 << 14
        static let level: UInt64 = 1 << 15
        static let masked: UInt64 = 1 << 16
        static let readOnly = deliveryStatus | remoteIRR
        /// All but the reserved bits 17-47; KVM's extension uses bits 48-55.
        static let writable: UInt64 = 0xFFFF_0000_0001_FFFF & ~readOnly
    }

    /// Bits 24-27 of the identification register.
    var id: UInt8 = 0
    /// The register select register.
    var selected: UInt8 = 0
    /// Requests: lines of level-triggered pins, edges that did not go out yet.
    package internal(set) var requested: UInt32 = 0
    /// Redirection table.
    package internal(set) var entries = [UInt64](repeating: Bit.masked, count: IOAPIC.pinCount)
    /// Levels of the pins, to know an edge. Not part of QEMU's section: see ``restoreLines(_:)``.
    var lines: UInt32 = 0
    /// Bits 49-55 of an entry are destination bits 8-14: the guest's CPUID has `kvm-msi-ext-dest-id`. Set by the board.
    package var hasExtendedDestinations = false
    var messages: [InterruptMessage] = []

    package init() {}

    /// The messages since the last call, in order.
    package mutating func takeMessages() -> [InterruptMessage] {
        guard !messages.isEmpty else { return [] }
        let taken = messages
        messages = []
        return taken
    }

    package var hasMessages: Bool { !messages.isEmpty }

    /// A pin changes its level. The board knows that ISA interrupt 0 is at pin 2.
    package mutating func setLine(_ pin: Int, _ isAsserted: Bool) {
        guard let bit = Self.bit(pin) else { return }
        let wasAsserted = lines & bit != 0
        if isAsserted { lines |= bit } else { lines &= ~bit }
        if isLevel(pin) {
            if isAsserted { requested |= bit } else { requested &= ~bit }
            service(pin)
        } else if isAsserted && !wasAsserted {
            signalEdge(pin)
        }
    }

    /// An edge, whatever level the pin has. A level-triggered pin is asserted for no time.
    package mutating func pulse(_ pin: Int) {
        guard let bit = Self.bit(pin) else { return }
        guard isLevel(pin), requested & bit == 0 else { return signalEdge(pin) }
        requested |= bit
        service(pin)
        requested &= ~bit
    }

    /// Sets the levels after loading, bit by pin, without the edges of a change.
    package mutating func restoreLines(_ levels: UInt32) { lines = levels & Self.allPins }

    /// Sends what waits and can go out: after loading, an edge that the hypervisor was about to send, as KVM does.
    package mutating func serviceAll() {
        for pin in 0..<Self.pinCount { service(pin) }
    }

    /// The end of a level-triggered interrupt, from a local APIC or the EOI register: pins of that vector may interrupt
    /// again, and those whose line is still asserted do (82093AA, 3.2.4, remote IRR).
    package mutating func endOfInterrupt(vector: UInt8) {
        for pin in 0..<Self.pinCount
        where entries[pin] & Bit.vector == UInt64(vector) && entries[pin] & Bit.level != 0
            && entries[pin] & Bit.remoteIRR != 0
        {
            entries[pin] &= ~Bit.remoteIRR
            service(pin)
        }
    }

    static let allPins: UInt32 = 1 << UInt32(pinCount) - 1

    private static func bit(_ pin: Int) -> UInt32? {
        pin >= 0 && pin < pinCount ? 1 << UInt32(pin) : nil
    }

    /// Only fixed and lowest-priority interrupts can be level triggered: the other kinds are edges even if programmed
    /// so (82093AA, 3.2.4, delivery mode).
    private func isLevel(_ pin: Int) -> Bool {
        guard entries[pin] & Bit.level != 0 else { return false }
        let delivery = InterruptMessage.Delivery(rawValue: UInt8(truncatingIfNeeded: entries[pin] >> 8) & 7)
        return delivery == .fixed || delivery == .lowestPriority
    }

    /// An edge at a masked pin is lost (82093AA, 3.2.4, interrupt mask).
    private mutating func signalEdge(_ pin: Int) {
        guard let bit = Self.bit(pin), entries[pin] & Bit.masked == 0 else { return }
        requested |= bit
        service(pin)
    }

    /// Gives a pin another entry. A level-triggered pin looks at its line anew; edges that came while it was masked are
    /// lost.
    mutating func changeEntry(_ pin: Int, to entry: UInt64) {
        guard let bit = Self.bit(pin) else { return }
        entries[pin] = entry
        if isLevel(pin), lines & bit != 0 { requested |= bit } else { requested &= ~bit }
        service(pin)
    }

    /// Sends a pin's message if it has a request and neither the mask nor an interrupt under way keeps it back.
    mutating func service(_ pin: Int) {
        guard let bit = Self.bit(pin), requested & bit != 0, entries[pin] & Bit.masked == 0 else { return }
        let level = isLevel(pin)
        if level {
            guard entries[pin] & Bit.remoteIRR == 0 else { return }
            entries[pin] |= Bit.remoteIRR
        } else {
            requested &= ~bit
        }
        // An entry is a message-signalled interrupt: destination in address bits 12-19 (5-11 extended), mode in bit 2.
        let entry = entries[pin]
        let address = 0xFEE0_0000 | (entry >> 48) << 4 | (entry & Bit.logical != 0 ? 4 : 0)
        let data = UInt32(truncatingIfNeeded: entry & 0x7FF) | (level ? 1 << 15 : 0)
        guard
            let message = InterruptMessage(address: address, data: data, isExtended: hasExtendedDestinations),
            message.delivery != .startUp
        else { return }
        messages.append(message)
    }
}

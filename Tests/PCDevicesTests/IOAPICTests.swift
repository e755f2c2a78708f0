import PCDevices
import Testing
import VMState

/// The IOAPIC, against the 82093AA data sheet.
@Suite struct IOAPICTests {
    private static let level: UInt64 = 1 << 15
    private static let masked: UInt64 = 1 << 16
    private static let remoteIRR: UInt64 = 1 << 14

    private static func write(_ apic: inout IOAPIC, _ number: UInt32, _ value: UInt32) {
        apic.write(0x00, byteCount: 4, value: UInt64(number), now: 0)
        apic.write(0x10, byteCount: 4, value: UInt64(value), now: 0)
    }

    private static func read(_ apic: inout IOAPIC, _ number: UInt32) -> UInt64 {
        apic.write(0x00, byteCount: 4, value: UInt64(number), now: 0)
        return apic.read(0x10, byteCount: 4, now: 0)
    }

    private static func program(_ apic: inout IOAPIC, _ pin: UInt32, _ entry: UInt64) {
        write(&apic, 0x11 + 2 * pin, UInt32(entry >> 32))
        write(&apic, 0x10 + 2 * pin, UInt32(truncatingIfNeeded: entry))
    }

    /// 3.1 and 3.2.
    @Test func registers() {
        var apic = IOAPIC()
        #expect(Self.read(&apic, 0) == 0)
        #expect(Self.read(&apic, 1) == 0x0017_0020)
        Self.write(&apic, 0, 0xFFFF_FFFF)
        #expect(Self.read(&apic, 0) == 0x0F00_0000)
        #expect(Self.read(&apic, 2) == 0x0F00_0000)
        Self.write(&apic, 1, 0)
        Self.write(&apic, 2, 0)
        #expect(Self.read(&apic, 1) == 0x0017_0020)
        #expect(Self.read(&apic, 2) == 0x0F00_0000)
        for pin: UInt32 in 0..<24 {
            #expect(Self.read(&apic, 0x10 + 2 * pin) == 0x10000)
            #expect(Self.read(&apic, 0x11 + 2 * pin) == 0)
            Self.write(&apic, 0x10 + 2 * pin, 0xFFFF_FFFF)
            Self.write(&apic, 0x11 + 2 * pin, 0xFFFF_FFFF)
            // Delivery status and remote IRR are read only, the bits above the mask reserved.
            #expect(Self.read(&apic, 0x10 + 2 * pin) == 0x1AFFF)
            #expect(Self.read(&apic, 0x11 + 2 * pin) == 0xFFFF_0000)
        }
        #expect(Self.read(&apic, 0x40) == 0)
        #expect(Self.read(&apic, 3) == 0)
        #expect(apic.read(0x00, byteCount: 1, now: 0) == 3)
        #expect(apic.read(0x20, byteCount: 4, now: 0) == 0)
        #expect(apic.takeMessages().isEmpty)
    }

    /// 3.2.4: an edge makes one message; at a masked pin it is lost.
    @Test func edges() {
        var apic = IOAPIC()
        Self.program(&apic, 4, 0x0300_0000_0000_0831)
        apic.setLine(4, true)
        #expect(apic.takeMessages() == [InterruptMessage(vector: 0x31, isLogical: true, destination: 3)])
        apic.setLine(4, true)
        #expect(!apic.hasMessages)
        apic.setLine(4, false)
        apic.setLine(4, true)
        apic.pulse(4)
        #expect(apic.takeMessages().count == 2)
        Self.program(&apic, 4, 0x0300_0000_0000_0831 | Self.masked)
        apic.setLine(4, false)
        apic.setLine(4, true)
        apic.pulse(4)
        Self.program(&apic, 4, 0x0300_0000_0000_0831)
        #expect(!apic.hasMessages)
        apic.setLine(24, true)
        apic.setLine(-1, true)
        apic.pulse(99)
        #expect(!apic.hasMessages)
    }

    /// 3.2.4: a level waits for the mask and for the end of the interrupt before.
    @Test func levels() {
        var apic = IOAPIC()
        let expected = InterruptMessage(vector: 0x41, isLevelTriggered: true, destination: 1)
        let entry: UInt64 = 0x0100_0000_0000_0041 | Self.level
        Self.program(&apic, 10, entry | Self.masked)
        apic.setLine(10, true)
        #expect(!apic.hasMessages)
        Self.program(&apic, 10, entry)
        #expect(apic.takeMessages() == [expected])
        #expect(apic.entries[10] & Self.remoteIRR != 0)
        apic.setLine(10, false)
        apic.setLine(10, true)
        #expect(!apic.hasMessages)
        apic.endOfInterrupt(vector: 0x42)
        #expect(!apic.hasMessages)
        // The line is still there at the end.
        apic.endOfInterrupt(vector: 0x41)
        #expect(apic.takeMessages() == [expected])
        apic.setLine(10, false)
        apic.endOfInterrupt(vector: 0x41)
        #expect(!apic.hasMessages)
        #expect(apic.entries[10] & Self.remoteIRR == 0)
        // Masked after acceptance: the end counts, the next one waits.
        apic.setLine(10, true)
        _ = apic.takeMessages()
        Self.program(&apic, 10, entry | Self.masked)
        #expect(apic.entries[10] & Self.remoteIRR != 0)
        apic.endOfInterrupt(vector: 0x41)
        #expect(!apic.hasMessages)
        Self.program(&apic, 10, entry)
        #expect(apic.takeMessages() == [expected])
    }

    /// Version 0x20: the EOI register ends the interrupts of a vector.
    @Test func theEndRegister() {
        var apic = IOAPIC()
        Self.program(&apic, 10, 0x41 | Self.level)
        Self.program(&apic, 11, 0x41 | Self.level)
        apic.setLine(10, true)
        apic.setLine(11, true)
        #expect(apic.takeMessages().count == 2)
        apic.write(0x40, byteCount: 1, value: 0x41, now: 0)
        #expect(!apic.hasMessages)
        apic.write(0x40, byteCount: 4, value: 0x41, now: 0)
        #expect(apic.takeMessages().count == 2)
    }

    /// Linux, for IOAPICs without that register: masked, made an edge and a level again.
    @Test func anEdgeForgetsTheRemoteIRR() {
        var apic = IOAPIC()
        Self.program(&apic, 10, 0x41 | Self.level)
        apic.setLine(10, true)
        #expect(apic.takeMessages().count == 1)
        Self.program(&apic, 10, 0x41 | Self.masked)
        #expect(apic.entries[10] & Self.remoteIRR == 0)
        Self.program(&apic, 10, 0x41 | Self.level | Self.masked)
        #expect(!apic.hasMessages)
        Self.program(&apic, 10, 0x41 | Self.level)
        #expect(apic.takeMessages().count == 1)
    }

    /// 3.2.4, delivery mode: NMI, SMI, INIT and ExtINT are edges even if programmed as levels; reserved modes send
    /// nothing.
    @Test(
        arguments: [
            (1, .lowestPriority), (2, .systemManagement), (3, nil), (4, .nonMaskable), (5, .initialize), (6, nil),
            (7, .external),
        ] as [(UInt64, InterruptMessage.Delivery?)])
    func deliveryModes(mode: UInt64, delivery: InterruptMessage.Delivery?) {
        var apic = IOAPIC()
        Self.program(&apic, 0, 0x50 | mode << 8 | Self.level)
        apic.setLine(0, true)
        let messages = apic.takeMessages()
        #expect(messages.map(\.delivery) == (delivery.map { [$0] } ?? []))
        #expect(messages.allSatisfy { $0.isLevelTriggered == (mode == 1) })
        #expect((apic.entries[0] & Self.remoteIRR != 0) == (mode == 1))
    }

    /// Destination bits 8-14 in bits 49-55 of an entry, where the guest knows of them.
    @Test func extendedDestinations() {
        var apic = IOAPIC()
        Self.program(&apic, 5, 0x2302_0000_0000_0031)
        apic.pulse(5)
        apic.hasExtendedDestinations = true
        apic.pulse(5)
        #expect(apic.takeMessages().map(\.destination) == [0x23, 0x123])
    }

    @Test func aPulseOfALevelTriggeredPinIsNoLevel() {
        var apic = IOAPIC()
        Self.program(&apic, 5, 0x31 | Self.level)
        apic.pulse(5)
        #expect(apic.takeMessages().count == 1)
        apic.endOfInterrupt(vector: 0x31)
        #expect(!apic.hasMessages)
    }

    @Test func theSection() throws {
        let section = try InterruptSections.ioapic()
        var apic = try IOAPIC(section)
        #expect(apic.read(0x00, byteCount: 4, now: 0) == 0x18)
        #expect(apic.entries[9] == 0x0200_0000_0000_8821)
        var saved = section
        try apic.save(to: &saved)
        #expect(saved == section)
        apic.restoreLines(1 << 4)
        apic.setLine(4, true)
        #expect(!apic.hasMessages)
        apic.setLine(9, true)
        #expect(
            apic.takeMessages() == [
                InterruptMessage(vector: 0x21, isLogical: true, isLevelTriggered: true, destination: 2)
            ])
        try apic.save(to: &saved)
        #expect(try saved.unsigned("irr") == 1 << 9)
        #expect(try saved.unsigned("ioredtbl[9]") == 0x0200_0000_0000_C821)
        let loaded = try IOAPIC(saved)
        #expect(loaded.requested == apic.requested && loaded.entries == apic.entries)
    }

    /// An edge that KVM had not yet sent.
    @Test func whatWaitsIsSent() throws {
        var section = try InterruptSections.ioapic()
        try section.set("irr", to: 1 << 4 | 1 << 3)
        var apic = try IOAPIC(section)
        apic.serviceAll()
        #expect(apic.takeMessages().map(\.vector) == [0x23])
    }
}

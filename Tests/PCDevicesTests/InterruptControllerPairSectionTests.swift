import PCDevices
import Testing
import VMState

/// Sections `i8259`, with sections that QEMU 7.2 has written.
@Suite struct InterruptControllerPairSectionTests {
    @Test(arguments: [
        (InterruptSections.primary, InterruptSections.secondary),
        (InterruptSections.kvmPrimary, InterruptSections.kvmSecondary),
        ("ff041004050803010101020101020200", "00000000000000000000000000000000"),
    ])
    func whatQEMUWroteComesOutUnchanged(primary: String, secondary: String) throws {
        let first = try InterruptSections.i8259(primary, instance: 0)
        let second = try InterruptSections.i8259(secondary, instance: 1)
        let pair = try InterruptControllerPair(primary: first, secondary: second)
        var saved = first
        var savedSecond = second
        try pair.save(toPrimary: &saved, secondary: &savedSecond)
        #expect(saved == first && savedSecond == second)
        #expect(try InterruptControllerPair(primary: saved, secondary: savedSecond) == pair)
    }

    /// Linux under KVM: all masked, automatic end in the first, requests kept.
    @Test func underKVM() throws {
        var first = try InterruptSections.i8259(InterruptSections.kvmPrimary, instance: 0)
        var second = try InterruptSections.i8259(InterruptSections.kvmSecondary, instance: 1)
        var pair = try InterruptControllerPair(primary: first, secondary: second)
        #expect(!pair.output)
        #expect(pair.read(0x20, byteCount: 1, now: 0) == 0x13)
        pair.write(0x21, byteCount: 1, value: 0xFD, now: 0)
        #expect(pair.acknowledge() == 0x31)
        pair.write(0x20, byteCount: 1, value: 0x0B, now: 0)
        #expect(pair.read(0x20, byteCount: 1, now: 0) == 0)
        try pair.save(toPrimary: &first, secondary: &second)
        #expect(try first.unsigned("irr") == 0x11 && first.unsigned("imr") == 0xFD)
        #expect(try first.unsigned("auto_eoi") == 1)
    }

    @Test(arguments: [("init_state", 4), ("priority_add", 8), ("irq_base", 9)] as [(String, UInt64)])
    func whatQEMUNeverWritesIsAnError(field: String, value: UInt64) throws {
        var first = try InterruptSections.i8259(InterruptSections.primary, instance: 0)
        try first.set(field, to: value)
        let second = try InterruptSections.i8259(InterruptSections.secondary, instance: 1)
        let error = #expect(throws: DeviceError.self) {
            try InterruptControllerPair(primary: first, secondary: second)
        }
        #expect(error?.message.contains(field) == true)
    }

    @Test func nothingTraps() throws {
        var numbers = FixedNumbers(state: 2)
        var first = try InterruptSections.i8259(InterruptSections.primary, instance: 0)
        var second = try InterruptSections.i8259(InterruptSections.secondary, instance: 1)
        var pair = try InterruptControllerPair(primary: first, secondary: second)
        var apic = try IOAPIC(try InterruptSections.ioapic())
        let ports: [UInt16] = [0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1]
        for _ in 0..<50_000 {
            let choice = numbers.next()
            let port = ports[Int((choice >> 32) % 6)]
            switch choice & 7 {
            case 0: _ = pair.acknowledge()
            case 1: _ = pair.read(port, byteCount: Int(choice >> 61), now: 0)
            case 2, 3: pair.setLine(Int(choice >> 8 & 0x1F) - 4, choice & 0x8000 == 0)
            case 4: apic.setLine(Int(choice >> 8 & 0x1F) - 4, choice & 0x8000 == 0)
            case 5: apic.write(choice >> 8 & 0x50, byteCount: 4, value: numbers.next(), now: 0)
            case 6: apic.endOfInterrupt(vector: UInt8(truncatingIfNeeded: choice >> 8))
            default: pair.write(port, byteCount: 1, value: numbers.next(), now: 0)
            }
            #expect(apic.takeMessages().count <= IOAPIC.pinCount)
        }
        try pair.save(toPrimary: &first, secondary: &second)
        #expect(try InterruptControllerPair(primary: first, secondary: second) == pair)
    }
}

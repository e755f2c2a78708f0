import PCDevices
import Testing

/// x2APIC mode, against the SDM, volume 3, 11.12 and table 11-6.
@Suite struct LocalAPICExtendedTests {
    private enum Access: Sendable { case readWrite, readOnly, writeOnly, none }

    /// The registers of table 11-6.
    private static func access(_ number: UInt32) -> Access {
        switch number {
        case 0x802, 0x803, 0x80A, 0x80D, 0x810...0x827, 0x839: .readOnly
        case 0x80B, 0x83F: .writeOnly
        case 0x808, 0x80F, 0x828, 0x830, 0x832...0x838, 0x83E: .readWrite
        default: .none
        }
    }

    @Test func eachRegisterHasItsAccess() {
        for number in LocalAPIC.x2APICRegisters {
            var apic = LocalAPIC.extended()
            let access = Self.access(number)
            #expect((apic.readMSR(number, now: 0) != nil) == (access == .readWrite || access == .readOnly), "\(number)")
            let isWritten = apic.writeMSR(number, 0, now: 0) != nil
            #expect(isWritten == (access == .readWrite || access == .writeOnly), "\(number)")
        }
        var outside = LocalAPIC.extended()
        #expect(outside.readMSR(0x902, now: 0) == nil)
        #expect(outside.writeMSR(0x908, 0, now: 0) == nil)
    }

    @Test func withoutX2APICModeThereAreNone() {
        var apic = LocalAPIC.started()
        #expect(apic.readMSR(0x802, now: 0) == nil)
        #expect(apic.writeMSR(0x80B, 0, now: 0) == nil)
        var extended = LocalAPIC.extended()
        #expect(extended[APICOffset.id] == 0xFFFF_FFFF)
        extended[APICOffset.taskPriority] = 0x20
        #expect(extended.priorityClass == 0)
        #expect(extended.errors() == 0xFFFF_FFFF)
    }

    /// Reserved bits are an exception, and change nothing. Read-only bits of local vectors are not reserved.
    @Test(
        arguments: [
            (0x808, 0xFF, 0x100), (0x80F, 0x3FF, 0x1000), (0x80B, 0, 1), (0x828, 0, 1),
            (0x830, 0x3_000C_CFFF, 0x2_0000),
            (0x832, 0x710FF, 0x100), (0x833, 0x117FF, 0x800), (0x834, 0x117FF, 0x2000), (0x835, 0x1F7FF, 0x2_0000),
            (0x836, 0x1F7FF, 0x4_0000), (0x837, 0x110FF, 0x200), (0x838, 0xFFFF_FFFF, 0x1_0000_0000), (0x83E, 0xB, 4),
            (0x83F, 0xFF, 0x100), (0x808, 0, 0x1_0000_0000), (0x830, 0, 0x10_0000),
        ] as [(UInt32, UInt64, UInt64)])
    func reservedBitsAreExceptions(number: UInt32, legal: UInt64, reserved: UInt64) {
        var apic = LocalAPIC.extended()
        #expect(apic.writeMSR(number, legal, now: 0) != nil)
        let before = apic
        #expect(apic.writeMSR(number, reserved, now: 0) == nil)
        #expect(apic == before)
    }

    /// SDM 11.12.5.1 and 11.12.10.2: a 32-bit ID; the logical ID is the cluster (ID bits 4-19) and one of 16 bits.
    @Test(
        arguments: [
            (0, 0x0000_0001), (3, 0x0000_0008), (0x1F, 0x0001_8000), (0x12345, 0x1234_0020),
        ] as [(UInt32, UInt64)])
    func identities(id: UInt32, logical: UInt64) {
        let apic = LocalAPIC.extended(id: id)
        #expect(apic.readMSR(0x802, now: 0) == UInt64(id))
        #expect(apic.readMSR(0x80D, now: 0) == logical)
    }

    /// SDM 11.12.9: one write of 64 bits with a 32-bit destination.
    @Test func commandsHaveSixtyFourBits() {
        var apic = LocalAPIC.extended()
        #expect(
            apic.writeMSR(0x830, 0x0001_0002_0000_08F6, now: 0)
                == .send(InterruptMessage(vector: 0xF6, isLogical: true, destination: 0x10002)))
        #expect(apic.readMSR(0x830, now: 0) == 0x0001_0002_0000_08F6)
        #expect(
            apic.writeMSR(0x830, 0x0000_00FF_0000_00F6, now: 0)
                == .send(InterruptMessage(vector: 0xF6, destination: 0xFF)))
    }

    /// SDM 11.12.11.
    @Test func selfInterrupts() {
        var apic = LocalAPIC.extended()
        #expect(apic.writeMSR(0x83F, 0x41, now: 0) == LocalAPIC.Effect.none)
        #expect(apic.pendingVector == 0x41)
        #expect(apic.writeMSR(0x83F, 0x0F, now: 0) == LocalAPIC.Effect.none)
        #expect(apic.writeMSR(0x828, 0, now: 0) == LocalAPIC.Effect.none)
        #expect(apic.readMSR(0x828, now: 0) == 0x60)
    }

    @Test func theRegistersAreThoseOfXAPICMode() {
        var apic = LocalAPIC.started()
        apic[APICOffset.lint0] = 0x700
        apic[APICOffset.taskPriority] = 0x35
        apic.accept(0xA1)
        #expect(apic.setBase(apic.base | 0x400, physicalAddressBits: 40, supportsX2APIC: true) == true)
        #expect(apic.readMSR(0x835, now: 0) == 0x700)
        #expect(apic.readMSR(0x808, now: 0) == 0x35)
        #expect(apic.readMSR(0x825, now: 0) == 2)
        #expect(apic.acknowledge() == 0xA1)
        #expect(apic.readMSR(0x815, now: 0) == 2)
        #expect(apic.readMSR(0x80A, now: 0) == 0xA0)
        #expect(apic.writeMSR(0x80B, 0, now: 0) == LocalAPIC.Effect.none)
        #expect(!apic.isInService(0xA1))
    }
}

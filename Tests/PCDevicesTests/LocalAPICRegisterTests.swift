import PCDevices
import Testing

/// Registers in xAPIC mode, against the SDM, volume 3, chapter 11.
@Suite struct LocalAPICRegisterTests {
    /// SDM 11.4.7.1 and table 11-1.
    @Test func theStateAfterReset() {
        var apic = LocalAPIC(id: 5, isBootstrap: true)
        #expect(apic.base == 0xFEE0_0900)
        #expect(apic.address == 0xFEE0_0000)
        #expect(!apic.isEnabled && apic.isGloballyEnabled && !apic.isX2APIC)
        #expect(apic[APICOffset.id] == 5 << 24)
        #expect(apic[APICOffset.version] == 0x0005_0014)
        for offset: UInt64 in [0x80, 0x90, 0xA0, 0xC0, 0xD0, 0x280, 0x300, 0x310, 0x380, 0x390, 0x3E0] {
            #expect(apic[offset] == 0, "\(offset)")
        }
        for offset in stride(from: UInt64(0x100), through: 0x270, by: 16) { #expect(apic[offset] == 0) }
        for offset in stride(from: UInt64(0x320), through: 0x370, by: 16) { #expect(apic[offset] == 0x10000) }
        #expect(apic[APICOffset.destinationFormat] == 0xFFFF_FFFF)
        #expect(apic[APICOffset.spurious] == 0xFF)
        #expect(apic.errors() == 0)
        #expect(!LocalAPIC(id: 1, isBootstrap: false).isBootstrap)
        #expect(LocalAPIC(id: 1, isBootstrap: false).isWaitingForStartUp)
    }

    /// What all ones leave of each register: only its writable bits.
    @Test(
        arguments: [
            (0x20, 0xFF00_0000), (0x30, 0x0005_0014), (0x80, 0xFF), (0x90, 0), (0xA0, 0), (0xC0, 0),
            (0xD0, 0xFF00_0000),
            (0xE0, 0xFFFF_FFFF), (0xF0, 0x3FF), (0x100, 0), (0x180, 0), (0x200, 0), (0x310, 0xFFFF_FFFF),
            (0x320, 0x700FF),
            (0x330, 0x107FF), (0x340, 0x107FF), (0x350, 0x1A7FF), (0x360, 0x1A7FF), (0x370, 0x100FF), (0x390, 0),
            (0x3E0, 0xB),
        ] as [(UInt64, UInt32)])
    func reservedBitsStayClear(offset: UInt64, kept: UInt32) {
        var apic = LocalAPIC.started()
        apic[offset] = 0xFFFF_FFFF
        // The task priority is also the processor's priority.
        #expect(apic[offset] == (offset == 0x320 ? 0x700FF : kept))
    }

    @Test func aRegisterIsFourBytesAtAMultipleOfSixteen() {
        var apic = LocalAPIC.started(id: 0xAB)
        #expect(apic.read(0x23, byteCount: 1, now: 0) == 0xAB)
        #expect(apic.read(0x22, byteCount: 2, now: 0) == 0xAB00)
        #expect(apic.read(0x24, byteCount: 4, now: 0) == 0)
        #expect(apic.read(0x22, byteCount: 4, now: 0) == 0)
        #expect(apic.read(0x20, byteCount: 8, now: 0) == 0)
        _ = apic.write(0x80, byteCount: 1, value: 0x20, now: 0)
        _ = apic.write(0x81, byteCount: 4, value: 0x20, now: 0)
        _ = apic.write(0x80, byteCount: 8, value: 0x20, now: 0)
        #expect(apic[APICOffset.taskPriority] == 0)
        #expect(apic.read(0x1020, byteCount: 4, now: 0) == 0xFFFF_FFFF)
    }

    /// SDM 11.5.3: an access to no register is error 7; the register shows errors after a write of it.
    @Test func reservedRegistersAreErrors() {
        for offset: UInt64 in [0x00, 0x10, 0x40, 0x70, 0x290, 0x2F0, 0x3A0, 0x3F0, 0xFF0] {
            var apic = LocalAPIC.started()
            apic[APICOffset.error] = 0xFE
            #expect(apic[offset] == 0)
            #expect(apic[APICOffset.errorStatus] == 0)
            #expect(apic.pendingVector == 0xFE)
            #expect(apic.errors() == 0x80, "\(offset)")
            #expect(apic.errors() == 0)
            apic[offset] = 1
            #expect(apic.errors() == 0x80, "\(offset)")
        }
    }

    /// The error interrupt comes once until the error status register is written.
    @Test func theErrorInterruptIsArmedByAWrite() {
        var apic = LocalAPIC.started()
        apic[APICOffset.error] = 0xFE
        _ = apic[0x40]
        #expect(apic.acknowledge() == 0xFE)
        _ = apic.endOfInterrupt()
        _ = apic[0x40]
        #expect(apic.pendingVector == nil)
        #expect(apic.errors() == 0x80)
        _ = apic[0x40]
        #expect(apic.pendingVector == 0xFE)
    }

    /// SDM 11.4.7.2: disabled by software, all local vectors are masked and stay so; requests and the interrupts in
    /// service are kept.
    @Test func disablingBySoftwareMasks() {
        var apic = LocalAPIC.started()
        apic[APICOffset.lint1] = 0x400
        apic.accept(0x40)
        #expect(apic.acknowledge() == 0x40)
        apic.accept(0x60)
        apic[APICOffset.spurious] = 0xFF
        #expect(!apic.isEnabled)
        #expect(apic[APICOffset.lint1] == 0x10400)
        apic[APICOffset.lint1] = 0x400
        #expect(apic[APICOffset.lint1] == 0x10400)
        apic.accept(0x80)
        #expect(apic.pendingVector == 0x60)
        #expect(apic.isInService(0x40))
        // It takes INIT, NMI, SMI and start-up messages and can send.
        apic.accept(InterruptMessage(vector: 0, delivery: .nonMaskable, destination: 0))
        #expect(apic.isNMIPending)
        #expect(apic.write(APICOffset.command, 0x0004_0041) == .none)
        apic[APICOffset.spurious] = 0x1FF
        #expect(apic[APICOffset.lint1] == 0x10400)
    }

    /// SDM 11.6.1: the message of the interrupt command register.
    @Test func commandsSendMessages() {
        var apic = LocalAPIC.started()
        apic[APICOffset.commandHigh] = 0x0300_0000
        #expect(
            apic.write(APICOffset.command, 0x41)
                == .send(InterruptMessage(vector: 0x41, destination: 3)))
        #expect(
            apic.write(APICOffset.command, 0x0000_C911)
                == .send(InterruptMessage(vector: 0x11, delivery: .lowestPriority, isLogical: true, destination: 3)))
        #expect(
            apic.write(APICOffset.command, 0x000C_0400)
                == .send(
                    InterruptMessage(vector: 0, delivery: .nonMaskable, destination: 3, audience: .allButSender)))
        // INIT assert, INIT level de-assert, start-up.
        #expect(
            apic.write(APICOffset.command, 0x0000_C500)
                == .send(InterruptMessage(vector: 0, delivery: .initialize, destination: 3)))
        #expect(apic.write(APICOffset.command, 0x0000_8500) == .none)
        #expect(
            apic.write(APICOffset.command, 0x0000_0699)
                == .send(InterruptMessage(vector: 0x99, delivery: .startUp, destination: 3)))
        // Reserved delivery modes.
        #expect(apic.write(APICOffset.command, 0x0000_0341) == .none)
        #expect(apic.write(APICOffset.command, 0x0000_0741) == .none)
        // The delivery status never shows a command under way.
        #expect(apic.write(APICOffset.command, 0x0000_1041) != .none)
        #expect(apic[APICOffset.command] == 0x41)
        // To all.
        apic[APICOffset.commandHigh] = 0xFF00_0000
        #expect(
            apic.write(APICOffset.command, 0x41)
                == .send(InterruptMessage(vector: 0x41, destination: 0xFFFF_FFFF)))
    }

    @Test func aCommandToItselfIsTakenAtOnce() {
        var apic = LocalAPIC.started()
        #expect(apic.write(APICOffset.command, 0x0004_0041) == .none)
        #expect(apic.pendingVector == 0x41)
    }

    /// SDM 11.5.3: vectors 0 to 15 are errors of the sender and of the receiver, and are not delivered.
    @Test func illegalVectorsAreErrors() {
        var apic = LocalAPIC.started()
        _ = apic.write(APICOffset.command, 0x0F)
        #expect(apic.errors() == 0x20)
        apic.accept(0x0F)
        #expect(apic.errors() == 0x40)
        #expect(apic[APICOffset.requested] == 0)
        _ = apic.write(APICOffset.command, 0x0004_000F)
        #expect(apic.errors() == 0x60)
        _ = apic.write(APICOffset.command, 0x0000_0400)
        #expect(apic.errors() == 0)
    }

    /// SDM figure 11-27: which values of IA32_APIC_BASE follow which.
    @Test(
        arguments: [
            (0x800, 0xC00, true), (0x800, 0x000, true), (0xC00, 0x000, true), (0x000, 0x800, true),
            (0xC00, 0xC00, true),
            (0x000, 0xC00, false), (0xC00, 0x800, false), (0x800, 0x400, false), (0x000, 0x400, false),
            (0xC00, 0x400, false),
        ] as [(UInt64, UInt64, Bool)])
    func transitionsOfTheBase(from: UInt64, to: UInt64, isLegal: Bool) {
        var apic = LocalAPIC.started()
        let address: UInt64 = 0xFEE0_0100
        if from == 0 { #expect(apic.setBase(address, physicalAddressBits: 40, supportsX2APIC: true) == true) }
        if from == 0xC00 {
            #expect(apic.setBase(address | from, physicalAddressBits: 40, supportsX2APIC: true) == true)
        }
        let before = apic
        #expect(apic.setBase(address | to, physicalAddressBits: 40, supportsX2APIC: true) == isLegal)
        #expect(isLegal ? apic.base == address | to : apic == before)
        #expect(apic.isX2APIC == (apic.base & 0xC00 == 0xC00))
        #expect((apic.address != nil) == (apic.base & 0xC00 == 0x800))
    }

    @Test func reservedBitsOfTheBase() {
        var apic = LocalAPIC.started()
        for value: UInt64 in [0xFEE0_0901, 0xFEE0_0B00, 1 << 40 | 0xFEE0_0900] {
            #expect(apic.setBase(value, physicalAddressBits: 40, supportsX2APIC: true) == false)
        }
        #expect(apic.setBase(0xFEE0_0D00, physicalAddressBits: 40, supportsX2APIC: false) == false)
        #expect(apic.setBase(0x1_0000_0800, physicalAddressBits: 40, supportsX2APIC: false) == true)
        #expect(apic.address == 0x1_0000_0000)
        #expect(!apic.isBootstrap)
    }

    /// SDM 11.4.3: switched off and on, the APIC is as after reset; off, it has no registers.
    @Test func switchingOffForgets() {
        var apic = LocalAPIC.started()
        apic[APICOffset.taskPriority] = 0x40
        apic.accept(0x90)
        #expect(apic.setBase(0xFEE0_0100, physicalAddressBits: 40, supportsX2APIC: true) == true)
        #expect(apic[APICOffset.taskPriority] == 0xFFFF_FFFF)
        #expect(apic.pendingVector == nil)
        #expect(apic.acceptsExternalInterrupts)
        #expect(!apic.matches(InterruptMessage(vector: 0x40, destination: 0xFF)))
        #expect(apic.setBase(0xFEE0_0900, physicalAddressBits: 40, supportsX2APIC: true) == true)
        #expect(apic == LocalAPIC(id: 0, isBootstrap: true))
    }

    /// Any access at any time is answered, and the state can always be saved.
    @Test func nothingTraps() throws {
        var numbers = FixedNumbers(state: 1)
        var section = try InterruptSections.apic(InterruptSections.tcg)
        for start in [LocalAPIC.started(), .extended(), try LocalAPIC(section)] {
            var apic = start
            var now: UInt64 = 0
            for round in 0..<20_000 {
                let choice = numbers.next()
                let value = numbers.next() & (choice & 0x100 == 0 ? 0xFFF : .max)
                now &+= choice & 0x200 == 0 ? numbers.next() & 0xFFFF : 0
                switch choice & 7 {
                case 0: _ = apic.read(numbers.next() & 0x13FF, byteCount: Int(choice >> 60), now: now)
                case 1: _ = apic.writeMSR(0x800 + UInt32(numbers.next() & 0xFF), value, now: now)
                case 2: _ = apic.readMSR(0x800 + UInt32(numbers.next() & 0xFF), now: now)
                case 3: apic.accept(UInt8(truncatingIfNeeded: value), isLevelTriggered: choice & 0x400 == 0)
                case 4: apic.setLine(choice & 0x400 == 0 ? .lint0 : .lint1, choice & 0x800 == 0)
                case 5: apic.setTSCDeadline(value, at: numbers.next() >> (choice >> 58))
                case 6:
                    if round & 1 == 0 { apic.advance(to: now) } else { _ = apic.acknowledge() }
                default:
                    _ = apic.write(numbers.next() & 0x3F0, byteCount: 4, value: value & 0xFFFF_FFFF, now: now)
                }
                if choice & 0xFF_0000 == 0 {
                    _ = apic.setBase(value & 0xD00, physicalAddressBits: 40, supportsX2APIC: true)
                }
            }
            try apic.save(to: &section)
            var again = section
            try LocalAPIC(section).save(to: &again)
            #expect(again == section)
        }
    }
}

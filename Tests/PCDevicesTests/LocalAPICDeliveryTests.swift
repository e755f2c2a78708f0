import PCDevices
import Testing

/// Priorities, acceptance, pins and destinations, against the SDM, volume 3, 11.5, 11.6 and 11.8.
@Suite struct LocalAPICDeliveryTests {
    @Test func vectorsOfASet() {
        var set = VectorSet()
        #expect(set.highest == nil)
        for vector: UInt8 in [0, 31, 32, 63, 64, 127, 128, 200, 255] {
            set[vector] = true
            #expect(set.highest == vector)
            #expect(set[vector])
            #expect(set[register: Int(vector) / 32] >> UInt32(vector & 31) & 1 == 1)
        }
        #expect(set.registers == [0x8000_0001, 0x8000_0001, 1, 0x8000_0000, 1, 0, 0x100, 0x8000_0000])
        set[255] = false
        #expect(set.highest == 200)
        set[register: 6] = 0
        #expect(set.highest == 128)
    }

    /// 11.8.3.1: the processor priority by task priority and the interrupt in service.
    @Test(
        arguments: [
            (0x00, nil, 0x00), (0x35, nil, 0x35), (0x35, 0x21, 0x35), (0x35, 0x41, 0x40), (0x35, 0x31, 0x35),
            (0xFF, 0xF1, 0xFF),
        ] as [(UInt8, UInt8?, UInt32)])
    func processorPriority(task: UInt8, inService: UInt8?, expected: UInt32) {
        var apic = LocalAPIC.started()
        if let inService {
            apic.accept(inService)
            #expect(apic.acknowledge() == inService)
        }
        apic[APICOffset.taskPriority] = UInt32(task)
        #expect(apic[APICOffset.processorPriority] == expected)
        #expect(apic.priorityClass == task >> 4)
    }

    /// 11.8.6: CR8 is bits 4-7 of the task priority.
    @Test func cr8() {
        var apic = LocalAPIC.started()
        apic[APICOffset.taskPriority] = 0x3F
        #expect(apic.priorityClass == 3)
        apic.priorityClass = 0xA
        #expect(apic[APICOffset.taskPriority] == 0xA0)
        apic.accept(0xAF)
        #expect(apic.pendingVector == nil)
        apic.accept(0xB0)
        #expect(apic.pendingVector == 0xB0)
    }

    /// 11.8.4: interrupts nest by class; each has one request and one in service.
    @Test func interruptsNestByClass() {
        var apic = LocalAPIC.started()
        #expect(apic.acknowledge() == nil)
        apic.accept(0x41)
        apic.accept(0x45)
        #expect(apic.acknowledge() == 0x45)
        #expect(apic.pendingVector == nil)
        apic.accept(0x51)
        apic.accept(0x45)
        #expect(apic.acknowledge() == 0x51)
        #expect(apic[APICOffset.inService + 0x20] == 0x2_0020)
        #expect(apic[APICOffset.requested + 0x20] == 0x22)
        _ = apic.endOfInterrupt()
        #expect(!apic.isInService(0x51) && apic.isInService(0x45))
        #expect(apic.pendingVector == nil)
        #expect(apic.write(APICOffset.endOfInterrupt, 0) == .none)
        #expect(apic.acknowledge() == 0x45)
        _ = apic.endOfInterrupt()
        #expect(apic.acknowledge() == 0x41)
        _ = apic.endOfInterrupt()
        #expect(apic.endOfInterrupt() == .none)
        #expect(!apic.hasEvent)
    }

    /// 11.8.5: the end of a level-triggered interrupt goes to the IOAPIC.
    @Test func endsOfLevelTriggeredInterruptsAreTold() {
        var apic = LocalAPIC.started()
        apic.accept(0x41, isLevelTriggered: true)
        #expect(apic[APICOffset.triggerMode + 0x20] == 2)
        #expect(apic.acknowledge() == 0x41)
        #expect(apic.write(APICOffset.endOfInterrupt, 0) == .endOfInterrupt(vector: 0x41))
        apic.accept(0x41)
        #expect(apic[APICOffset.triggerMode + 0x20] == 0)
        #expect(apic.acknowledge() == 0x41)
        #expect(apic.endOfInterrupt() == .none)
    }

    /// 11.8.5: SVR bit 12 suppresses the broadcast where the version register offers that.
    @Test func broadcastsCanBeSuppressed() throws {
        var section = try InterruptSections.apic(InterruptSections.tcg)
        try section.set("spurious_vec", to: 0x11FF)
        var apic = try LocalAPIC(section)
        #expect(apic[APICOffset.version] == 0x0105_0014)
        apic.accept(0x41, isLevelTriggered: true)
        #expect(apic.acknowledge() == 0x41)
        #expect(apic.endOfInterrupt() == .none)
        apic[APICOffset.spurious] = 0x1FF
        apic.accept(0x41, isLevelTriggered: true)
        #expect(apic.acknowledge() == 0x41)
        #expect(apic.endOfInterrupt() == .endOfInterrupt(vector: 0x41))
        #expect(apic.spuriousVector == 0xFF)
    }

    /// 8.4: INIT, then a start-up message; a second one finds the processor running.
    @Test func startingAProcessor() {
        var apic = LocalAPIC.started(id: 1, isBootstrap: false)
        apic.isWaitingForStartUp = false
        apic[APICOffset.taskPriority] = 0x40
        let start = InterruptMessage(vector: 0x99, delivery: .startUp, destination: 1)
        apic.accept(start)
        #expect(apic.takeStartUp() == nil && !apic.hasEvent)
        apic.accept(InterruptMessage(vector: 0, delivery: .initialize, destination: 1))
        #expect(apic.hasEvent)
        apic.accept(start)
        #expect(apic.takeStartUp() == nil)
        #expect(apic.takeInitialize() == true)
        #expect(apic.takeInitialize() == false)
        #expect(apic.isWaitingForStartUp)
        #expect(apic[APICOffset.taskPriority] == 0 && apic[APICOffset.spurious] == 0xFF)
        #expect(apic[APICOffset.id] == 1 << 24)
        #expect(apic.takeStartUp() == 0x99)
        #expect(!apic.isWaitingForStartUp)
        apic.accept(start)
        #expect(apic.takeStartUp() == nil)
        // The bootstrap processor goes on without one.
        var first = LocalAPIC.started()
        first.accept(InterruptMessage(vector: 0, delivery: .initialize, destination: 0))
        #expect(first.takeInitialize() == true && !first.isWaitingForStartUp)
    }

    /// 11.5.1: LINT0 as input of the 8259, LINT1 as NMI.
    @Test func thePinsOfAPC() {
        var apic = LocalAPIC.started()
        apic.setLine(.lint0, true)
        #expect(!apic.acceptsExternalInterrupts && !apic.hasExternalInterrupt)
        apic[APICOffset.lint0] = 0x700
        apic[APICOffset.lint1] = 0x400
        #expect(apic.acceptsExternalInterrupts && apic.hasExternalInterrupt && apic.hasEvent)
        #expect(apic.pendingVector == nil)
        apic.setLine(.lint0, false)
        #expect(!apic.hasExternalInterrupt)
        apic.setLine(.lint1, true)
        #expect(apic.isNMIPending)
        apic.isNMIPending = false
        apic.setLine(.lint1, true)
        #expect(!apic.isNMIPending)
        apic.setLine(.lint1, false)
        apic[APICOffset.lint1] = 0x10400
        apic.setLine(.lint1, true)
        #expect(!apic.isNMIPending)
        // As a message of the IOAPIC.
        apic[APICOffset.lint0] = 0x10700
        apic.accept(InterruptMessage(vector: 0, delivery: .external, destination: 0))
        #expect(apic.hasExternalInterrupt)
        apic.acknowledgeExternal()
        #expect(!apic.hasEvent)
    }

    /// 11.5.1: a fixed interrupt of LINT0, as an edge and as a level with its remote IRR.
    @Test func fixedInterruptsOfLINT0() {
        var apic = LocalAPIC.started()
        apic[APICOffset.lint0] = 0x31
        apic.setLine(.lint0, true)
        #expect(apic.acknowledge() == 0x31)
        #expect(apic.endOfInterrupt() == .none)
        apic.setLine(.lint0, true)
        #expect(apic.pendingVector == nil)
        // The line is up when the entry becomes level triggered.
        apic[APICOffset.lint0] = 0x8031
        #expect(apic[APICOffset.lint0] == 0xC031)
        #expect(apic.acknowledge() == 0x31)
        #expect(apic.pendingVector == nil)
        #expect(apic.endOfInterrupt() == .endOfInterrupt(vector: 0x31))
        #expect(apic.acknowledge() == 0x31)
        apic.setLine(.lint0, false)
        _ = apic.endOfInterrupt()
        #expect(apic.pendingVector == nil)
        #expect(apic[APICOffset.lint0] == 0x8031)
    }

    /// 11.5.1 and 18.6.3.5.9: an overflow interrupt masks its entry; here it is an NMI, as Linux has it.
    @Test func anOverflowMasksItsEntry() {
        var apic = LocalAPIC.started()
        apic[APICOffset.performance] = 0x400
        apic.raise(.performance)
        #expect(apic.isNMIPending)
        #expect(apic[APICOffset.performance] == 0x10400)
        apic.isNMIPending = false
        apic.raise(.performance)
        #expect(!apic.isNMIPending)
        apic[APICOffset.thermal] = 0x200
        apic.raise(.thermal)
        #expect(apic.isSMIPending)
    }

    /// 11.6.2.1 and 11.6.2.2: physical, flat and cluster destinations of xAPIC mode.
    @Test(
        arguments: [
            (2, false, 0xF, 0x01, true), (3, false, 0xF, 0x01, false), (0xFF, false, 0xF, 0x01, true),
            (0x01, true, 0xF, 0x01, true), (0x03, true, 0xF, 0x02, true), (0x02, true, 0xF, 0x01, false),
            (0xFF, true, 0xF, 0x00, true), (0x21, true, 0x0, 0x23, true), (0x24, true, 0x0, 0x23, false),
            (0x31, true, 0x0, 0x23, false), (0xFF, true, 0x0, 0x23, true), (0x2F, true, 0x0, 0x23, true),
            (0xFFFF_FFFF, false, 0xF, 0x01, true), (0x1_0001, true, 0xF, 0x01, false), (0x102, false, 0xF, 0x01, false),
        ] as [(UInt32, Bool, UInt32, UInt32, Bool)])
    func destinationsOfXAPIC(destination: UInt32, isLogical: Bool, format: UInt32, logical: UInt32, isMatch: Bool) {
        var apic = LocalAPIC.started(id: 2)
        apic[APICOffset.destinationFormat] = format << 28 | 0x0FFF_FFFF
        apic[APICOffset.logicalDestination] = logical << 24
        let message = InterruptMessage(vector: 0x40, isLogical: isLogical, destination: destination)
        #expect(apic.matches(message) == isMatch)
        #expect(apic.matches(message, fromProcessor: true) == isMatch)
    }

    /// 11.12.10: physical and cluster destinations of x2APIC mode; 0xFF of a device is everybody, of a processor one
    /// ID.
    @Test(
        arguments: [
            (0x23, false, true, true), (0x22, false, false, false), (0xFFFF_FFFF, false, true, true),
            (0xFF, false, true, false), (0x0002_0008, true, true, true), (0x0002_FFFF, true, true, true),
            (0x0002_0004, true, false, false), (0x0001_0008, true, false, false), (0x8, true, false, false),
            (0xFFFF_FFFF, true, true, true),
        ] as [(UInt32, Bool, Bool, Bool)])
    func destinationsOfX2APIC(destination: UInt32, isLogical: Bool, byDevice: Bool, byProcessor: Bool) {
        let apic = LocalAPIC.extended(id: 0x23)
        let message = InterruptMessage(vector: 0x40, isLogical: isLogical, destination: destination)
        #expect(apic.matches(message) == byDevice)
        #expect(apic.matches(message, fromProcessor: true) == byProcessor)
    }

    @Test func shorthands() {
        let apic = LocalAPIC.started(id: 2)
        var message = InterruptMessage(vector: 0x40, destination: 7)
        for (audience, sender, other) in [
            (.destination, false, false), (.sender, true, false), (.all, true, true), (.allButSender, false, true),
        ] as [(InterruptMessage.Audience, Bool, Bool)] {
            message.audience = audience
            #expect(apic.matches(message, isSender: true) == sender)
            #expect(apic.matches(message, isSender: false) == other)
        }
    }

    /// 11.6.2.4: the lowest priority wins; equals take turns.
    @Test func lowestPriority() {
        let equals: [(number: Int, priority: UInt8)] = [(3, 0x10), (0, 0x20), (1, 0x10), (2, 0x10)]
        #expect(LocalAPIC.arbitrate(equals) == 1)
        #expect(LocalAPIC.arbitrate(equals, after: 1) == 2)
        #expect(LocalAPIC.arbitrate(equals, after: 2) == 3)
        #expect(LocalAPIC.arbitrate(equals, after: 3) == 1)
        #expect(LocalAPIC.arbitrate(equals.reversed(), after: 0) == 1)
        #expect(LocalAPIC.arbitrate([(number: 4, priority: 0x30), (number: 5, priority: 0)], after: 3) == 5)
        #expect(LocalAPIC.arbitrate([] as [(number: Int, priority: UInt8)]) == nil)
    }
}

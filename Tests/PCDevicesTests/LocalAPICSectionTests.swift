import PCDevices
import Testing
import VMState

/// Section `apic`, with sections that QEMU 7.2 has written.
@Suite struct LocalAPICSectionTests {
    @Test(
        arguments: [
            (InterruptSections.kvmOneShot, 0), (InterruptSections.kvmDeadline, 3), (InterruptSections.tcg, 0),
            (InterruptSections.tcgWaiting, 1),
        ] as [(String, UInt32)])
    func whatQEMUWroteComesOutUnchanged(payload: String, instance: UInt32) throws {
        let section = try InterruptSections.apic(payload, instance: instance)
        let apic = try LocalAPIC(section)
        var saved = section
        try apic.save(to: &saved)
        #expect(saved == section)
        #expect(try LocalAPIC(saved) == apic)
    }

    @Test func xAPICUnderKVM() throws {
        var apic = try LocalAPIC(try InterruptSections.apic(InterruptSections.kvmOneShot))
        #expect(apic.isEnabled && apic.isBootstrap && !apic.isX2APIC && !apic.isWaitingForStartUp)
        // Linux masks LINT0 once its IOAPIC works.
        #expect(!apic.acceptsExternalInterrupts && apic[APICOffset.lint0] == 0x10700)
        #expect(apic[APICOffset.taskPriority] == 0x10)
        #expect(apic[APICOffset.logicalDestination] == 0x0100_0000)
        #expect(apic[APICOffset.spurious] == 0x1FF)
        #expect(apic[APICOffset.timer] == 0xEC && apic[APICOffset.error] == 0xFE)
        #expect(apic[APICOffset.command] == 0x000C_4610)
        // 0x2E5A1 ticks of 16 ns and one more, from the time of saving.
        let saved: UInt64 = 0x3_7453_B347
        #expect(apic.deadline == 0x3_7482_0D67)
        #expect(apic.count(saved) == 0x2E5A1)
        #expect(apic.count(saved + 32) == 0x2E5A0)
        apic.advance(to: 0x3_7482_0D67)
        #expect(apic.acknowledge() == 0xEC)
        var section = try InterruptSections.apic(InterruptSections.kvmOneShot)
        try apic.save(to: &section)
        #expect(try section.signed("timer_expiry") == -1)
        #expect(try section.unsigned("isr[7]") == 0x1000)
    }

    @Test func x2APICUnderKVM() throws {
        var apic = try LocalAPIC(try InterruptSections.apic(InterruptSections.kvmDeadline, instance: 3))
        #expect(apic.isX2APIC && !apic.isBootstrap && apic.usesTSCDeadline)
        #expect(apic.readMSR(0x802, now: 0) == 3)
        #expect(apic.readMSR(0x80D, now: 0) == 8)
        #expect(apic.pendingVector == 0xEC)
        #expect(apic.deadline == nil)
        apic.setTSCDeadline(0x1234, at: 0x8C_CD00_0000)
        #expect(apic.deadline == 0x8C_CD00_0000)
        // The deadline is not in this section.
        let section = try InterruptSections.apic(InterruptSections.kvmDeadline, instance: 3)
        var saved = section
        try apic.save(to: &saved)
        #expect(saved == section)
    }

    /// A destination of 32 bits in `icr[1]`, and more than 8 bits of ID.
    @Test func theInstanceIsTheID() throws {
        var section = try InterruptSections.apic(InterruptSections.kvmDeadline, instance: 0x103)
        try section.set("icr", toBytes: [0, 0, 0, 0xFB, 0, 0, 1, 2])
        let apic = try LocalAPIC(section)
        #expect(apic.readMSR(0x802, now: 0) == 0x103)
        #expect(apic.readMSR(0x80D, now: 0) == 0x0010_0008)
        #expect(apic.readMSR(0x830, now: 0) == 0x0000_0102_0000_00FB)
    }

    /// KVM computes an expiry in TSC-deadline mode too if a count is left: it means nothing, and is kept.
    @Test func anExpiryInTSCDeadlineModeMeansNothing() throws {
        var section = try InterruptSections.apic(InterruptSections.kvmDeadline, instance: 3)
        try section.set("initial_count", to: 100)
        try section.set("timer_expiry", to: 0x9000_0000)
        var apic = try LocalAPIC(section)
        #expect(apic.deadline == nil)
        var saved = section
        try apic.save(to: &saved)
        #expect(saved == section)
        // Once the guest has written the timer, it is gone.
        _ = apic.writeMSR(0x832, 0xEC, now: 0)
        try apic.save(to: &saved)
        #expect(try saved.signed("timer_expiry") == -1)
    }

    /// TCG: periodic, loaded long ago; the next expiry counts, and the phase stays.
    @Test func aPeriodicTimerUnderTCG() throws {
        var section = try InterruptSections.apic(InterruptSections.tcg)
        try section.set(
            "lvt", toBytes: InterruptSections.bytes("000200400001000000010000000087000000840000010000"))
        for (field, value) in [
            ("divide_conf", 3), ("count_shift", 4), ("initial_count", 999), ("initial_count_load_time", 1000),
            ("next_time", 1000 + 5 * 16000), ("timer_expiry", 1000 + 5 * 16000),
        ] as [(String, UInt64)] { try section.set(field, to: value) }
        var apic = try LocalAPIC(section)
        #expect(apic.deadline == 81_000)
        #expect(apic.count(81_000 - 160) == 10)
        apic.advance(to: 81_000)
        #expect(apic.pendingVector == 0x40)
        #expect(apic.deadline == 81_000 + 999 * 16)
        try apic.save(to: &section)
        #expect(try section.unsigned("timer_expiry") == 81_000 + 999 * 16)
        #expect(try section.unsigned("next_time") == 81_000 + 999 * 16)
        #expect(try LocalAPIC(section) == apic)
    }

    /// QEMU stops a masked timer. It goes on here, from the load.
    @Test func aMaskedTimer() throws {
        var section = try InterruptSections.apic(InterruptSections.tcg)
        for (field, value) in [
            ("divide_conf", 0xB), ("initial_count", 1000), ("initial_count_load_time", 5000), ("next_time", 77),
        ] as [(String, UInt64)] { try section.set(field, to: value) }
        var apic = try LocalAPIC(section)
        #expect(apic.deadline == nil)
        #expect(apic.count(5400) == 600)
        var saved = section
        try apic.save(to: &saved)
        #expect(saved == section)
        _ = apic.write(APICOffset.timer, 0x40, now: 5500)
        #expect(apic.deadline == 6000)
    }

    @Test func waitingForAStartUpMessage() throws {
        var section = try InterruptSections.apic(InterruptSections.tcgWaiting, instance: 1)
        var apic = try LocalAPIC(section)
        #expect(apic.isWaitingForStartUp && !apic.isBootstrap)
        #expect(apic.neededSubsections.map(\.fields) == [[.int32("sipi_vector", 0), .int32("wait_for_sipi", 1)]])
        apic.accept(InterruptMessage(vector: 0x9A, delivery: .startUp, destination: 1))
        #expect(apic.takeStartUp() == 0x9A)
        #expect(apic.neededSubsections.isEmpty)
        try apic.save(to: &section)
        #expect(try section.unsigned("apic_sipi.wait_for_sipi") == 0)
        #expect(try !LocalAPIC(section).isWaitingForStartUp)
    }

    @Test(arguments: [("apicbase", 0xFEE0_0400), ("count_shift", 8)] as [(String, UInt64)])
    func whatQEMUNeverWritesIsAnError(field: String, value: UInt64) throws {
        var section = try InterruptSections.apic(InterruptSections.tcg)
        try section.set(field, to: value)
        let error = #expect(throws: DeviceError.self) { try LocalAPIC(section) }
        #expect(error?.code == .malformed)
        #expect(error?.message.contains(field) == true)
    }

    @Test func anotherSectionIsAnError() throws {
        let section = try InterruptSections.i8259(InterruptSections.primary, instance: 0)
        #expect(throws: DeviceError.self) { try LocalAPIC(section) }
        #expect(throws: DeviceError.self) { try IOAPIC(section) }
    }
}

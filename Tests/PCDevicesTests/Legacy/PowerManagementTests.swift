import PCDevices
import Testing
import VMState

/// ACPI 6.4 chapter 4.8 on QEMU's two chipsets.
@Suite struct PowerManagementTests {
    private static let frequency: UInt64 = 3_579_545

    private static func time(_ clocks: UInt64) -> UInt64 { (clocks * 1_000_000_000 + frequency - 1) / frequency }

    private static func enabled(_ chipset: PowerManagement.Chipset, events: UInt64 = 0) -> PowerManagement {
        var device = PowerManagement(chipset: chipset, processorIDs: [0, 1])
        device.writeCommandPort(0, byteCount: 1, value: chipset == .piix4 ? 0xF1 : 0x02)
        // The carry is set at time 0 already; software clears it.
        device.write(0, byteCount: 2, value: 0xFFFF, now: 0)
        device.write(2, byteCount: 2, value: events, now: 0)
        return device
    }

    @Test(arguments: [PowerManagement.Chipset.piix4, .ich9]) func theTimerHas24Bits(chipset: PowerManagement.Chipset) {
        var device = PowerManagement(chipset: chipset, processorIDs: [0])
        #expect(device.read(8, byteCount: 4, now: 1_000_000_000) == Self.frequency)
        #expect(device.read(8, byteCount: 4, now: Self.time(0x100_0000)) == 0)
        #expect(device.read(8, byteCount: 4, now: Self.time(0x100_0000) - 1) == 0xFF_FFFF)
        #expect(device.read(9, byteCount: 1, now: Self.time(0x12_3456)) == 0x34)
    }

    @Test func theHighestBitsChangeInterrupts() {
        var device = Self.enabled(.piix4, events: 1)
        #expect(device.deadline == Self.time(0x80_0000))
        #expect(!device.interruptLine)
        device.advance(to: Self.time(0x80_0000))
        #expect(device.interruptLine)
        #expect(device.deadline == nil)
        #expect(device.read(0, byteCount: 2, now: Self.time(0x80_0000)) == 1)
        device.write(0, byteCount: 2, value: 1, now: Self.time(0x80_0005))
        #expect(!device.interruptLine)
        #expect(device.deadline == Self.time(0x100_0000))
    }

    @Test(arguments: [PowerManagement.Chipset.piix4, .ich9])
    func acpiIsSwitchedOnByTheCommandPort(chipset: PowerManagement.Chipset) {
        var device = PowerManagement(chipset: chipset, processorIDs: [0])
        #expect(device.read(4, byteCount: 2, now: 0) == 0)
        device.writeCommandPort(0, byteCount: 1, value: chipset == .piix4 ? 0xF1 : 2)
        #expect(device.read(4, byteCount: 2, now: 0) == 1)
        device.writeCommandPort(0, byteCount: 1, value: chipset == .piix4 ? 0xF0 : 3)
        #expect(device.read(4, byteCount: 2, now: 0) == 0)
        device.writeCommandPort(0, byteCount: 2, value: 0x5AA5)
        #expect(device.readCommandPort(0, byteCount: 2) == 0x5AA5)
    }

    @Test func withoutSCIEnableNothingInterrupts() {
        var device = Self.enabled(.piix4, events: 0x100)
        device.pressPowerButton()
        #expect(device.interruptLine)
        device.writeCommandPort(0, byteCount: 1, value: 0xF0)
        #expect(!device.interruptLine)
    }

    @Test func thePowerButtonInterruptsWhoEnablesIt() {
        var device = Self.enabled(.ich9)
        device.pressPowerButton()
        #expect(device.read(0, byteCount: 2, now: 0) == 0)
        device.write(2, byteCount: 2, value: 0x100, now: 0)
        device.pressPowerButton()
        #expect(device.interruptLine)
        // Both registers as one double word.
        #expect(device.read(0, byteCount: 4, now: 0) == 0x0100_0100)
        device.write(1, byteCount: 1, value: 1, now: 0)
        #expect(!device.interruptLine)
    }

    @Test(
        arguments: [
            (0x2000, .powerOff), (0x2400, .suspend), (0x2800, .powerOff), (0x3C00, nil), (0x0400, nil),
        ] as [(UInt64, PowerManagement.Request?)])
    func sleepTypes(value: UInt64, expected: PowerManagement.Request?) {
        var device = Self.enabled(.piix4)
        device.write(4, byteCount: 2, value: value | 1, now: 0)
        #expect(device.takeRequest() == expected)
        #expect(device.takeRequest() == nil)
        // SLP_EN is write-only.
        #expect(device.read(4, byteCount: 2, now: 0) == value & ~0x2000 | 1)
    }

    @Test func aByteOfControlIsEnoughToSleep() {
        var device = Self.enabled(.piix4)
        device.write(5, byteCount: 1, value: 0x20, now: 0)
        #expect(device.takeRequest() == .powerOff)
        #expect(device.read(4, byteCount: 1, now: 0) == 1)
    }

    @Test func resetControl() {
        var device = Self.enabled(.piix4)
        device.writeResetControl(0x02)
        #expect(device.takeRequest() == nil)
        #expect(device.readResetControl() == 0x02)
        device.writeResetControl(0x06)
        #expect(device.takeRequest() == .reset)
    }

    @Test func eventsOfThePIIX4HaveTheirOwnPorts() {
        var device = Self.enabled(.piix4)
        device.writeEvents(2, byteCount: 1, value: 6)
        #expect(device.readEvents(0, byteCount: 4) == 0x0006_0000)
        // At PMBASE there is a hole.
        #expect(device.read(0x20, byteCount: 4, now: 0) == 0xFFFF_FFFF)
        #expect(device.readEvents(4, byteCount: 1) == 0xFF)
    }

    @Test func registersOfTheICH9() {
        var device = Self.enabled(.ich9)
        device.write(0x28, byteCount: 4, value: 0x0000_0106, now: 0)
        #expect(device.read(0x28, byteCount: 2, now: 0) == 0x0106)
        device.write(0x30, byteCount: 4, value: 0x21, now: 0)
        #expect(device.read(0x30, byteCount: 4, now: 0) == 0x21)
        #expect(device.read(0x34, byteCount: 4, now: 0) == 0)
        // The watchdog's second control register and timer after reset (ICH9 data sheet 13.9).
        #expect(device.read(0x6A, byteCount: 2, now: 0) == 0x0008)
        #expect(device.read(0x72, byteCount: 2, now: 0) == 0x0004)
    }

    @Test func processorsAreABitmapUntilSelected() {
        var device = PowerManagement(chipset: .piix4, processorIDs: [0, 1, 9])
        #expect(device.hotplug.readProcessors(0, byteCount: 1) == 0x03)
        #expect(device.hotplug.readProcessors(1, byteCount: 1) == 0x02)
        device.hotplug.writeProcessors(0, byteCount: 4, value: 0)
        device.hotplug.writeProcessors(0, byteCount: 4, value: 2)
        // Enabled, no event.
        #expect(device.hotplug.readProcessors(4, byteCount: 1) == 1)
        device.hotplug.writeProcessors(5, byteCount: 1, value: 3)
        #expect(device.hotplug.readProcessors(8, byteCount: 4) == 9)
        device.hotplug.writeProcessors(5, byteCount: 1, value: 0)
        #expect(device.hotplug.readProcessors(8, byteCount: 4) == 2)
        // Behind the last one.
        device.hotplug.writeProcessors(0, byteCount: 4, value: 3)
        #expect(device.hotplug.readProcessors(4, byteCount: 1) == 0)
        device.hotplug.writeProcessors(4, byteCount: 1, value: 8)
    }

    @Test func nothingIsPluggedIn() {
        var device = PowerManagement(chipset: .ich9, processorIDs: [0])
        device.hotplug.writeDevices(0x10, byteCount: 4, value: 0)
        device.hotplug.writeDevices(8, byteCount: 4, value: 0xFFFF_FFFF)
        #expect([0, 4, 8, 12, 20].allSatisfy { device.hotplug.readDevices($0, byteCount: 4) == 0 })
        #expect(device.hotplug.readMemory(0x14, byteCount: 1) == 0)
    }
}

/// Sections in the layout of QEMU 7.2.
extension PowerManagementTests {
    private static func piix4(timer: UInt64 = .max, overflow: Int64 = 0, status: UInt16 = 1, enable: UInt16 = 0x20)
        -> DeviceSection
    {
        var list = FieldList()
        list.add("parent_obj.config[0]", bytes: [UInt8](repeating: 3, count: 256))
        list.add("ar.pm1.evt.sts", status)
        list.add("ar.pm1.evt.en", enable)
        list.add("ar.pm1.cnt.cnt", UInt16(1))
        list.add("apm.apmc", UInt8(0xF1))
        list.add("apm.apms", UInt8(0))
        list.add("ar.tmr.timer", timer)
        list.add("ar.tmr.overflow_time", overflow)
        list.add("ar.gpe.sts", UInt16(0))
        list.add("ar.gpe.en", UInt16(6))
        list.add("acpi_pci_hotplug.hotplug_select", UInt32(0))
        list.add("acpi_pci_hotplug.acpi_index", UInt32(0))
        list.add("piix4_pm/memhp.acpi_memory_hotplug.selector", UInt32(0))
        list.add("piix4_pm/cpuhp.cpuhp_state.selector", UInt32(1))
        list.add("piix4_pm/cpuhp.cpuhp_state.command", UInt8(0))
        for index in 0..<2 {
            let prefix = "piix4_pm/cpuhp.cpuhp_state.devs[\(index)]."
            list.add(prefix + "is_inserting", UInt8(0))
            list.add(prefix + "is_removing", UInt8(0))
            list.add(prefix + "ost_event", UInt32(0))
            list.add(prefix + "ost_status", UInt32(0))
        }
        return list.section("0000:00:01.3/piix4_pm")
    }

    private static func ich9() -> DeviceSection {
        var list = FieldList()
        list.add("apm.apmc", UInt8(2))
        list.add("apm.apms", UInt8(0))
        list.add("pm.acpi_regs.pm1.evt.sts", UInt16(1))
        list.add("pm.acpi_regs.pm1.evt.en", UInt16(0x20))
        list.add("pm.acpi_regs.pm1.cnt.cnt", UInt16(1))
        list.add("pm.acpi_regs.tmr.timer", UInt64.max)
        list.add("pm.acpi_regs.tmr.overflow_time", Int64(0))
        list.add("pm.acpi_regs.gpe.sts", bytes: [UInt8](repeating: 0, count: 16))
        list.add("pm.acpi_regs.gpe.en", bytes: [6] + [UInt8](repeating: 0, count: 15))
        list.add("pm.smi_en", UInt32(33))
        list.add("pm.smi_sts", UInt32(0))
        for name in ["tco.rld", "tco.sts1", "tco.sts2", "tco.cnt1"] {
            list.add("pm.ich9_pm/tco.tco_regs." + name, UInt16(0))
        }
        list.add("pm.ich9_pm/tco.tco_regs.tco.cnt2", UInt16(8))
        list.add("pm.ich9_pm/tco.tco_regs.tco.tmr", UInt16(4))
        list.add("pm.ich9_pm/tco.tco_regs.sw_irq_gen", UInt8(3))
        list.add("pm.ich9_pm/cpuhp.cpuhp_state.selector", UInt32(0))
        list.add("pm.ich9_pm/cpuhp.cpuhp_state.command", UInt8(0))
        list.add("pm.ich9_pm/cpuhp.cpuhp_state.devs.is_inserting", UInt8(0))
        list.add("pm.ich9_pm/cpuhp.cpuhp_state.devs.is_removing", UInt8(0))
        list.add("pm.ich9_pm/cpuhp.cpuhp_state.devs.ost_event", UInt32(5))
        list.add("pm.ich9_pm/cpuhp.cpuhp_state.devs.ost_status", UInt32(6))
        list.add("pm.ich9_pm/pcihp.acpi_pci_hotplug.hotplug_select", UInt32(7))
        return list.section("0000:00:1f.0/ICH9LPC", version: 1)
    }

    @Test func sectionsComeOutUnchanged() throws {
        for (section, chipset) in [(Self.piix4(), PowerManagement.Chipset.piix4), (Self.ich9(), .ich9)] {
            var device = try PowerManagement(section, chipset: chipset, processorIDs: [0])
            var saved = section
            try device.save(to: &saved)
            #expect(saved == section)
            #expect(try PowerManagement(saved, chipset: chipset, processorIDs: [0]) == device)
            #expect(device.read(4, byteCount: 2, now: 0) == 1)
            let events =
                chipset == .piix4 ? device.readEvents(2, byteCount: 1) : device.read(0x28, byteCount: 1, now: 0)
            #expect(events == 6)
        }
    }

    @Test func aRunningCarryIsSavedForQEMU() throws {
        // QEMU's timer ends at the nanosecond in which the count is reached.
        let expiry: UInt64 = 0x80_0000 * 1_000_000_000 / 3_579_545
        let section = Self.piix4(timer: expiry, overflow: 0x80_0000, status: 0, enable: 1)
        let device = try PowerManagement(section, chipset: .piix4, processorIDs: [0, 1])
        #expect(device.deadline == expiry + 1)
        var saved = section
        try device.save(to: &saved)
        #expect(saved == section)
    }

    @Test func damagedSectionsDoNotTrap() throws {
        var device = try PowerManagement(
            Self.piix4(overflow: .min, status: 0, enable: .max), chipset: .piix4, processorIDs: [.max])
        device.advance(to: .max)
        _ = device.deadline
        _ = device.hotplug.readProcessors(.max, byteCount: 8)
        device.write(.max, byteCount: 8, value: .max, now: .max)
        #expect(throws: DeviceError.self) { try PowerManagement(Self.piix4(), chipset: .ich9, processorIDs: [0]) }
    }
}

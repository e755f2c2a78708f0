import PCDevices
import Testing

/// INTx routing and message-signalled interrupts.
@Suite struct PCIInterruptTests {
    /// A driver with the legacy interface started, MSI-X off, and one request finished: its line is asserted.
    private func asserted(_ bus: PCIBus) -> VirtioTestDriver {
        var driver = VirtioTestDriver(bus)
        driver.bus.attach(Disk(PatternStorage()), number: 0)
        driver.configure(0x98, 4, 0)
        driver.startLegacy(features: 0)
        driver.block(0, sector: 0, count: 512, isRead: true)
        driver.output(16, 2, 0)
        return driver
    }

    @Test func piixRoutesPinsByTheirSlot() throws {
        // INTA of device 4 is PIRQD, which the firmware has routed to 11 (82371SB, 2.2.7).
        var driver = asserted(try PCIBus(PCISections.pc()))
        #expect(driver.bus.interruptLines == 1 << 11)
        driver.bus.writeConfiguration(bus: 0, function: 8, 0x63, byteCount: 1, value: 5, memory: &driver.memory)
        #expect(driver.bus.interruptLines == 1 << 5)
        driver.bus.writeConfiguration(bus: 0, function: 8, 0x63, byteCount: 1, value: 0x85, memory: &driver.memory)
        #expect(driver.bus.interruptLines == 0)
        driver.bus.writeConfiguration(
            bus: 0, function: 8, 0x60, byteCount: 4, value: 0x0B0A_0909, memory: &driver.memory)
        #expect(driver.bus.interruptLines == 1 << 11)
    }

    @Test func readingTheInterruptStatusDeassertsTheLine() throws {
        var driver = asserted(try PCIBus(PCISections.pc()))
        // Status register bit 3.
        #expect(driver.configuration(6, 2) & 8 == 8)
        #expect(driver.input(19, 1) == 1)
        #expect(driver.bus.interruptLines == 0)
        #expect(driver.input(19, 1) == 0)
        #expect(driver.configuration(6, 2) & 8 == 0)
    }

    @Test func theDisableBitHoldsTheLineBack() throws {
        var driver = asserted(try PCIBus(PCISections.pc()))
        driver.configure(4, 2, 0x407)
        #expect(driver.bus.interruptLines == 0)
        #expect(driver.configuration(6, 2) & 8 == 8)
        driver.configure(4, 2, 7)
        #expect(driver.bus.interruptLines == 1 << 11)
    }

    @Test func q35DrivesIOAPICAndISALines() throws {
        // Device 4, INTA: PIRQE, input 20 of the IOAPIC; PIRQE_ROUT (0x68) is 0x8A, not routed to an ISA interrupt.
        var driver = asserted(try PCIBus(PCISections.q35()))
        // The default of the LPC function's route in the snapshot: bit 7 set.
        #expect(driver.bus.interruptLines == 1 << 20)
        driver.bus.writeConfiguration(bus: 0, function: 0xF8, 0x68, byteCount: 1, value: 10, memory: &driver.memory)
        #expect(driver.bus.interruptLines == 1 << 20 | 1 << 10)
    }

    @Test func aBridgeTurnsPins() throws {
        // Device 0 behind bridge 9: INTA stays INTA of the bridge, PIRQ[E + 9 mod 4] = PIRQF.
        let port = PCISections.make(
            276, [(3, "02361b0c0007001000000004060000010000000000000000000001010000000000")])
        let sections =
            PCISections.q35()
            + [
                PCISections.function("0000:00:09.0/pcie-root-port", parent: "parent_obj.parent_obj", port),
                PCISections.virtio("0000:00:09.0:00.0/virtio-rng", PCISections.expressEntropy),
            ]
        var driver = VirtioTestDriver(try PCIBus(sections))
        #expect(driver.bus.readConfiguration(bus: 1, function: 0, 0, byteCount: 4) == 0x1044_1AF4)
        driver.bus.writeConfiguration(bus: 1, function: 0, 4, byteCount: 2, value: 7, memory: &driver.memory)
        driver.modern = 0xFE00_0000
        driver.size = 8
        startEntropy(&driver)
        #expect(driver.bus.interruptLines == 1 << 21)
    }

    private func startEntropy(_ driver: inout VirtioTestDriver) {
        driver.store(0x14, 1, 3)
        driver.store(8, 4, 1)
        driver.store(12, 4, 1)
        driver.store(0x14, 1, 11)
        driver.store(0x18, 2, 8)
        driver.store(0x20, 4, driver.descriptors)
        driver.store(0x28, 4, driver.available)
        driver.store(0x30, 4, driver.used)
        driver.store(0x1C, 2, 1)
        driver.store(0x14, 1, 15)
        driver.submit([.init(address: 0x21_0000, count: 64, isWritable: true)])
        driver.store(0x3000, 2, 0)
        #expect(driver.usedEntry(0) == [0, 64])
    }

    @Test func messagesComeFromTheTable() throws {
        var driver = VirtioTestDriver(try PCIBus(PCISections.pc()))
        driver.bus.attach(Disk(PatternStorage()), number: 0)
        driver.startModern()
        driver.store(0x16, 2, 0)
        driver.store(0x1A, 2, 1)
        #expect(driver.load(0x1A, 2) == 1)
        driver.block(0, sector: 0, count: 512, isRead: true)
        driver.store(0x3000, 2, 0)
        let message = try #require(driver.bus.takeMessages().first)
        // Entry 1 of the snapshot's table: address FEE01004, data 0023.
        #expect(message == InterruptMessage(vector: 0x23, isLogical: true, destination: 1))
        #expect(driver.bus.takeMessages().isEmpty)
        #expect(driver.bus.interruptLines == 0)
    }

    @Test func maskedMessagesStayPending() throws {
        var driver = VirtioTestDriver(try PCIBus(PCISections.pc()))
        driver.bus.attach(Disk(PatternStorage()), number: 0)
        driver.startModern(features: 0x1_1000_7E54)
        driver.store(0x1A, 2, 2)
        let table: UInt64 = 0xFEBF_F000
        // Vector control of entry 2: masked.
        driver.bus.writeMemory(table + 44, byteCount: 4, value: 1, now: 0, memory: &driver.memory)
        driver.block(0, sector: 0, count: 512, isRead: true)
        driver.store(0x3000, 2, 0)
        #expect(driver.bus.takeMessages().isEmpty)
        #expect(driver.bus.readMemory(table + 0x800, byteCount: 8, now: 0) == 4)
        driver.bus.writeMemory(table + 44, byteCount: 4, value: 0, now: 0, memory: &driver.memory)
        #expect(driver.bus.takeMessages().map(\.vector) == [0x24])
        #expect(driver.bus.readMemory(table + 0x800, byteCount: 8, now: 0) == 0)
        // The function's mask (bit 14 of Message Control) works alike.
        driver.configure(0x9A, 2, 0xC000)
        driver.block(0, sector: 0, count: 512, isRead: true)
        driver.store(0x3000, 2, 0)
        #expect(driver.bus.takeMessages().isEmpty)
        driver.configure(0x9A, 2, 0x8000)
        #expect(driver.bus.takeMessages().map(\.vector) == [0x24])
    }

    @Test func aVectorBeyondTheTableIsRefused() throws {
        var driver = VirtioTestDriver(try PCIBus(PCISections.pc()))
        driver.store(0x10, 2, 3)
        #expect(driver.load(0x10, 2) == 0xFFFF)
        driver.store(0x10, 2, 2)
        #expect(driver.load(0x10, 2) == 2)
    }

    @Test func messagesInTheConfigurationSpace() throws {
        // A 64-bit capability with mask bits: control 0x0186 | enable, four of eight vectors allowed.
        var bytes = [UInt8](repeating: 0, count: 256)
        bytes[6] = 0x10
        bytes[0x34] = 0x50
        bytes.replaceSubrange(0x50..<0x54, with: [5, 0, 0x86, 0x01])
        var space = PCIConfigurationSpace(bytes: bytes)
        let msi = try #require(MSI(space))
        #expect(msi.message(0, &space) == nil)
        space.write(0x54, byteCount: 4, value: 0xFEE0_1004)
        space.write(0x5C, byteCount: 2, value: 0x4043)
        space.write(0x52, byteCount: 2, value: 0x21)
        #expect(msi.message(1, &space) == MSIMessage(address: 0xFEE0_1004, data: 0x4041))
        space.write(0x60, byteCount: 4, value: 2)
        #expect(msi.message(1, &space) == nil)
        #expect(space.read(0x64, byteCount: 4) == 2)
        #expect(msi.message(6, &space)?.data == 0x4042)
    }
}

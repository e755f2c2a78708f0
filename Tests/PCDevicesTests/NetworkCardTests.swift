import PCDevices
import Testing
import VMState

/// Network cards whose cable is unplugged.
@Suite struct NetworkCardTests {
    private func network() throws -> VirtioTestDriver {
        var driver = VirtioTestDriver(
            try PCIBus([PCISections.virtio("0000:00:07.0/virtio-net", PCISections.firmwareNetwork)]))
        driver.modern = 0xFE00_C000
        // The driver's configuration accesses go to device 4: bus mastering is on in the snapshot.
        return driver
    }

    @Test func theLinkIsDown() throws {
        var driver = try network()
        // The address, then bit 0 of the status (virtio 1.1, 5.1.4).
        #expect(driver.load(0x2000, 4) == 0x1200_5452)
        #expect(driver.load(0x2006, 2) == 0)
    }

    @Test func packetsAreTakenAndDropped() throws {
        var driver = try network()
        start(&driver, queue: 1, features: 0x1_0000_0020)
        driver.submit([
            .init(address: 0x20_0000, count: 12, isWritable: false),
            .init(address: 0x21_0000, count: 64, isWritable: false),
        ])
        driver.store(0x3004, 2, 1)
        #expect(driver.usedIndex() == 1)
        #expect(driver.usedEntry(0) == [0, 0])
    }

    @Test func receiveBuffersAreKept() throws {
        var driver = try network()
        start(&driver, queue: 0, features: 0x1_0000_0020)
        driver.submit([.init(address: 0x20_0000, count: 1526, isWritable: true)])
        driver.store(0x3000, 2, 0)
        #expect(driver.usedIndex() == 0)
    }

    @Test func controlRequestsSucceed() throws {
        var driver = try network()
        // CTRL_VQ is bit 17; without several pairs the control queue is queue 2 (5.1.2).
        start(&driver, queue: 2, features: 0x1_0002_0020)
        driver.size = 64
        _ = driver.memory.store(UInt8(0xEE), at: 0x20_0100)
        driver.submit([
            .init(address: 0x20_0000, count: 2, isWritable: false),
            .init(address: 0x20_0008, count: 1, isWritable: false),
            .init(address: 0x20_0100, count: 1, isWritable: true),
        ])
        driver.store(0x3008, 2, 2)
        #expect(driver.usedEntry(0) == [0, 1])
        #expect(driver.status == 0)
    }

    private func start(_ driver: inout VirtioTestDriver, queue: UInt64, features: UInt64) {
        driver.size = queue == 2 ? 64 : 256
        driver.store(0x14, 1, 0)
        driver.store(0x14, 1, 3)
        for half in 0..<2 as Range<UInt64> {
            driver.store(8, 4, half)
            driver.store(12, 4, features >> (32 * half) & 0xFFFF_FFFF)
        }
        driver.store(0x14, 1, 11)
        driver.store(0x16, 2, queue)
        driver.store(0x18, 2, UInt64(driver.size))
        driver.store(0x20, 8, driver.descriptors)
        driver.store(0x28, 8, driver.available)
        driver.store(0x30, 8, driver.used)
        driver.store(0x1C, 2, 1)
        driver.store(0x14, 1, 15)
    }

    /// An e1000 at FEBC0000 with its PHY and EEPROM, interrupts routed like device 4's.
    private func e1000() -> PCISections.Template {
        let names = ["CTRL", "STATUS", "EERD", "ICR", "IMS", "MDIC", "TCTL", "TDBAL", "TDBAH", "TDLEN", "TDH", "TDT"]
        let fields =
            [PCISections.integer("eeprom_data", 2, count: 64), PCISections.integer("phy_reg", 2, count: 32)]
            + names.map { PCISections.integer("mac_reg[\($0)]", 4) }
        var payload = PCISections.make(
            276 + 128 + 64 + 4 * names.count,
            [(3, "0286800e10070000000300000200000000"), (20, "0000bcfe"), (64, "0b01")])
        // EEPROM word 2 is 1234, PHY status is 796D (link and negotiation complete), STATUS says link up.
        payload.replaceSubrange(276 + 4..<276 + 6, with: [0x12, 0x34])
        payload.replaceSubrange(404 + 2..<404 + 4, with: [0x79, 0x6D])
        payload[468 + 7] = 0x83
        return PCISections.function("0000:00:04.0/e1000", parent: "parent_obj", payload, rest: fields)
    }

    private func card() throws -> VirtioTestDriver {
        var templates = PCISections.pc()
        templates.removeLast()
        var driver = VirtioTestDriver(try PCIBus(templates + [e1000()]))
        driver.modern = 0xFEBC_0000
        return driver
    }

    @Test func theCardSaysThatItsLinkIsDown() throws {
        var driver = try card()
        // STATUS bit 1 (LU); MDI control: read (2 << 26) register 1 of PHY 1 (13.4.2, 13.4.8).
        #expect(driver.load(8, 4) == 0x81)
        driver.store(0x20, 4, 2 << 26 | 1 << 21 | 1 << 16)
        #expect(driver.load(0x20, 4) & 0x1000_FFFF == 0x1000_7949)
        driver.store(0x20, 4, 2 << 26 | 3 << 21 | 1 << 16)
        #expect(driver.load(0x20, 4) >> 30 & 1 == 1)
        // EEPROM read: start, word 2; done, data in the upper half.
        driver.store(0x14, 4, 0x201)
        #expect(driver.load(0x14, 4) == 0x1234_0210)
    }

    @Test func causesAndMaskMakeTheLine() throws {
        var driver = try card()
        driver.store(0xD0, 4, 0x85)
        driver.store(0xC8, 4, 0x04)
        #expect(driver.bus.interruptLines == 1 << 11)
        #expect(driver.load(0xC0, 4) == 4)
        #expect(driver.bus.interruptLines == 0)
        driver.store(0xC8, 4, 0x04)
        driver.store(0xD8, 4, 0x04)
        #expect(driver.bus.interruptLines == 0)
        #expect(driver.load(0xD0, 4) == 0x81)
    }

    @Test func descriptorsComeBackAtOnce() throws {
        var driver = try card()
        driver.configure(4, 2, 6)
        driver.store(0x3800, 4, 0x30_0000)
        driver.store(0x3808, 4, 128)
        driver.store(0x400, 4, 2)
        for index in 0..<3 as Range<UInt64> {
            // Length 60, end of packet and report status (bits 24 and 27 of the command word).
            _ = driver.memory.store(UInt64(60 | 0x0900_0000), at: 0x30_0008 + 16 * index)
        }
        driver.store(0x3818, 4, 3)
        #expect(driver.load(0x3810, 4) == 3)
        for index in 0..<3 as Range<UInt64> {
            #expect(driver.memory.load(0x30_000C + 16 * index, as: UInt8.self) == 1)
        }
        #expect(driver.load(0xC0, 4) == 3)
        // A tail beyond the ring does nothing.
        driver.store(0x3818, 4, 500)
        #expect(driver.load(0x3810, 4) == 3)
    }

    @Test func registersAreWrittenBack() throws {
        var stream = try PCISections.stream(Array(PCISections.pc().dropLast()) + [e1000()])
        let before = stream
        var driver = VirtioTestDriver(try PCIBus(stream.devices))
        driver.modern = 0xFEBC_0000
        try driver.bus.save(to: &stream)
        #expect(stream == before)
        driver.store(0x3800, 4, 0x4000)
        try driver.bus.save(to: &stream)
        #expect(try stream.device("0000:00:04.0/e1000")?.unsigned("mac_reg[TDBAL]") == 0x4000)
    }
}

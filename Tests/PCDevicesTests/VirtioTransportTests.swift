import PCDevices
import Testing

/// The registers of both interfaces (virtio 1.1, 4.1.4), and the other devices.
@Suite struct VirtioTransportTests {
    private func driver() throws -> VirtioTestDriver {
        var driver = VirtioTestDriver(try PCIBus(PCISections.pc()))
        driver.bus.attach(Disk(PatternStorage()), number: 0)
        return driver
    }

    @Test func theSnapshotsRegistersAreVisible() throws {
        var driver = try driver()
        #expect(driver.load(0x14, 1) == 15)
        #expect(driver.load(0x12, 2) == 2)
        #expect(driver.load(0x16, 2) == 1)
        #expect(driver.load(0x18, 2) == 256)
        #expect(driver.load(0x1A, 2) == 2)
        #expect(driver.load(0x1C, 2) == 1)
        #expect(driver.load(0x20, 4) == 0x298_6000)
        #expect(driver.load(0x30, 8) == 0x298_7240)
        #expect(driver.load(0x0C, 4) == 0x101)
        #expect(driver.load(0x1000, 1) == 1)
        #expect(driver.load(0x1000, 1) == 0)
    }

    @Test func aResetForgetsTheDriver() throws {
        var driver = try driver()
        driver.store(0x14, 1, 0)
        #expect(driver.load(0x14, 1) == 0)
        for queue in 0..<2 as Range<UInt64> {
            driver.store(0x16, 2, queue)
            #expect(driver.load(0x18, 2) == 256)
            #expect(driver.load(0x1A, 2) == 0xFFFF)
            #expect(driver.load(0x1C, 2) == 0)
            #expect(driver.load(0x20, 8) == 0)
        }
        #expect(driver.load(0x10, 2) == 0xFFFF)
    }

    @Test func featuresAreNegotiatedOnce() throws {
        var driver = try driver()
        driver.startModern(features: UInt64.max)
        let device = try #require(driver.bus.function(PCIAddress(device: 4, function: 0))?.virtio)
        // VERSION_1, EVENT_IDX, INDIRECT_DESC, and none that only the legacy interface has (bits 24, 27, 30).
        #expect(device.features.rawValue & 0x1_7900_0000 == 0x1_3000_0000)
        driver.store(8, 4, 0)
        driver.store(12, 4, 0)
        let after = try #require(driver.bus.function(PCIAddress(device: 4, function: 0))?.virtio)
        #expect(after.features == device.features)
        // Selectors beyond the second half show nothing.
        driver.store(0, 4, 2)
        #expect(driver.load(4, 4) == 0)
    }

    @Test func theLegacyInterfaceOffersItsOwnFeatures() throws {
        var driver = try driver()
        driver.output(18, 1, 0)
        #expect(driver.input(0, 4) & 0x7900_0000 == 0x7900_0000)
        driver.output(4, 4, 0x3000_0200)
        #expect(driver.input(4, 4) == 0x3000_0200)
        // A driver that accepts bit 30 knows of no features.
        driver.output(4, 4, 0x7000_0200)
        #expect(driver.input(4, 4) == 0)
    }

    @Test func aLegacyDriverGetsBusMastering() throws {
        var driver = try driver()
        driver.output(18, 1, 0)
        driver.configure(4, 2, 3)
        driver.output(18, 1, 1)
        #expect(driver.configuration(4, 2) == 3)
        driver.output(18, 1, 3)
        #expect(driver.configuration(4, 2) == 7)
    }

    @Test func aLegacyQueueAtAddressZeroResets() throws {
        var driver = try driver()
        driver.configure(0x98, 4, 0)
        driver.startLegacy()
        #expect(driver.input(8, 4) == 0x100)
        driver.output(8, 4, 0)
        #expect(driver.input(18, 1) == 0)
        #expect(driver.input(8, 4) == 0)
    }

    @Test func aQueueCanBeResetAlone() throws {
        var driver = try driver()
        driver.startModern(features: 0x101_3000_7E54)
        driver.store(0x3A, 2, 1)
        #expect(driver.load(0x3A, 2) == 0)
        #expect(driver.load(0x1C, 2) == 0)
        #expect(driver.load(0x14, 1) == 15)
    }

    @Test func registersAreReachedThroughTheConfigurationSpace() throws {
        var driver = try driver()
        // The access capability is at 0x84: bar, offset, length, data (4.1.4.7).
        driver.configure(0x88, 1, 4)
        driver.configure(0x8C, 4, 0x12)
        driver.configure(0x90, 4, 2)
        #expect(driver.configuration(0x94, 4) & 0xFFFF == 2)
        driver.configure(0x8C, 4, 0x16)
        driver.configure(0x94, 2, 0)
        #expect(driver.load(0x16, 2) == 0)
        // A length that means nothing.
        driver.configure(0x90, 4, 3)
        _ = driver.configuration(0x94, 4)
        driver.configure(0x94, 4, 5)
        #expect(driver.load(0x16, 2) == 0)
    }

    @Test func entropyFollowsFromTheSeed() throws {
        let sections = PCISections.pc(others: [PCISections.virtio("0000:00:06.0/virtio-rng", PCISections.idleEntropy)])
        func bytes(_ seed: UInt64) throws -> [UInt8] {
            var driver = VirtioTestDriver(try PCIBus(sections, seed: seed))
            driver.bus.writeConfiguration(bus: 0, function: 0x30, 4, byteCount: 2, value: 7, memory: &driver.memory)
            driver.modern = 0xFE00_8000
            driver.size = 8
            driver.startModern()
            driver.submit([
                .init(address: 0x21_0000, count: 10, isWritable: true),
                .init(address: 0x22_0000, count: 7, isWritable: true),
            ])
            driver.store(0x3000, 2, 0)
            #expect(driver.usedEntry(0) == [0, 17])
            return driver.memory.bytes(10, at: 0x21_0000) + driver.memory.bytes(7, at: 0x22_0000)
        }
        let first = try bytes(1)
        #expect(try bytes(1) == first)
        #expect(try bytes(2) != first)
        #expect(Set(first).count > 8)
    }

    @Test func aHugeEntropyRequestIsAnsweredInPart() throws {
        let sections = PCISections.pc(others: [PCISections.virtio("0000:00:06.0/virtio-rng", PCISections.idleEntropy)])
        var driver = VirtioTestDriver(try PCIBus(sections))
        driver.bus.writeConfiguration(bus: 0, function: 0x30, 4, byteCount: 2, value: 7, memory: &driver.memory)
        driver.modern = 0xFE00_8000
        driver.size = 8
        driver.startModern()
        driver.submit([.init(address: 0x200_0000, count: 0x100_0000, isWritable: true)])
        driver.store(0x3000, 2, 0)
        #expect(driver.usedEntry(0)[1] > 0)
        #expect(driver.usedEntry(0)[1] <= 0x1_0000)
    }
}

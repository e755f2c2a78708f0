import PCDevices
import Testing

/// Configuration accesses as PCI Local Bus 3.0, chapter 6, states them.
@Suite struct PCIConfigurationTests {
    private func driver() throws -> VirtioTestDriver { VirtioTestDriver(try PCIBus(PCISections.pc())) }

    @Test func theAddressRegisterSelects() throws {
        var driver = try driver()
        #expect(driver.bus.readPort(0xCF8, byteCount: 4, now: 0) == 0x8000_2098)
        #expect(driver.configuration(0) == 0x1001_1AF4)
        #expect(driver.configuration(2, 2) == 0x1001)
        // Narrow writes do not reach the address register; without the enable bit the data port reads ones.
        driver.bus.writePort(0xCF8, byteCount: 1, value: 0, now: 0, memory: &driver.memory)
        #expect(driver.bus.readPort(0xCF8, byteCount: 4, now: 0) == 0x8000_2000)
        driver.bus.writePort(0xCF8, byteCount: 4, value: 0x2000, now: 0, memory: &driver.memory)
        #expect(driver.bus.readPort(0xCFC, byteCount: 4, now: 0) == 0xFFFF_FFFF)
        #expect(driver.bus.claims(port: 0xCF8, byteCount: 4))
        #expect(!driver.bus.claims(port: 0xCF9, byteCount: 1))
        #expect(driver.bus.claims(port: 0xCFF, byteCount: 1))
    }

    @Test func functionsThatDoNotExistReadOnes() throws {
        var driver = try driver()
        #expect(driver.bus.readConfiguration(bus: 0, function: 31 << 3, 0, byteCount: 4) & 0xFFFF_FFFF == 0xFFFF_FFFF)
        #expect(driver.bus.readConfiguration(bus: 1, function: 4 << 3, 0, byteCount: 4) & 0xFFFF_FFFF == 0xFFFF_FFFF)
        driver.bus.writeConfiguration(bus: 9, function: 1, 4, byteCount: 2, value: 7, memory: &driver.memory)
        // Beyond the end of the space, and an access over its end.
        #expect(
            driver.bus.readConfiguration(bus: 0, function: 4 << 3, 0x100, byteCount: 4) & 0xFFFF_FFFF == 0xFFFF_FFFF)
        #expect(driver.bus.readConfiguration(bus: 0, function: 4 << 3, 0xFF, byteCount: 4) & 0xFFFF_FFFF == 0xFFFF_FF00)
    }

    @Test func writingOnesToABaseAddressGivesItsSize() throws {
        var driver = try driver()
        // Linux disables decoding first (6.2.5.1).
        let command = driver.configuration(4, 2)
        driver.configure(4, 2, command & ~3)
        let sizes: [(offset: Int, value: UInt64)] = [
            (0x10, 0xFFFF_FF81), (0x14, 0xFFFF_F000), (0x18, 0), (0x20, 0xFFFF_C00C), (0x24, 0xFFFF_FFFF), (0x30, 0),
        ]
        for (offset, value) in sizes {
            let old = driver.configuration(offset)
            driver.configure(offset, 4, 0xFFFF_FFFF)
            #expect(driver.configuration(offset) == value, "base address at \(offset)")
            driver.configure(offset, 4, old)
            #expect(driver.configuration(offset) == old)
        }
        driver.configure(4, 2, command)
        #expect(driver.bus.claims(port: 0xC000, byteCount: 1))
    }

    @Test func theCommandRegisterTurnsDecodingOff() throws {
        var driver = try driver()
        #expect(driver.bus.claims(port: 0xC07F, byteCount: 1))
        #expect(!driver.bus.claims(port: 0xC080, byteCount: 1))
        #expect(driver.bus.claims(memory: 0xFEBF_8000))
        #expect(driver.bus.claims(memory: 0xFEBF_BFFF))
        #expect(!driver.bus.claims(memory: 0xFEBF_C000))
        #expect(driver.bus.claims(memory: 0xFEBF_F000))
        driver.configure(4, 2, 0x6)
        #expect(!driver.bus.claims(port: 0xC000, byteCount: 1))
        #expect(driver.bus.claims(memory: 0xFEBF_8000))
        driver.configure(4, 2, 0x5)
        #expect(driver.bus.claims(port: 0xC000, byteCount: 1))
        #expect(!driver.bus.claims(memory: 0xFEBF_8000))
        // Ports that nobody claims read ones, and writes to them go nowhere.
        #expect(driver.bus.readPort(0xC080, byteCount: 2, now: 0) == 0xFFFF)
        driver.bus.writeMemory(0xFEBF_8000, byteCount: 4, value: 1, now: 0, memory: &driver.memory)
    }

    @Test func aBaseAddressMoves() throws {
        var driver = try driver()
        driver.configure(0x10, 4, 0xD001)
        driver.configure(0x20, 4, 0x8000_0000)
        driver.configure(0x24, 4, 0x1)
        #expect(!driver.bus.claims(port: 0xC000, byteCount: 1))
        #expect(driver.bus.claims(port: 0xD000, byteCount: 1))
        #expect(driver.bus.claims(memory: 0x1_8000_3FFF))
        #expect(!driver.bus.claims(memory: 0xFEBF_8000))
    }

    @Test func onlyWritableBitsChange() throws {
        var driver = try driver()
        driver.configure(0, 4, 0)
        driver.configure(8, 4, 0)
        #expect(driver.configuration(0) == 0x1001_1AF4)
        #expect(driver.configuration(8) == 0x0100_0000)
        // Command: ports, memory, bus master, SERR, INTx disable.
        driver.configure(4, 2, 0xFFFF)
        #expect(driver.configuration(4, 2) == 0x0507)
        driver.configure(0x3C, 2, 0xFF05)
        #expect(driver.configuration(0x3C, 2) == 0x0105)
        // Header of a capability, table place of MSI-X: read only; MSI-X control: enable and mask.
        driver.configure(0x98, 4, 0)
        #expect(driver.configuration(0x98) == 0x0002_8411)
        driver.configure(0x98, 4, 0xFFFF_FFFF)
        #expect(driver.configuration(0x98) == 0xC002_8411)
        driver.configure(0x9C, 4, 0)
        #expect(driver.configuration(0x9C) == 1)
    }

    @Test func errorBitsOfTheStatusAreClearedByOnes() throws {
        var space = PCIConfigurationSpace(bytes: [0xF4, 0x1A, 0, 0x10, 0, 0, 0x10, 0xF9])
        space.write(6, byteCount: 2, value: 0)
        #expect(space.read(6, byteCount: 2) == 0xF910)
        space.write(6, byteCount: 2, value: 0x2110)
        #expect(space.read(6, byteCount: 2) == 0xD810)
    }

    @Test func aLoopOfCapabilitiesEnds() throws {
        var bytes = [UInt8](repeating: 0, count: 256)
        bytes[6] = 0x10
        bytes[0x34] = 0xF4
        bytes[0xF4] = 0x09
        bytes[0xF5] = 0xFC
        bytes[0xFC] = 0x11
        bytes[0xFD] = 0xF4
        let space = PCIConfigurationSpace(bytes: bytes)
        #expect(space.command == [])
    }

    @Test func theMemoryMappedWindowReachesTheSameRegisters() throws {
        var driver = VirtioTestDriver(try PCIBus(PCISections.q35()))
        let base: UInt64 = 0xB000_0000
        #expect(driver.bus.claims(memory: base))
        #expect(driver.bus.claims(memory: base + 0xFFF_FFFF))
        #expect(driver.bus.readMemory(base + 0x2_0000, byteCount: 4, now: 0) == 0x1001_1AF4)
        #expect(driver.bus.readMemory(base + 0x2_0002, byteCount: 2, now: 0) == 0x1001)
        #expect(driver.bus.readMemory(base + 0x2_0100, byteCount: 4, now: 0) == 0xFFFF_FFFF)
        #expect(driver.bus.readMemory(base + 0x10_0000, byteCount: 4, now: 0) == 0xFFFF_FFFF)
        driver.bus.writeMemory(base + 0x2_003C, byteCount: 1, value: 5, now: 0, memory: &driver.memory)
        #expect(driver.configuration(0x3C, 1) == 5)
        // PCIEXBAR: half the size at another address, then off.
        driver.bus.writeConfiguration(
            bus: 0, function: 0, 0x60, byteCount: 4, value: 0xC000_0003, memory: &driver.memory)
        #expect(!driver.bus.claims(memory: base))
        #expect(driver.bus.claims(memory: 0xC7FF_FFFF))
        #expect(!driver.bus.claims(memory: 0xC800_0000))
        driver.bus.writeConfiguration(bus: 0, function: 0, 0x60, byteCount: 4, value: 0, memory: &driver.memory)
        #expect(!driver.bus.claims(memory: 0xC000_0000))
    }

    @Test func chipConfigurationLiesBehindRCBA() throws {
        var driver = VirtioTestDriver(try PCIBus(PCISections.q35()))
        #expect(driver.bus.readMemory(0xFED1_F140, byteCount: 2, now: 0) == 0x3210)
        driver.bus.writeMemory(0xFED1_F404, byteCount: 4, value: 0x80, now: 0, memory: &driver.memory)
        #expect(driver.bus.readMemory(0xFED1_F404, byteCount: 4, now: 0) == 0x80)
        #expect(driver.bus.powerManagementPort == 0x600)
        #expect(driver.bus.systemControlInterrupt == 9)
    }

    @Test func functionsWithoutADeviceAreNotedWhenTouched() throws {
        let vga = PCISections.make(
            276, [(3, "0234121111030000000200000308000000000000fd0000000000f0bffe")])
        let section = PCISections.function("0000:00:02.0/vga", parent: "dev", vga)
        var driver = VirtioTestDriver(try PCIBus(PCISections.pc(others: [section])))
        #expect(driver.bus.readConfiguration(bus: 0, function: 0x10, 0, byteCount: 4) == 0x1111_1234)
        #expect(driver.bus.touchedUnsupported.isEmpty)
        #expect(driver.bus.claims(memory: 0xFDFF_FFFF))
        #expect(driver.bus.readMemory(0xFD00_0000, byteCount: 4, now: 0) == 0)
        driver.bus.writeMemory(0xFEBF_0500, byteCount: 2, value: 1, now: 0, memory: &driver.memory)
        #expect(driver.bus.touchedUnsupported == ["0000:00:02.0/vga"])
    }

    /// Whatever a guest writes wherever, nothing traps or hangs.
    @Test func randomAccessesDoNoHarm() throws {
        var state: UInt64 = 3
        func random(_ bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 31) % bound
        }
        var driver = VirtioTestDriver(
            try PCIBus(
                PCISections.q35(others: [
                    PCISections.virtio("0000:00:06.0/virtio-rng", PCISections.idleEntropy),
                    PCISections.virtio("0000:00:07.0/virtio-net", PCISections.firmwareNetwork),
                ])))
        driver.bus.attach(Disk(PatternStorage()), number: 0)
        driver.startModern()
        for _ in 0..<6000 {
            let count = [1, 2, 4, 8][Int(random(4))]
            let value = random(3) == 0 ? random(16) : random(UInt64(1) << 32) << random(33)
            switch random(4) {
            case 0:
                let function = UInt8(truncatingIfNeeded: [0x00, 0x20, 0x30, 0x38, 0xF8][Int(random(5))])
                let offset = Int(random(random(4) == 0 ? 4096 : 256))
                _ = driver.bus.readConfiguration(bus: 0, function: function, offset, byteCount: count)
                driver.bus.writeConfiguration(
                    bus: 0, function: function, offset, byteCount: count, value: value, memory: &driver.memory)
            case 1:
                let port = UInt16(truncatingIfNeeded: random(2) == 0 ? 0xC000 + random(256) : random(0x1_0000))
                _ = driver.bus.readPort(port, byteCount: count, now: 0)
                driver.bus.writePort(port, byteCount: count, value: value, now: 0, memory: &driver.memory)
            default:
                let ranges = driver.bus.memoryRanges
                guard !ranges.isEmpty else { continue }
                let range = ranges[Int(random(UInt64(ranges.count)))]
                let address = range.lowerBound + random(min(UInt64(range.count), 0x4000))
                _ = driver.bus.readMemory(address, byteCount: count, now: 0)
                driver.bus.writeMemory(address, byteCount: count, value: value, now: 0, memory: &driver.memory)
            }
        }
        _ = driver.bus.takeMessages()
    }

    @Test func addressesAreParsed() throws {
        let address = try #require(PCIAddress.parse("0000:00:1c.3:00.1/virtio-net"))
        #expect(address.address.path == [0xE3, 0x01])
        #expect(address.model == "virtio-net")
        for name in [
            "cpu", "0000:00:04.0", "0001:00:04.0/x", "0000:00:20.0/x", "0000:00:04.8/x", "0000:00:/x", "a:b:c/x",
        ] {
            #expect(PCIAddress.parse(name) == nil, "\(name)")
        }
    }

    @Test func twoSectionsForOneAddressAreAnError() throws {
        let sections = PCISections.pc() + [PCISections.virtio("0000:00:04.0/virtio-rng", PCISections.idleEntropy)]
        #expect(throws: DeviceError.self) { try PCIBus(sections) }
    }
}

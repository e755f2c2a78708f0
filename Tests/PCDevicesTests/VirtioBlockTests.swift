import PCDevices
import Testing

/// The block device driven as Linux drives it (virtio 1.1, 2.6, 3.1, 4.1 and 5.2).
@Suite struct VirtioBlockTests {
    enum Interface: CaseIterable { case legacy, modern }

    private func driver(_ interface: Interface, features: UInt64 = 0x1_3000_7E54) throws -> VirtioTestDriver {
        var driver = VirtioTestDriver(try PCIBus(PCISections.pc()))
        driver.bus.attach(Disk(PatternStorage()), number: 0, serial: "stemma-0")
        switch interface {
        case .legacy:
            driver.configure(0x98, 4, 0)
            driver.startLegacy(features: features & 0xFFFF_FFFF)
        case .modern: driver.startModern(features: features)
        }
        return driver
    }

    private func kick(_ driver: inout VirtioTestDriver, _ interface: Interface) {
        if interface == .legacy { driver.output(16, 2, 0) } else { driver.store(0x3000, 2, 0) }
    }

    @Test(arguments: Interface.allCases) func readsSectors(_ interface: Interface) throws {
        var driver = try driver(interface)
        driver.block(0, sector: 3, count: 4096, isRead: true)
        kick(&driver, interface)
        #expect(driver.status == 0)
        #expect(driver.memory.bytes(4096, at: 0x21_0000) == PatternStorage.bytes(1536..<5632))
        #expect(driver.usedIndex() == 1)
        #expect(driver.usedEntry(0) == [0, 4097])
    }

    @Test(arguments: Interface.allCases) func writesStayWithThisDisk(_ interface: Interface) throws {
        var driver = try driver(interface)
        let other = driver
        let bytes = (0..<1024).map { UInt8(truncatingIfNeeded: $0 &* 3) }
        driver.memory.put(bytes, at: 0x21_0000)
        driver.block(1, sector: 7, count: 1024, isRead: false)
        kick(&driver, interface)
        #expect(driver.status == 0)
        #expect(driver.usedEntry(0) == [0, 1])
        driver.block(0, sector: 6, count: 2048, isRead: true, at: 0x22_0000)
        kick(&driver, interface)
        let expected = PatternStorage.bytes(3072..<3584) + bytes + PatternStorage.bytes(4608..<5120)
        #expect(driver.memory.bytes(2048, at: 0x22_0000) == expected)
        var unchanged = other
        unchanged.block(0, sector: 7, count: 1024, isRead: true)
        kick(&unchanged, interface)
        #expect(unchanged.memory.bytes(1024, at: 0x21_0000) == PatternStorage.bytes(3584..<4608))
    }

    @Test func answersFlushAndIdentity() throws {
        var driver = try driver(.modern)
        driver.block(4, sector: 0, count: 0, isRead: false)
        kick(&driver, .modern)
        #expect(driver.status == 0)
        driver.block(8, sector: 0, count: 20, isRead: true)
        kick(&driver, .modern)
        #expect(driver.status == 0)
        #expect(driver.memory.bytes(9, at: 0x21_0000) == Array("stemma-0".utf8) + [0])
    }

    @Test func unknownRequestsAreUnsupported() throws {
        var driver = try driver(.modern)
        driver.block(2, sector: 0, count: 0, isRead: true)
        kick(&driver, .modern)
        #expect(driver.status == 2)
        driver.block(99, sector: 0, count: 0, isRead: true)
        kick(&driver, .modern)
        #expect(driver.status == 2)
    }

    @Test(
        arguments: [(2047, 1024), (2048, 512), (0x7F_FFFF_FFFF_FFFF, 512), (UInt64.max, 512), (0, 100)]
            as [(UInt64, UInt32)])
    func requestsOutsideOfTheDiskFail(sector: UInt64, count: UInt32) throws {
        var driver = try driver(.modern)
        driver.block(0, sector: sector, count: count, isRead: true)
        kick(&driver, .modern)
        #expect(driver.status == 1)
        driver.block(1, sector: sector, count: count, isRead: false)
        kick(&driver, .modern)
        #expect(driver.status == 1)
    }

    @Test func dataOutsideOfMemoryFails() throws {
        var driver = try driver(.modern)
        driver.block(0, sector: 0, count: 4096, isRead: true, at: PCITestMemory.byteCount - 512)
        kick(&driver, .modern)
        #expect(driver.status == 1)
        driver.block(0, sector: 0, count: 4096, isRead: true, at: UInt64.max - 100)
        kick(&driver, .modern)
        #expect(driver.status == 1)
        #expect(!(driver.bus.function(PCIAddress(device: 4, function: 0))?.virtio?.isBroken ?? true))
    }

    @Test func withoutADiskEveryRequestFails() throws {
        var driver = VirtioTestDriver(try PCIBus(PCISections.pc()))
        driver.startModern()
        driver.block(0, sector: 0, count: 512, isRead: true)
        kick(&driver, .modern)
        #expect(driver.status == 1)
    }

    @Test func zeroesAndDiscards() throws {
        var driver = try driver(.modern)
        // Segment: sector 1, two sectors, flags (5.2.6).
        func segment(_ flags: UInt8) -> [UInt8] { [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, flags, 0, 0, 0] }
        driver.memory.put(segment(1), at: 0x21_0000)
        driver.block(13, sector: 0, count: 16, isRead: false)
        kick(&driver, .modern)
        #expect(driver.status == 0)
        driver.block(0, sector: 0, count: 2048, isRead: true)
        kick(&driver, .modern)
        let expected =
            PatternStorage.bytes(0..<512) + [UInt8](repeating: 0, count: 1024) + PatternStorage.bytes(1536..<2048)
        #expect(driver.memory.bytes(2048, at: 0x21_0000) == expected)
        // Discard with the unmap flag, and reserved flags, are unsupported.
        driver.memory.put(segment(1), at: 0x21_0000)
        driver.block(11, sector: 0, count: 16, isRead: false)
        kick(&driver, .modern)
        #expect(driver.status == 2)
        driver.memory.put(segment(0), at: 0x21_0000)
        driver.block(11, sector: 0, count: 16, isRead: false)
        kick(&driver, .modern)
        #expect(driver.status == 0)
    }

    @Test func aReadOnlyDiskRefusesWrites() throws {
        var driver = VirtioTestDriver(try PCIBus(PCISections.pc()))
        driver.bus.attach(Disk(PatternStorage()), number: 0, isReadOnly: true)
        driver.startModern(features: 0x1_3000_7E74)
        driver.store(0, 4, 0)
        #expect(driver.load(4, 4) & 0x20 != 0)
        driver.block(1, sector: 0, count: 512, isRead: false)
        kick(&driver, .modern)
        #expect(driver.status == 1)
    }

    @Test(arguments: Interface.allCases) func theConfigurationTellsTheDisk(_ interface: Interface) throws {
        var driver = try driver(interface)
        // Capacity, then block size at 20 (5.2.4).
        if interface == .legacy {
            // Without MSI-X the device's configuration begins at 20 (4.1.4.8).
            #expect(driver.input(20, 4) == 2048)
            #expect(driver.input(24, 4) == 0)
            #expect(driver.input(40, 4) == 512)
            #expect(driver.input(20 + 57, 1) == 0xFF)
            driver.configure(0x98, 4, 0x8000_0000)
            #expect(driver.input(24, 4) == 2048)
            #expect(driver.input(20, 2) == 0xFFFF)
        } else {
            #expect(driver.load(0x2000, 4) == 2048)
            #expect(driver.load(0x2014, 4) == 512)
            #expect(driver.load(0x2022, 2) == 2)
            driver.store(0x2020, 1, 0)
            #expect(driver.load(0x2020, 1) == 0)
            driver.store(0x2000, 4, 9)
            #expect(driver.load(0x2000, 4) == 2048)
        }
    }

    @Test func theSnapshotsFirmwareConfigurationIsKept() throws {
        var driver = VirtioTestDriver(try PCIBus(PCISections.pc(block: PCISections.firmwareBlock)))
        driver.modern = 0xFE00_0000
        // Without a disk the capacity is the snapshot's: 16 MiB.
        #expect(driver.load(0x2000, 4) == 0x8000)
        #expect(driver.bus.blockDevices == [PCIAddress(device: 4, function: 0)])
        let rejected = driver.bus.attach(Disk(PatternStorage()), number: 1)
        #expect(!rejected)
    }
}

import PCDevices
import Testing

/// Rings, good and bad (virtio 1.1, 2.6).
@Suite struct VirtqueueTests {
    private func driver(features: UInt64 = 0x1_3000_7E54) throws -> VirtioTestDriver {
        var driver = VirtioTestDriver(try PCIBus(PCISections.pc()))
        driver.bus.attach(Disk(PatternStorage()), number: 0)
        driver.startModern(features: features)
        driver.store(0x1A, 2, 1)
        _ = driver.bus.takeMessages()
        return driver
    }

    private func kick(_ driver: inout VirtioTestDriver) { driver.store(0x3000, 2, 0) }

    /// The device asks for a reset and stays quiet until then (2.1.1).
    private func expectNeedsReset(_ driver: inout VirtioTestDriver) {
        #expect(driver.load(0x14, 1) & 0x40 == 0x40)
        let index = driver.usedIndex()
        driver.block(0, sector: 0, count: 512, isRead: true)
        kick(&driver)
        #expect(driver.usedIndex() == index)
        driver.store(0x14, 1, 0)
        #expect(driver.load(0x14, 1) == 0)
    }

    @Test func indirectTablesAreFollowed() throws {
        var driver = try driver()
        driver.header(0, 2)
        let table: UInt64 = 0x30_0000
        driver.describe(table, 0x20_0000, 16, flags: 1, next: 1)
        driver.describe(table + 16, 0x21_0000, 512, flags: 3, next: 2)
        driver.describe(table + 32, 0x21_8000, 512, flags: 3, next: 3)
        driver.describe(table + 48, 0x20_0100, 1, flags: 2, next: 0)
        driver.describe(driver.descriptors + 16 * 9, table, 64, flags: 4, next: 0)
        driver.offer(9)
        kick(&driver)
        #expect(driver.status == 0)
        #expect(driver.usedEntry(0) == [9, 1025])
        #expect(driver.memory.bytes(512, at: 0x21_8000) == PatternStorage.bytes(1536..<2048))
    }

    @Test func ordinaryDescriptorsMayPrecedeAnIndirectTable() throws {
        var driver = try driver()
        driver.header(0, 2)
        let table: UInt64 = 0x30_0000
        driver.describe(table, 0x21_0000, 512, flags: 3, next: 1)
        driver.describe(table + 16, 0x20_0100, 1, flags: 2, next: 0)
        driver.describe(driver.descriptors, 0x20_0000, 16, flags: 1, next: 1)
        driver.describe(driver.descriptors + 16, table, 32, flags: 4, next: 0)
        driver.offer(0)
        kick(&driver)
        #expect(driver.usedEntry(0) == [0, 513])
    }

    @Test func severalRequestsGiveOneInterrupt() throws {
        var driver = try driver(features: 0x1_1000_7E54)
        for number in 0..<5 as Range<UInt16> {
            driver.header(0, 0)
            driver.submit(
                [
                    .init(address: 0x20_0000, count: 16, isWritable: false),
                    .init(address: 0x21_0000, count: 512, isWritable: true),
                    .init(address: 0x20_0100, count: 1, isWritable: true),
                ], first: 3 * number)
        }
        kick(&driver)
        #expect(driver.usedIndex() == 5)
        #expect(driver.usedEntry(4) == [12, 513])
        #expect(driver.bus.takeMessages().count == 1)
    }

    @Test func theDriverCanSuppressInterrupts() throws {
        var driver = try driver(features: 0x1_1000_7E54)
        _ = driver.memory.store(UInt16(1), at: driver.available)
        driver.block(0, sector: 0, count: 512, isRead: true)
        kick(&driver)
        #expect(driver.usedIndex() == 1)
        #expect(driver.bus.takeMessages().isEmpty)
    }

    @Test func theEventIndexDecidesWhenToInterrupt() throws {
        var driver = try driver()
        let event = driver.available + 4 + 2 * UInt64(driver.size)
        // The first interrupt after a reset comes in any case; used_event 0 asks for it too.
        driver.block(0, sector: 0, count: 512, isRead: true)
        kick(&driver)
        #expect(driver.bus.takeMessages().count == 1)
        // Interrupt after entry 3: the next two requests (entries 1 and 2) give none.
        _ = driver.memory.store(UInt16(3), at: event)
        var counts: [Int] = []
        for _ in 0..<4 {
            driver.block(0, sector: 0, count: 512, isRead: true)
            kick(&driver)
            counts.append(driver.bus.takeMessages().count)
        }
        #expect(counts == [0, 0, 1, 0])
        // avail_event asks for a notification of the very next request.
        #expect(driver.memory.load(driver.used + 4 + 8 * UInt64(driver.size), as: UInt16.self) == 5)
    }

    @Test func indexesWrap() throws {
        var driver = try driver()
        driver.store(0x14, 1, 0)
        driver.size = 2
        driver.startModern()
        // A chain of two descriptors in a ring of two: the header's, and a table.
        driver.describe(0x30_0000, 0x21_0000, 512, flags: 3, next: 1)
        driver.describe(0x30_0010, 0x20_0100, 1, flags: 2, next: 0)
        for _ in 0..<300 {
            driver.header(0, 0)
            driver.describe(driver.descriptors, 0x20_0000, 16, flags: 1, next: 1)
            driver.describe(driver.descriptors + 16, 0x30_0000, 32, flags: 4, next: 0)
            driver.offer(0)
            kick(&driver)
            #expect(driver.status == 0)
        }
        #expect(driver.usedIndex() == 300)
    }

    @Test func aLoopIsAnError() throws {
        var driver = try driver()
        driver.describe(driver.descriptors, 0x20_0000, 16, flags: 1, next: 1)
        driver.describe(driver.descriptors + 16, 0x20_0000, 16, flags: 1, next: 0)
        driver.offer(0)
        kick(&driver)
        expectNeedsReset(&driver)
    }

    @Test(
        arguments: [
            // Descriptor out of the table; a table of no descriptors, of part of one, inside a table; a buffer to read behind one to write.
            (256, []), (0, [(0x20_0000, 16, 1, 999)]), (0, [(0x30_0000, 0, 4, 0)]), (0, [(0x30_0000, 17, 4, 0)]),
            (0, [(0x10_0000, 16, 4, 0)]), (0, [(0x20_0000, 16, 3, 1), (0x20_0000, 16, 0, 0)]),
            // A table outside of memory; a request without status; without header.
            (0, [(0x7FFF_FFFF_0000, 64, 4, 0)]), (0, [(0x20_0000, 16, 0, 0)]),
            (0, [(0x20_0000, 8, 1, 1), (0x20_0100, 1, 2, 0)]),
            // Header, then status, outside of memory.
            (0, [(0x7FFF_FFFF_0000, 16, 1, 1), (0x20_0100, 1, 2, 0)]),
            (0, [(0x20_0000, 16, 1, 1), (0x7FFF_FFFF_0000, 1, 2, 0)]),
        ] as [(UInt16, [(UInt64, UInt32, UInt16, UInt16)])])
    func whatMakesNoSenseIsAnError(head: UInt16, list: [(UInt64, UInt32, UInt16, UInt16)]) throws {
        var driver = try driver()
        for (index, item) in list.enumerated() {
            driver.describe(driver.descriptors + 16 * UInt64(index), item.0, item.1, flags: item.2, next: item.3)
        }
        driver.offer(head)
        kick(&driver)
        expectNeedsReset(&driver)
    }

    @Test func moreRequestsThanTheRingHoldsAreAnError() throws {
        var driver = try driver()
        _ = driver.memory.store(UInt16(257), at: driver.available + 2)
        kick(&driver)
        expectNeedsReset(&driver)
    }

    @Test func aRingOutsideOfMemoryIsAnError() throws {
        var driver = try driver()
        driver.store(0x14, 1, 0)
        driver.available = 0xFFFF_FFFF_FFFF_0000
        driver.startModern()
        kick(&driver)
        expectNeedsReset(&driver)
    }

    @Test func errorsAnnounceThemselves() throws {
        var driver = try driver()
        driver.store(0x10, 2, 0)
        driver.offer(999)
        kick(&driver)
        // The configuration's vector, and bits 0 and 1 of the interrupt status (4.1.5.4, 4.1.4.5).
        #expect(driver.bus.takeMessages().map(\.vector) == [0x24])
        #expect(driver.load(0x1000, 1) == 3)
        #expect(driver.load(0x15, 1) == 1)
    }

    @Test func withoutBusMasteringNothingHappens() throws {
        var driver = try driver()
        driver.configure(4, 2, 3)
        driver.block(0, sector: 0, count: 512, isRead: true)
        kick(&driver)
        #expect(driver.usedIndex() == 0)
        driver.configure(4, 2, 7)
        kick(&driver)
        #expect(driver.usedIndex() == 1)
    }

    @Test func queuesThatDoNotExistAreIgnored() throws {
        var driver = try driver()
        driver.store(0x3000 + 4 * 77, 2, 77)
        driver.store(0x16, 2, 77)
        #expect(driver.load(0x18, 2) == 0)
        driver.store(0x1C, 2, 1)
        #expect(driver.load(0x1C, 2) == 0)
        driver.store(0x16, 2, 5000)
        #expect(driver.load(0x16, 2) == 77)
    }
}

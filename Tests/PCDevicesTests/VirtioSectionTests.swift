import PCDevices
import Testing
import VMState

/// QEMU's sections: read, written back, damaged.
@Suite struct VirtioSectionTests {
    private static let devices: [(name: String, payload: [UInt8])] = [
        ("0000:00:04.0/virtio-blk", PCISections.linuxBlock), ("0000:00:05.0/virtio-blk", PCISections.firmwareBlock),
        ("0000:00:06.0/virtio-rng", PCISections.idleEntropy), ("0000:00:07.0/virtio-net", PCISections.firmwareNetwork),
        ("0000:00:09.0:00.0/virtio-rng", PCISections.expressEntropy),
    ]

    @Test func whatWasReadIsWrittenBack() throws {
        for (name, payload) in Self.devices {
            let bus = try PCIBus([PCISections.virtio(name, payload)])
            #expect(bus.functions.count == 1)
            for function in bus.functions {
                #expect(function.virtio?.sectionBytes(function.configuration) == payload, "\(name)")
            }
        }
    }

    @Test func theStateOfLinuxIsRead() throws {
        let bus = try PCIBus(PCISections.pc())
        let function = try #require(bus.function(PCIAddress(device: 4, function: 0)))
        let device = try #require(function.virtio)
        #expect(device.status == [.acknowledge, .driver, .driverOK, .featuresOK])
        #expect(device.features.rawValue == 0x101_3000_7E54)
        #expect(device.queues.map(\.size) == [256, 256])
        #expect(device.queues.map(\.descriptors) == [0x298_8000, 0x298_6000])
        #expect(device.queues.map(\.available) == [0x298_9000, 0x298_7000])
        #expect(device.queues.map(\.used) == [0x298_9240, 0x298_7240])
        #expect(device.queues.map(\.lastAvailable) == [7, 0])
        #expect(device.queues.map(\.vector) == [1, 2])
        #expect(device.msix?.count == 3)
        #expect(!device.interruptLine)
        #expect(function.configuration.baseAddresses.map(\.byteCount) == [128, 4096, 16384])
    }

    @Test func aLegacyRingIsPlacedByItsPage() throws {
        // The same section without VERSION_1: low features only, and a page for the ring.
        var payload = PCISections.linuxBlock
        let start = try #require(Self.find("virtio/64bit_features", in: payload)) + 21 + 4
        payload.replaceSubrange(start..<start + 4, with: [0, 0, 0, 0])
        let bus = try PCIBus(PCISections.pc(block: payload))
        let queue = try #require(bus.function(PCIAddress(device: 4, function: 0))?.virtio?.queues.first)
        #expect(queue.available == 0x298_8000 + 4096)
        #expect(queue.used == 0x298_8000 + 8192)
    }

    private static func find(_ text: String, in bytes: [UInt8]) -> Int? {
        let pattern = Array(text.utf8)
        return bytes.indices.first { bytes[$0...].starts(with: pattern) }
    }

    /// The driver's ring as Linux has left it: seven requests made available and used.
    private func linux() throws -> VirtioTestDriver {
        var driver = VirtioTestDriver(try PCIBus(PCISections.pc()))
        driver.bus.attach(Disk(PatternStorage()), number: 0)
        _ = driver.memory.store(UInt16(7), at: 0x298_9002)
        _ = driver.memory.store(UInt16(7), at: 0x298_9242)
        // avail_event of queue 0.
        _ = driver.memory.store(UInt16(7), at: 0x298_9240 + 4 + 8 * 256)
        return driver
    }

    @Test func nothingHappensToAnIdleDevice() throws {
        var driver = try linux()
        driver.bus.resume(memory: &driver.memory)
        #expect(driver.bus.messages.isEmpty)
        let function = try #require(driver.bus.function(PCIAddress(device: 4, function: 0)))
        #expect(function.virtio?.isBroken == false)
        #expect(function.virtio?.sectionBytes(function.configuration) == PCISections.linuxBlock)
    }

    @Test func theRingGoesOnWhereItStood() throws {
        var driver = try linux()
        driver.bus.resume(memory: &driver.memory)
        driver.header(0, 5)
        driver.describe(0x298_8000, 0x20_0000, 16, flags: 1, next: 1)
        driver.describe(0x298_8010, 0x21_0000, 512, flags: 3, next: 2)
        driver.describe(0x298_8020, 0x20_0100, 1, flags: 2, next: 0)
        _ = driver.memory.store(UInt16(0), at: 0x298_9004 + 14)
        _ = driver.memory.store(UInt16(8), at: 0x298_9002)
        driver.store(0x3000, 2, 0)
        #expect(driver.status == 0)
        #expect(driver.memory.load(0x298_9242, as: UInt16.self) == 8)
        #expect(driver.memory.load(0x298_9244 + 8 * 7 + 4, as: UInt32.self) == 513)
        #expect(driver.bus.takeMessages().map(\.vector) == [0x23])
        let function = try #require(driver.bus.function(PCIAddress(device: 4, function: 0)))
        let written = try #require(function.virtio?.sectionBytes(function.configuration))
        let changed = written.indices.filter { written[$0] != PCISections.linuxBlock[$0] }
        // The next entry of queue 0, and nothing else.
        #expect(changed.count == 1)
        #expect(written[changed[0]] == 8)
    }

    @Test func pendingMessagesAreSent() throws {
        // The pending bits behind three entries of the table.
        var payload = PCISections.linuxBlock
        payload[276 + 48] = 0x02
        var bus = try PCIBus(PCISections.pc(block: payload))
        #expect(bus.takeMessages().map(\.vector) == [0x23])
    }

    @Test func requestsThatWereMadeBeforeTheSnapshotAreServed() throws {
        var driver = try linux()
        driver.header(0, 5)
        driver.describe(0x298_8000, 0x20_0000, 16, flags: 1, next: 1)
        driver.describe(0x298_8010, 0x21_0000, 512, flags: 3, next: 2)
        driver.describe(0x298_8020, 0x20_0100, 1, flags: 2, next: 0)
        _ = driver.memory.store(UInt16(8), at: 0x298_9002)
        driver.bus.resume(memory: &driver.memory)
        #expect(driver.status == 0)
        #expect(driver.bus.takeMessages().count == 1)
    }

    /// A list of one request as QEMU writes it: queue 1, head 3, a header and a status, and 512 bytes to read into.
    private var inFlight: [UInt8] {
        var item = [UInt8](repeating: 0, count: 16 + 2 * 8192 + 2 * 16384)
        func put(_ value: UInt64, _ offset: Int, _ count: Int) {
            for index in 0..<count { item[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
        }
        put(3, 0, 4)
        put(1, 4, 4)
        put(2, 8, 4)
        // Addresses to write, to read; lengths in pairs of pointer and length.
        put(0x21_0000, 16, 8)
        put(0x20_0100, 24, 8)
        put(0x20_0000, 16 + 8192, 8)
        put(512, 16 + 16384 + 8, 8)
        put(1, 16 + 16384 + 24, 8)
        put(16, 16 + 32768 + 8, 8)
        return [1, 0, 0, 0, 1] + item + [0]
    }

    /// Linux' section with a request in flight in queue 1.
    private func blockInFlight() throws -> [UInt8] {
        var payload = PCISections.linuxBlock
        let list = try #require(Self.find("virtio/64bit_features", in: payload)) - 3
        payload.replaceSubrange(list..<list + 1, with: inFlight)
        // Next available entry of queue 1: one was taken.
        payload[list - 3] = 1
        return payload
    }

    @Test func requestsInFlightAreFinished() throws {
        var driver = VirtioTestDriver(try PCIBus(PCISections.pc(block: try blockInFlight())))
        driver.bus.attach(Disk(PatternStorage()), number: 0)
        _ = driver.memory.store(UInt16(1), at: 0x298_7002)
        _ = driver.memory.store(UInt16(7), at: 0x298_9002)
        _ = driver.memory.store(UInt16(7), at: 0x298_9242)
        driver.header(0, 9)
        driver.bus.resume(memory: &driver.memory)
        #expect(driver.status == 0)
        #expect(driver.memory.bytes(512, at: 0x21_0000) == PatternStorage.bytes(4608..<5120))
        #expect(driver.memory.load(0x298_7242, as: UInt16.self) == 1)
        #expect(driver.memory.load(0x298_7244, as: UInt32.self) == 3)
        #expect(driver.bus.takeMessages().map(\.vector) == [0x24])
    }

    @Test func aStreamTakesSectionsOfAnotherLength() throws {
        let templates = PCISections.pc(block: try blockInFlight())
        var stream = try PCISections.stream(templates)
        let before = stream
        var driver = VirtioTestDriver(try PCIBus(stream.devices))
        try driver.bus.save(to: &stream)
        #expect(stream == before)
        driver.bus.attach(Disk(PatternStorage()), number: 0)
        _ = driver.memory.store(UInt16(1), at: 0x298_7002)
        _ = driver.memory.store(UInt16(7), at: 0x298_9002)
        _ = driver.memory.store(UInt16(7), at: 0x298_9242)
        driver.header(0, 9)
        driver.bus.resume(memory: &driver.memory)
        driver.configure(0x3C, 1, 7)
        try driver.bus.save(to: &stream)
        let section = try #require(stream.device("0000:00:04.0/virtio-blk"))
        #expect(section.payload.count == PCISections.linuxBlock.count)
        #expect(stream.devices.map(\.idstr) == before.devices.map(\.idstr))
        let again = try PCIBus(try MigrationStream(skeleton: try stream.skeleton()).devices)
        #expect(again.function(PCIAddress(device: 4, function: 0))?.virtio?.queues.map(\.lastAvailable) == [7, 1])
        #expect(again.function(PCIAddress(device: 4, function: 0))?.configuration.read(0x3C, byteCount: 1) == 7)
        #expect(again.configurationAddress == 0x8000_203C)
    }

    @Test func interruptLevelsAreSavedConsistently() throws {
        var stream = try PCISections.stream(PCISections.pc())
        var driver = VirtioTestDriver(try PCIBus(stream.devices))
        driver.bus.attach(Disk(PatternStorage()), number: 0)
        driver.configure(0x98, 4, 0)
        driver.startLegacy(features: 0)
        driver.block(0, sector: 0, count: 512, isRead: true)
        driver.output(16, 2, 0)
        try driver.bus.save(to: &stream)
        // INTA of device 4 is PIRQD.
        #expect(try stream.device("PCIBUS")?.unsignedArray("irq_count") == [0, 0, 0, 1])
        #expect(
            try stream.device("0000:00:01.0/PIIX3")?.unsignedArray("pci_irq_levels_vmstate") == [0, 0, 0, 1])
        let again = try PCIBus(stream.devices)
        #expect(again.interruptLines == 1 << 11)
        #expect(again.function(PCIAddress(device: 4, function: 0))?.virtio?.interruptLine == true)
    }

    @Test func anotherRingSizeIsKept() throws {
        var driver = VirtioTestDriver(try PCIBus(PCISections.pc()))
        driver.size = 16
        driver.startModern()
        let function = try #require(driver.bus.function(PCIAddress(device: 4, function: 0)))
        let written = try #require(function.virtio?.sectionBytes(function.configuration))
        // Subsection virtio/ringsize with 1024 sizes.
        #expect(written.count == PCISections.linuxBlock.count + 2 + 15 + 4 + 4096)
        var again = VirtioTestDriver(try PCIBus(PCISections.pc(block: written)))
        #expect(again.bus.function(PCIAddress(device: 4, function: 0))?.virtio?.queues.map(\.size) == [16, 256])
        again.store(0x14, 1, 0)
        #expect(again.bus.function(PCIAddress(device: 4, function: 0))?.virtio?.queues.map(\.size) == [256, 256])
    }

    @Test func aDeviceThatWasStartedSaysSo() throws {
        var driver = VirtioTestDriver(
            try PCIBus(
                PCISections.pc(others: [
                    PCISections.virtio("0000:00:06.0/virtio-rng", PCISections.idleEntropy)
                ])))
        driver.bus.writeConfiguration(bus: 0, function: 0x30, 4, byteCount: 2, value: 7, memory: &driver.memory)
        driver.modern = 0xFE00_8000
        driver.size = 8
        driver.startModern()
        let function = try #require(driver.bus.function(PCIAddress(device: 6, function: 0)))
        let written = try #require(function.virtio?.sectionBytes(function.configuration))
        #expect(Self.find("virtio/started", in: written) != nil)
        #expect(Self.find("virtio/disabled", in: written) == nil)
        let again = try PCIBus([PCISections.virtio("0000:00:06.0/virtio-rng", written)])
        #expect(again.functions.first?.virtio?.status == [.acknowledge, .driver, .driverOK, .featuresOK])
    }

    @Test func shortSectionsAreErrors() throws {
        for count in [0, 3, 259, 275, 320, 330, 345, 400, 430, 431, 500, 20_000, 45_600] {
            let payload = Array(PCISections.linuxBlock.prefix(count))
            #expect(throws: (any Error).self, "\(count) bytes") {
                try PCIBus([PCISections.virtio("0000:00:04.0/virtio-blk", payload)])
            }
        }
    }

    /// Whatever bytes a section has, reading it, driving the device and writing it back neither traps nor hangs.
    @Test func damagedSectionsDoNoHarm() throws {
        var state: UInt64 = 7
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(truncatingIfNeeded: state >> 33) % bound
        }
        var readable = 0
        for round in 0..<300 {
            let (name, original) = Self.devices[round % Self.devices.count]
            var payload = original
            for _ in 0..<1 + random(4) {
                let limit = random(3) == 0 ? payload.count : min(560, payload.count)
                payload[random(limit)] = random(2) == 0 ? 0xFF : UInt8(random(256))
            }
            guard let bus = try? PCIBus([PCISections.virtio(name, payload)]) else { continue }
            readable += 1
            var driver = VirtioTestDriver(bus)
            driver.bus.attach(Disk(PatternStorage()), number: 0)
            driver.bus.resume(memory: &driver.memory)
            driver.block(0, sector: 0, count: 512, isRead: true)
            for range in driver.bus.memoryRanges {
                for offset in [0, 0x14, 0x1C, 0x1000, 0x2000, 0x3000] as [UInt64] {
                    _ = driver.bus.readMemory(range.lowerBound &+ offset, byteCount: 8, now: 0)
                    driver.bus.writeMemory(
                        range.lowerBound &+ offset, byteCount: 4, value: 1, now: 0, memory: &driver.memory)
                }
            }
            driver.startLegacy()
            driver.output(16, 2, 0)
            for function in driver.bus.functions { _ = function.virtio?.sectionBytes(function.configuration) }
        }
        #expect(readable > 100)
    }
}

import PCDevices
import Testing
import VMState

/// QEMU's docs/specs fw_cfg.
@Suite struct FirmwareConfigurationTests {
    /// RAM from address 0.
    private struct Memory: PhysicalMemory {
        var bytes: [UInt8]

        private func range(_ address: UInt64, _ count: Int) -> Range<Int>? {
            address <= UInt64(bytes.count) && UInt64(bytes.count) - address >= UInt64(count)
                ? Int(address)..<Int(address) + count : nil
        }

        mutating func read(_ address: UInt64, into target: UnsafeMutableRawBufferPointer) -> Bool {
            guard let range = range(address, target.count) else { return false }
            target.copyBytes(from: bytes[range])
            return true
        }

        mutating func write(_ address: UInt64, from source: UnsafeRawBufferPointer) -> Bool {
            guard let range = range(address, source.count) else { return false }
            bytes.replaceSubrange(range, with: source)
            return true
        }

        /// A DMA command at 0x100.
        mutating func command(control: UInt32, length: UInt32, address: UInt64) {
            _ = store(control.bigEndian, at: 0x100)
            _ = store(length.bigEndian, at: 0x104)
            _ = store(address.bigEndian, at: 0x108)
        }
    }

    private static func item(_ device: inout FirmwareConfiguration, _ key: UInt64, count: Int) -> [UInt8] {
        device.write(0, byteCount: 2, value: key)
        return (0..<count).map { _ in UInt8(device.read(1, byteCount: 1)) }
    }

    private static func device() -> FirmwareConfiguration {
        FirmwareConfiguration(processorCount: 3, files: [("opt/test", Array("contents".utf8))])
    }

    @Test func items() {
        var device = Self.device()
        #expect(Self.item(&device, 0, count: 6) == Array("QEMU".utf8) + [0, 0])
        #expect(Self.item(&device, 1, count: 4) == [3, 0, 0, 0])
        #expect(Self.item(&device, 5, count: 2) == [3, 0])
        #expect(Self.item(&device, 0x7777, count: 2) == [0, 0])
    }

    @Test func theDirectoryNamesFiles() {
        var device = Self.device()
        let directory = Self.item(&device, 0x19, count: 4 + 64)
        #expect(directory.prefix(12) == [0, 0, 0, 1, 0, 0, 0, 8, 0, 0x20, 0, 0])
        #expect(directory.dropFirst(12).prefix(9) == Array("opt/test".utf8)[...] + [0])
        #expect(Self.item(&device, 0x20, count: 8) == Array("contents".utf8))
        var empty = FirmwareConfiguration(processorCount: 1)
        #expect(Self.item(&empty, 0x19, count: 4) == [0, 0, 0, 0])
    }

    @Test func dmaReadsAnItem() {
        var device = Self.device()
        // The signature of the interface, big-endian.
        #expect(device.read(4, byteCount: 4) == 0x554D_4551)
        var memory = Memory(bytes: Array(repeating: 0xEE, count: 0x1000))
        // Select 0x20 and read 10 bytes: two zeros behind the end.
        memory.command(control: 0x20 << 16 | 0x08 | 0x02, length: 10, address: 0x200)
        device.write(4, byteCount: 4, value: 0)
        #expect(!device.needsTransfer)
        device.write(8, byteCount: 4, value: UInt64(UInt32(0x100).byteSwapped))
        #expect(device.needsTransfer)
        device.transfer(memory: &memory)
        #expect(!device.needsTransfer)
        #expect(Array(memory.bytes[0x100..<0x104]) == [0, 0, 0, 0])
        #expect(Array(memory.bytes[0x200..<0x20B]) == Array("contents".utf8) + [0, 0, 0xEE])
    }

    @Test func dmaSkips() {
        var device = Self.device()
        var memory = Memory(bytes: Array(repeating: 0, count: 0x1000))
        memory.command(control: 0x20 << 16 | 0x08 | 0x04, length: 3, address: 0)
        device.write(4, byteCount: 8, value: UInt64(0x100).byteSwapped)
        device.transfer(memory: &memory)
        #expect(UInt8(device.read(1, byteCount: 1)) == UInt8(ascii: "t"))
    }

    @Test(
        arguments: [
            // Writing, reading to where no RAM is, and a length without end.
            (0x10, 4, 0x200), (0x02, 4, 0xFFF_FFFF), (0x02, .max, 0x200),
        ] as [(UInt32, UInt32, UInt64)])
    func dmaFails(control: UInt32, length: UInt32, address: UInt64) {
        var device = Self.device()
        var memory = Memory(bytes: Array(repeating: 0, count: 0x1000))
        memory.command(control: control, length: length, address: address)
        device.write(4, byteCount: 8, value: UInt64(0x100).byteSwapped)
        device.transfer(memory: &memory)
        #expect(Array(memory.bytes[0x100..<0x104]) == [0, 0, 0, 1])
        // A command without memory.
        device.write(4, byteCount: 8, value: .max)
        device.transfer(memory: &memory)
    }

    @Test func aSectionComesOutUnchanged() throws {
        var list = FieldList()
        list.add("cur_entry", UInt16(0x20))
        list.add("cur_offset[1]", UInt32(3))
        list.add("fw_cfg/dma.dma_addr", UInt64(0))
        let section = list.section("fw_cfg", version: 2)
        var device = Self.device()
        try device.load(section)
        #expect(UInt8(device.read(1, byteCount: 1)) == UInt8(ascii: "t"))
        try device.load(section)
        var saved = section
        try device.save(to: &saved)
        #expect(saved == section)
    }
}

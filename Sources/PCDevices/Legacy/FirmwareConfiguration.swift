/// QEMU's firmware configuration device `fw_cfg`.
///
/// Source: QEMU's docs/specs `fw_cfg`. Ports: selector 0x510 (offset 0, 2 bytes), data 0x511 (offset 1, bytes), DMA address 0x514-0x51B (offsets 4-11,
/// big-endian). What the firmware read before the snapshot is not in it: items are those that the machine's maker gives.
package struct FirmwareConfiguration: Sendable, Hashable {
    /// Keys (specification, "Firmware configuration items").
    enum Key {
        static let signature: UInt16 = 0x00
        static let features: UInt16 = 0x01
        static let processorCount: UInt16 = 0x05
        static let directory: UInt16 = 0x19
        static let firstFile: UInt16 = 0x20
        static let invalid: UInt16 = 0xFFFF
        /// Bits that say which item; bit 14 asks for writing, which no item here allows.
        static let mask: UInt16 = 0xBFFF
    }

    /// Bits of a DMA command.
    private enum Control {
        static let error: UInt32 = 0x01
        static let read: UInt32 = 0x02
        static let skip: UInt32 = 0x04
        static let select: UInt32 = 0x08
        static let write: UInt32 = 0x10
    }

    /// Bytes beyond an item's end that one command fills with zeros; more than any firmware asks for.
    private static let paddingLimit: UInt64 = 1 << 24

    var items: [UInt16: [UInt8]]
    var selected: UInt16 = Key.signature
    var position: UInt32 = 0
    var address: UInt64 = 0
    private var isTransferPending = false

    /// Makes the device.
    ///
    /// - Parameter files: contents of the file directory, at most 224 with names of at most 55 bytes; the rest is left out.
    package init(processorCount: Int, files: [(name: String, contents: [UInt8])] = []) {
        let usable = files.filter { $0.name.utf8.count < 56 && $0.contents.count < Int32.max }.prefix(0xE0)
        var directory = Self.bigEndian(UInt32(usable.count))
        items = [
            Key.signature: Array("QEMU".utf8),
            // Traditional interface and DMA.
            Key.features: [3, 0, 0, 0],
            Key.processorCount: [
                UInt8(truncatingIfNeeded: processorCount), UInt8(truncatingIfNeeded: processorCount >> 8),
            ],
        ]
        for (index, file) in usable.enumerated() {
            let key = Key.firstFile + UInt16(index)
            items[key] = file.contents
            directory += Self.bigEndian(UInt32(file.contents.count)) + Self.bigEndian(key) + [0, 0]
            directory += Array(file.name.utf8) + Array(repeating: 0, count: 56 - file.name.utf8.count)
        }
        items[Key.directory] = directory
    }

    private static func bigEndian(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    /// Reads ports.
    package mutating func read(_ offset: UInt64, byteCount: Int) -> UInt64 {
        let dmaSignature = Array("QEMU CFG".utf8)
        return ByteAccess.read(offset, byteCount: byteCount) { register in
            switch register {
            case 1: readData()
            case 4..<12: dmaSignature[Int(register - 4)]
            default: nil
            }
        }
    }

    /// Writes ports: a word to the selector, or a double word to a half of the DMA address. The lower half starts a transfer:
    /// see ``transfer(memory:)``.
    package mutating func write(_ offset: UInt64, byteCount: Int, value: UInt64) {
        switch (offset, byteCount) {
        case (0, 2): select(UInt16(truncatingIfNeeded: value))
        case (4, 4): address = UInt64(UInt32(truncatingIfNeeded: value).byteSwapped) << 32
        case (8, 4):
            address |= UInt64(UInt32(truncatingIfNeeded: value).byteSwapped)
            isTransferPending = true
        case (4, 8):
            address = value.byteSwapped
            isTransferPending = true
        default: break
        }
    }

    private mutating func select(_ key: UInt16) {
        position = 0
        selected = key & 0x3FFF < 0x100 ? key : Key.invalid
    }

    private var item: [UInt8] { selected == Key.invalid ? [] : items[selected & Key.mask] ?? [] }

    /// Zeros behind the end.
    private mutating func readData() -> UInt8 {
        let item = item
        guard position < item.count else { return 0 }
        defer { position += 1 }
        return item[Int(position)]
    }

    /// A DMA command waits for the memory.
    package var needsTransfer: Bool { isTransferPending }

    /// Executes the DMA command whose address was written: control (4 bytes), length (4), address (8), big-endian.
    ///
    /// The control field in memory becomes 0, or bit 0 after a failure: no RAM at an address, writing to an item, or a length far
    /// beyond an item's end.
    package mutating func transfer(memory: inout some PhysicalMemory & ~Copyable) {
        guard isTransferPending else { return }
        isTransferPending = false
        let command = address
        address = 0
        guard let rawControl = memory.load(command, as: UInt32.self),
            let rawLength = memory.load(command &+ 4, as: UInt32.self),
            let rawTarget = memory.load(command &+ 8, as: UInt64.self)
        else {
            _ = memory.store(Control.error.bigEndian, at: command)
            return
        }
        let control = UInt32(bigEndian: rawControl)
        if control & Control.select != 0 { select(UInt16(control >> 16)) }
        var isFine = true
        if control & Control.read != 0 {
            isFine = copyItem(to: UInt64(bigEndian: rawTarget), UInt64(UInt32(bigEndian: rawLength)), &memory)
        } else if control & Control.write != 0 {
            isFine = false
        } else if control & Control.skip != 0 {
            let left = UInt64(max(item.count - Int(position), 0))
            position &+= UInt32(truncatingIfNeeded: min(UInt64(UInt32(bigEndian: rawLength)), left))
        }
        _ = memory.store(isFine ? UInt32(0) : Control.error.bigEndian, at: command)
    }

    private mutating func copyItem(
        to target: UInt64, _ length: UInt64, _ memory: inout some PhysicalMemory & ~Copyable
    ) -> Bool {
        let item = item
        let start = min(Int(position), item.count)
        let count = Int(min(length, UInt64(item.count - start)))
        position += UInt32(count)
        let isCopied = item.withUnsafeBytes {
            count == 0 || memory.write(target, from: UnsafeRawBufferPointer(rebasing: $0[start..<start + count]))
        }
        var left = length - UInt64(count)
        guard isCopied, left <= Self.paddingLimit else { return false }
        let zeros = Array(repeating: UInt8(0), count: Int(min(left, 4096)))
        var place = target &+ UInt64(count)
        while left > 0 {
            let chunk = Int(min(left, 4096))
            let isWritten = zeros.withUnsafeBytes {
                memory.write(place, from: UnsafeRawBufferPointer(rebasing: $0[..<chunk]))
            }
            guard isWritten else { return false }
            place &+= UInt64(chunk)
            left -= UInt64(chunk)
        }
        return true
    }
}

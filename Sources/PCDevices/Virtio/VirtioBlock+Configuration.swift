extension VirtioBlock {
    static let readOnly = VirtioFeatures(rawValue: 1 << 5)
    static let flush = VirtioFeatures(rawValue: 1 << 9)
    static let multipleQueues = VirtioFeatures(rawValue: 1 << 12)
    static let discard = VirtioFeatures(rawValue: 1 << 13)
    static let writeZeroes = VirtioFeatures(rawValue: 1 << 14)
    /// SEG_MAX, GEOMETRY, BLK_SIZE, FLUSH, TOPOLOGY, CONFIG_WCE, DISCARD, WRITE_ZEROES: what QEMU 7.2 offers by default.
    static let offered = VirtioFeatures(
        rawValue: 1 << 2 | 1 << 4 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 13 | 1 << 14)
    /// Configuration field `max_discard_sectors` of QEMU.
    static let maximumErasedSectors: UInt32 = 0x3F_FFFF

    /// Offsets in the configuration (virtio 1.1, 5.2.4).
    private enum Field {
        static let capacity = 0
        static let segments = 12
        static let cylinders = 16
        static let heads = 18
        static let sectors = 19
        static let blockSize = 20
        static let writeBack = 32
        static let queues = 34
        static let discard = 36
        static let writeZeroes = 48
    }

    /// The configuration as the driver reads it: what QEMU had (which fills it when it is read first), with the disk's capacity.
    func configuration(_ saved: [UInt8], queueCount: Int, queueSize: UInt16) -> [UInt8] {
        var bytes = saved
        func put(_ offset: Int, _ count: Int, _ value: UInt64) {
            for index in 0..<count where offset + index < bytes.count {
                bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
            }
        }
        let isFilled = (0..<4).contains { Field.blockSize + $0 < saved.count && saved[Field.blockSize + $0] != 0 }
        if !isFilled {
            put(Field.segments, 4, UInt64(max(queueSize, 3) - 2))
            put(Field.heads, 1, 16)
            put(Field.sectors, 1, 63)
            put(Field.cylinders, 2, min((disk?.byteCount ?? 0) / 512 / (16 * 63), 16383))
            put(Field.blockSize, 4, 512)
            put(Field.writeBack, 1, 1)
            put(Field.queues, 2, UInt64(queueCount))
            // Sectors, segments, alignment in sectors; then sectors and segments of "write zeroes".
            put(Field.discard, 4, UInt64(Self.maximumErasedSectors))
            put(Field.discard + 4, 4, 1)
            put(Field.discard + 8, 4, 1)
            put(Field.writeZeroes, 4, UInt64(Self.maximumErasedSectors))
            put(Field.writeZeroes + 4, 4, 1)
        }
        if let disk { put(Field.capacity, 8, disk.byteCount / 512) }
        return bytes
    }

    /// The one field that a driver can write is the cache mode.
    static func isWritable(_ offset: Int) -> Bool { offset == Field.writeBack }
}

/// The requests in flight of a block device, as QEMU saves them: for each a one, with several queues the queue's number, and the chain in
/// the memory layout of its old structure; a zero ends the list.
enum VirtioRequestList {
    /// Offsets in QEMU's `VirtQueueElementOld` (little-endian, 64-bit): head, numbers of buffers to read and to write, addresses to
    /// write and to read, then for each its host address and length.
    private enum Old {
        static let readableCount = 4
        static let writableCount = 8
        static let writableAddresses = 16
        static let readableAddresses = writableAddresses + 8 * 1024
        static let writableLengths = readableAddresses + 8 * 1024
        static let readableLengths = writableLengths + 16 * 1024
        static let byteCount = readableLengths + 16 * 1024
    }

    static func read(_ bytes: [UInt8], queueCount: Int, _ section: String) throws(DeviceError) -> [(
        Int, DescriptorChain
    )] {
        var reader = BigEndianReader(bytes, section: section)
        var list: [(Int, DescriptorChain)] = []
        while try reader.integer(UInt8.self) != 0 {
            let queue = queueCount > 1 ? Int(try reader.integer(UInt32.self)) : 0
            let item = Array(try reader.take(Old.byteCount))
            list.append((queue, try chain(item, section)))
        }
        guard reader.remaining == 0 else {
            throw DeviceError(
                .malformed,
                "section \(section) has \(reader.remaining) bytes behind its requests that are not understood")
        }
        return list
    }

    private static func chain(_ item: [UInt8], _ section: String) throws(DeviceError) -> DescriptorChain {
        func integer(_ offset: Int, _ count: Int) -> UInt64 {
            (0..<count).reduce(0) { $0 | UInt64(item[offset + $1]) << UInt64(8 * $1) }
        }
        let readable = integer(Old.readableCount, 4)
        let writable = integer(Old.writableCount, 4)
        guard readable <= 1024, writable <= 1024 else {
            throw DeviceError(.malformed, "section \(section) has a request with more than 1024 buffers")
        }
        func segments(_ count: UInt64, _ addresses: Int, _ lengths: Int) -> [VirtioSegment] {
            (0..<Int(count)).map {
                VirtioSegment(
                    address: integer(addresses + 8 * $0, 8),
                    byteCount: UInt32(truncatingIfNeeded: integer(lengths + 16 * $0 + 8, 8)))
            }
        }
        return DescriptorChain(
            head: UInt16(truncatingIfNeeded: integer(0, 4)),
            readable: segments(readable, Old.readableAddresses, Old.readableLengths),
            writable: segments(writable, Old.writableAddresses, Old.writableLengths))
    }
}

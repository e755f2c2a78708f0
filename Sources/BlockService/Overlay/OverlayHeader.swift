import ContentStore

/// The first sector of a layer. See <doc:OverlayFormat>.
struct OverlayHeader: Hashable, Sendable {
    static let size = 512
    static let blockSize = 4096
    static let mapOffset: UInt64 = 4096
    static let longestBase = 256
    /// The largest disk: its map takes 4 GiB of address space.
    static let largestDisk: UInt64 = 64 << 40

    var diskSize: UInt64
    /// The name of what the layer lies on; empty when that is another layer.
    var base: String

    var mapSectors: Int { OverlayMap.sectorCount(for: diskSize) }
    var dataOffset: UInt64 {
        let end = Self.mapOffset + UInt64(mapSectors * OverlayMap.sectorSize)
        return (end + (1 << 20) - 1) & ~((1 << 20) - 1)
    }

    private static let magic = Array("STEMMAOL".utf8)

    var bytes: [UInt8] {
        var bytes = Self.magic
        bytes.append(little: UInt32(1))
        bytes.append(little: UInt32(Self.blockSize))
        bytes.append(little: diskSize)
        bytes.append(little: dataOffset)
        bytes.append(little: UInt16(truncatingIfNeeded: base.utf8.count))
        bytes += base.utf8
        bytes += [UInt8](repeating: 0, count: Self.size - 4 - bytes.count)
        bytes.append(little: CRC32C.checksum(bytes))
        return bytes
    }

    init(diskSize: UInt64, base: String) {
        self.diskSize = diskSize
        self.base = base
    }

    /// - Throws: `.damaged`, `.unsupportedVersion`.
    init(parsing bytes: [UInt8], path: String) throws(BlockServiceError) {
        let damage = BlockServiceError(
            .damaged, "\(path) is not a sound layer of an overlay; throw the overlay away, or restore it from a copy")
        guard bytes.count == Self.size, bytes.starts(with: Self.magic),
            bytes.little(UInt32.self, at: Self.size - 4) == CRC32C.checksum(Array(bytes.dropLast(4)))
        else { throw damage }
        guard bytes.little(UInt32.self, at: 8) == 1, bytes.little(UInt32.self, at: 12) == UInt32(Self.blockSize) else {
            throw BlockServiceError(
                .unsupportedVersion, "\(path) has a format that this program does not know; use a newer program")
        }
        let length = Int(bytes.little(UInt16.self, at: 32))
        guard length <= Self.longestBase, case let size = bytes.little(UInt64.self, at: 16), size <= Self.largestDisk
        else { throw damage }
        diskSize = size
        base = String(decoding: bytes[34..<34 + length], as: UTF8.self)
        guard bytes.little(UInt64.self, at: 24) == dataOffset else { throw damage }
    }
}

extension [UInt8] {
    mutating func append(little number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }

    /// The little-endian number at an offset that the caller knows to lie inside.
    func little<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type, at offset: Int) -> Number {
        precondition(offset >= 0 && offset + MemoryLayout<Number>.size <= count)
        return withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Number.self)) }
    }
}

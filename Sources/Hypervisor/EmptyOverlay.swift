import Foundation

/// The bytes of an empty qcow2 image, on a base or on nothing (QEMU, docs/interop/qcow2.txt): 64 KiB clusters, version 3,
/// reference counts of 16 bits.
///
/// Written here and not by `qemu-img create`, because two of those take longer than all else that a resumed guest waits for.
///
/// | cluster | content |
/// |---|---|
/// | 0 | header, its extension for the format of the base, the name of the base |
/// | 1 | reference count table, of which one entry is in use |
/// | 2 | reference count block: 1 for each cluster of this list |
/// | 3 ... | L1 table, all zero |
struct EmptyOverlay {
    private static let clusterBits: UInt32 = 16
    private static let cluster = 1 << 16
    /// Bytes of the disk that one entry of the L1 table stands for.
    private static let bytesPerL1Entry = UInt64(cluster) * UInt64(cluster / 8)
    /// The most that `qemu-img` takes for a backing file's name.
    private static let longestBackingName = 1023

    let size: UInt64
    /// The name of the base and its format, for people and other tools.
    let backing: String?

    /// The entries of the L1 table, and the clusters that it takes.
    private var l1: (count: UInt64, clusters: Int) {
        let count = size / Self.bytesPerL1Entry + (size % Self.bytesPerL1Entry == 0 ? 0 : 1)
        return (count, Int((count * 8 + UInt64(Self.cluster) - 1) / UInt64(Self.cluster)))
    }

    /// All bytes but the L1 table.
    ///
    /// - Throws: ``HypervisorError`` with `.invalidConfiguration` for a disk or a name that the format cannot hold.
    private func beginning() throws(HypervisorError) -> [UInt8] {
        let name = Array((backing ?? "").utf8)
        // QEMU limits the L1 table to 32 MiB.
        guard size < 1 << 62, l1.count <= 4 << 20, name.count <= Self.longestBackingName else {
            throw HypervisorError(
                .invalidConfiguration, "A disk of \(size) bytes on '\(backing ?? "")' does not fit a qcow2 overlay.")
        }
        let clusters = 3 + l1.clusters
        var image = [UInt8](repeating: 0, count: 3 * Self.cluster)
        var position = 0
        func put<Value: FixedWidthInteger>(_ value: Value) {
            withUnsafeBytes(of: value.bigEndian) { image.replaceSubrange(position..<position + $0.count, with: $0) }
            position += MemoryLayout<Value>.size
        }
        let headerLength: UInt32 = 104
        let extensionLength = backing == nil ? 8 : 24
        put(UInt32(0x5146_49fb))
        put(UInt32(3))
        put(backing == nil ? UInt64(0) : UInt64(Int(headerLength) + extensionLength))
        put(UInt32(name.count))
        put(Self.clusterBits)
        put((size + 511) & ~511)
        put(UInt32(0))  // no encryption
        put(UInt32(l1.count))
        put(UInt64(3 * Self.cluster))
        put(UInt64(Self.cluster))
        put(UInt32(1))
        put(UInt32(0))  // no snapshots
        put(UInt64(0))
        put(UInt64(0))  // features: incompatible, compatible, autoclear
        put(UInt64(0))
        put(UInt64(0))
        put(UInt32(4))  // 16 bits
        put(headerLength)
        if backing != nil {
            put(UInt32(0xE279_2ACA))
            put(UInt32(3))
            image.replaceSubrange(position..<position + 3, with: "raw".utf8)
            position += 8
        }
        put(UInt64(0))
        image.replaceSubrange(position..<position + name.count, with: name)
        position = Self.cluster
        put(UInt64(2 * Self.cluster))
        position = 2 * Self.cluster
        for _ in 0..<clusters { put(UInt16(1)) }
        return image
    }

    /// Writes the image as a new file that belongs to the user alone.
    func write(to path: String) throws(HypervisorError) {
        let bytes = try beginning()
        let file = try FileDescriptor(opening: path, O_RDWR | O_CREAT | O_EXCL)
        try file.writeAll(bytes, to: path)
        // The L1 table is a hole.
        guard ftruncate(file.raw, off_t(bytes.count) + off_t(l1.clusters) * off_t(Self.cluster)) == 0 else {
            throw .system("extend \(path)")
        }
    }
}

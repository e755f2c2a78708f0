/// One internal snapshot of a qcow2 file (specification, "Snapshots").
package struct Qcow2Snapshot: Sendable, Hashable {
    /// Unique ID, a number in QEMU's files.
    package var id: String
    /// The name given by the user, not necessarily unique.
    package var name: String
    /// When it was taken, in seconds since 1970.
    package var dateSeconds: UInt32
    /// The rest of the date in nanoseconds.
    package var dateNanoseconds: UInt32
    /// How long the guest had run, in nanoseconds.
    package var vmClockNanoseconds: UInt64
    /// Length of the VM state in bytes; 0 when this disk holds none.
    package var vmStateSize: UInt64
    /// Size of the disk in bytes when the snapshot was taken.
    package var diskSize: UInt64
    /// Executed instructions, when QEMU counted them.
    package var icount: UInt64?

    var l1Offset: UInt64
    var l1Entries: Int

    /// How messages call it.
    var label: String { "snapshot \"\(name)\" (ID \(id))" }
}

/// The snapshot table: entries of variable length, one after the other, each padded to 8 bytes.
struct Qcow2SnapshotTable {
    private static let fixedSize = 40
    /// QEMU's limits for the extra data of one entry and for the whole table.
    private static let maximumExtraData: UInt32 = 1024
    private static let maximumSize: UInt64 = 64 << 20

    private(set) var snapshots: [Qcow2Snapshot] = []

    /// Reads the table that the header names.
    ///
    /// - Throws: `.truncated` with the offset of the entry, `.corrupt`.
    init(file: ImageFile, header: Qcow2Header) throws(DiskImageError) {
        var offset = header.snapshotsOffset
        for index in 0..<header.snapshotCount {
            let what = "entry \(index) of the snapshot table"
            guard offset - header.snapshotsOffset <= Self.maximumSize else {
                throw file.corrupt("the snapshot table is longer than 64 MiB", at: header.snapshotsOffset)
            }
            do {
                var fixed = BigEndianReader(try file.bytes(at: offset, count: Self.fixedSize, what: what))
                let l1Offset: UInt64 = try fixed.next()
                let l1Entries: UInt32 = try fixed.next()
                let idLength: UInt16 = try fixed.next()
                let nameLength: UInt16 = try fixed.next()
                let seconds: UInt32 = try fixed.next()
                let nanoseconds: UInt32 = try fixed.next()
                let clock: UInt64 = try fixed.next()
                let shortVMStateSize: UInt32 = try fixed.next()
                let extraLength: UInt32 = try fixed.next()
                guard extraLength <= Self.maximumExtraData else {
                    throw file.corrupt("\(what) has \(extraLength) bytes of extra data, above 1024", at: offset + 36)
                }
                guard l1Entries <= Qcow2Header.maximumL1Entries, l1Offset & header.geometry.clusterMask == 0 else {
                    throw file.corrupt("\(what) has an L1 table of \(l1Entries) entries at \(l1Offset)", at: offset)
                }
                let variableLength = Int(extraLength) + Int(idLength) + Int(nameLength)
                var rest = BigEndianReader(
                    try file.bytes(at: offset + UInt64(Self.fixedSize), count: variableLength, what: what))
                let vmStateSize = extraLength >= 8 ? try rest.next() : UInt64(shortVMStateSize)
                let diskSize = extraLength >= 16 ? try rest.next() : header.size
                let icount = extraLength >= 24 ? try rest.next() : UInt64.max
                try rest.seek(to: Int(extraLength))
                let id = String(decoding: try rest.next(count: Int(idLength)), as: UTF8.self)
                let name = String(decoding: try rest.next(count: Int(nameLength)), as: UTF8.self)
                snapshots.append(
                    Qcow2Snapshot(
                        id: id, name: name, dateSeconds: seconds, dateNanoseconds: nanoseconds,
                        vmClockNanoseconds: clock, vmStateSize: vmStateSize, diskSize: diskSize,
                        icount: icount == .max ? nil : icount, l1Offset: l1Offset, l1Entries: Int(l1Entries)))
                offset += UInt64((Self.fixedSize + variableLength + 7) / 8 * 8)
            } catch let error as DiskImageError {
                throw error
            } catch {
                throw file.corrupt("\(what) is shorter than its fields", at: offset)
            }
        }
    }
}

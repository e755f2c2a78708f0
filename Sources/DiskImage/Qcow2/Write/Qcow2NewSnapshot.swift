import Glibc

/// What a snapshot of a new file is called.
package struct Qcow2NewSnapshot: Sendable, Hashable {
    /// The name that `-loadvm` is given.
    package var name: String
    /// nil for the next number.
    package var id: String?
    /// Seconds since 1970; now, unless set.
    package var dateSeconds: UInt32
    package var dateNanoseconds: UInt32
    /// How long the guest had run, in nanoseconds.
    package var vmClockNanoseconds: UInt64 = 0
    /// Executed instructions, if QEMU counted them.
    package var icount: UInt64?

    package init(name: String, id: String? = nil) {
        self.name = name
        self.id = id
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        dateSeconds = UInt32(clamping: now.tv_sec)
        dateNanoseconds = UInt32(clamping: now.tv_nsec)
    }
}

/// A snapshot whose clusters and L2 tables are written.
struct FrozenSnapshot: Sendable {
    var snapshot: Qcow2NewSnapshot
    var id: String
    var mapping: Qcow2Mapping
    var l1Entries: Int
    var vmStateSize: UInt64
    var diskSize: UInt64

    /// One entry of the snapshot table.
    func tableEntry(l1Offset: UInt64) -> [UInt8] {
        var entry = BigEndianWriter()
        entry.put(l1Offset)
        entry.put(UInt32(l1Entries))
        entry.put(UInt16(id.utf8.count))
        entry.put(UInt16(snapshot.name.utf8.count))
        entry.put(snapshot.dateSeconds)
        entry.put(snapshot.dateNanoseconds)
        entry.put(snapshot.vmClockNanoseconds)
        entry.put(UInt32(clamping: vmStateSize))
        entry.put(UInt32(24))  // extra data
        entry.put(vmStateSize)
        entry.put(diskSize)
        entry.put(snapshot.icount ?? UInt64.max)
        entry.put(id.utf8)
        entry.put(snapshot.name.utf8)
        entry.align(to: 8)
        return entry.bytes
    }
}

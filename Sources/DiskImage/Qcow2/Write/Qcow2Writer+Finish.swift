extension Qcow2Writer {
    /// L1 entries of the disk itself; the VM state comes behind them.
    var diskL1Entries: Int { geometry.l1Entries(covering: virtualSize) ?? 0 }

    /// Freezes the disk as written so far under a name.
    ///
    /// - Parameters:
    ///   - snapshot: Its name and dates. IDs and names must not be taken.
    ///   - vmState: Writes the machine's state, if there is one: the migration stream that `-loadvm` resumes.
    /// - Throws: `.exists` when the ID or name is taken, `.unsupported` for one longer than 65535 bytes; what `vmState` throws.
    package mutating func addSnapshot(
        _ snapshot: Qcow2NewSnapshot, vmState: ((Qcow2VMStateSink) throws -> Void)? = nil
    ) throws {
        let id = snapshot.id ?? nextID
        guard !snapshots.contains(where: { $0.id == id || $0.snapshot.name == snapshot.name }) else {
            throw DiskImageError(
                .exists, "\(store.file.path) has a snapshot \"\(snapshot.name)\" or ID \(id) already; give another name"
            )
        }
        guard id.utf8.count <= Int(UInt16.max), snapshot.name.utf8.count <= Int(UInt16.max),
            snapshots.count < Int(Qcow2Header.maximumSnapshots)
        else {
            throw DiskImageError(
                .unsupported,
                "qcow2 cannot hold this snapshot: its name is too long, or there are too many; give a shorter name, or a file of its own"
            )
        }
        try store.writeTables(of: &mapping)
        var frozen = mapping
        var l1Entries = max(1, diskL1Entries)
        let sink = Qcow2VMStateSink(store: store, firstCluster: UInt64(diskL1Entries) * geometry.l2Entries)
        if let vmState {
            try vmState(sink)
            try sink.flush()
            var state = sink.mapping
            try store.writeTables(of: &state)
            frozen.merge(state)
            let span: UInt64 = 1 << geometry.l1Shift
            l1Entries = max(l1Entries, diskL1Entries + Int((sink.count + span - 1) / span))
        }
        snapshots.append(
            FrozenSnapshot(
                snapshot: snapshot, id: id, mapping: frozen, l1Entries: l1Entries, vmStateSize: sink.count,
                diskSize: virtualSize))
    }

    private var nextID: String {
        String((snapshots.compactMap { UInt64($0.id) }.max() ?? 0) + 1)
    }

    /// Writes tables, reference counts and header, and gives the file its name.
    ///
    /// - Returns: What the file holds.
    /// - Throws: `.noSpace`, `.io`; `.exists` when the name was taken meanwhile.
    package consuming func finish() throws(DiskImageError) -> Qcow2WriteReport {
        // The tables of the active disk are written last, when it is known which clusters have one reference.
        var mapping = self.mapping
        let unwritten = mapping.unwritten()
        for table in unwritten { mapping.place(table, at: store.allocate(holding: geometry.clusterSize)) }
        let l1Entries = max(1, diskL1Entries)
        let l1Offset = store.allocate(holding: UInt64(l1Entries) * 8)
        var table: [UInt8] = []
        var snapshotL1s: [UInt64] = []
        for snapshot in snapshots {
            snapshotL1s.append(store.allocate(holding: UInt64(snapshot.l1Entries) * 8))
            table += snapshot.tableEntry(l1Offset: snapshotL1s.last ?? 0)
        }
        let snapshotsOffset = snapshots.isEmpty ? 0 : store.allocate(holding: UInt64(table.count))

        var counts = Qcow2RefcountTable(clusterBits: geometry.clusterBits, end: store.end)
        try counts.add(0, length: 1)
        try counts.add(l1Offset, length: UInt64(l1Entries) * 8)
        try counts.add(mapping, geometry: geometry)
        try counts.add(snapshotsOffset, length: UInt64(table.count))
        for (snapshot, offset) in zip(snapshots, snapshotL1s) {
            try counts.add(offset, length: UInt64(snapshot.l1Entries) * 8)
            try counts.add(snapshot.mapping, geometry: geometry)
        }

        for number in unwritten {
            guard let table = mapping.tables[number] else { continue }
            let entries = table.entries.map { entry in
                let isPlain =
                    entry > Qcow2Mapping.zeroEntry
                    && Qcow2L2Entry.compressedPlace(entry, geometry: geometry) == nil
                return isPlain ? entry | counts.singleReference(entry) : entry
            }
            try store.file.write(words: entries, at: table.host)
        }
        try store.file.write(
            words: l1(of: mapping, count: l1Entries).map { $0 | counts.singleReference($0) }, at: l1Offset)
        for (snapshot, offset) in zip(snapshots, snapshotL1s) {
            try store.file.write(words: l1(of: snapshot.mapping, count: snapshot.l1Entries), at: offset)
        }
        try store.file.write(table, at: snapshotsOffset)
        let refcountTable = try counts.write(to: store)
        let header = Qcow2HeaderCluster(
            geometry: geometry, size: virtualSize, l1Entries: l1Entries, l1Offset: l1Offset,
            refcountTable: refcountTable, snapshotCount: snapshots.count, snapshotsOffset: snapshotsOffset,
            compression: options.compression.headerType, backing: options.backing)
        let bytes = try header.bytes()

        try store.file.resize(to: store.end)
        try store.file.synchronize()
        try store.file.write(bytes, at: 0)
        try store.file.synchronize()
        try store.file.publish()
        var report = store.report
        report.fileSize = store.end
        return report
    }

    private func l1(of mapping: Qcow2Mapping, count: Int) -> [UInt64] {
        (0..<count).map { mapping.tables[$0]?.host ?? 0 }
    }
}

extension Qcow2RefcountTable {
    /// Bit 63 when the cluster at an offset has one reference; 0 for offset 0, which is none.
    fileprivate func singleReference(_ offset: UInt64) -> UInt64 {
        offset != 0 && self[offset] == 1 ? 1 << 63 : 0
    }
}

extension ClusterStore {
    /// Writes the tables that changed, as a snapshot has them: without the flag for a single reference.
    fileprivate func writeTables(of mapping: inout Qcow2Mapping) throws(DiskImageError) {
        for table in mapping.unwritten() {
            let host = allocate(holding: geometry.clusterSize)
            try file.write(words: mapping.tables[table]?.entries ?? [], at: host)
            mapping.place(table, at: host)
        }
    }
}

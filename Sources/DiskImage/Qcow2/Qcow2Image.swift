/// One qcow2 file, version 2 or 3. Its backing file is named, never opened.
///
/// A value over a shared descriptor: ``refreshed()`` answers a newer one for a file that QEMU is writing.
package struct Qcow2Image: Sendable {
    private let file: ImageFile
    private let header: Qcow2Header
    /// The internal snapshots in the order of the table.
    package let snapshots: [Qcow2Snapshot]

    /// Opens a file and reads its header and snapshot table.
    ///
    /// - Throws: `.cannotOpen`, `.wrongFormat`, `.unsupported`, `.corrupt`, `.truncated`.
    package init(path: String) throws(DiskImageError) {
        try self.init(file: ImageFile(path: path))
    }

    init(file: ImageFile) throws(DiskImageError) {
        self.file = file
        var header = try Qcow2Header(file: file)
        var attempts = 8
        while true {
            // QEMU writes a new table elsewhere and then changes the header; the old table's clusters may be reused.
            let table = Result { () throws(DiskImageError) in try Qcow2SnapshotTable(file: file, header: header) }
            let after = try Qcow2Header(file: file)
            attempts -= 1
            if after == header || attempts == 0 {
                self.header = header
                self.snapshots = try table.get().snapshots
                return
            }
            header = after
        }
    }

    /// The same file as it is now: header and snapshot table are read again, without opening it again.
    package func refreshed() throws(DiskImageError) -> Qcow2Image { try Qcow2Image(file: file) }

    package var path: String { file.path }
    /// Size of the active disk in bytes.
    package var virtualSize: UInt64 { header.size }
    /// 2 or 3.
    package var version: Int { Int(header.version) }
    /// Unit of allocation in bytes.
    package var clusterSize: Int { Int(header.geometry.clusterSize) }
    /// The backing file as the header spells it: a path, or an address such as `nbd+unix:///disk?socket=...`.
    package var backingFile: String? { header.backingFile }
    /// Format of the backing file as the header spells it, such as `raw`.
    package var backingFormat: String? { header.backingFormat }
    /// The writer did not close the file; reference counts may be wrong, which reading does not need.
    package var isDirty: Bool { header.incompatibleFeatures & Qcow2Header.Feature.dirty != 0 }
    /// QEMU found damage in this file.
    package var isMarkedCorrupt: Bool { header.incompatibleFeatures & Qcow2Header.Feature.corrupt != 0 }

    /// The snapshot with this ID, or else the first one with this name.
    ///
    /// - Throws: `.noSuchSnapshot`, with the names there are.
    package func snapshot(_ idOrName: String) throws(DiskImageError) -> Qcow2Snapshot {
        if let found = snapshots.first(where: { $0.id == idOrName }) ?? snapshots.first(where: { $0.name == idOrName })
        {
            return found
        }
        let names = snapshots.map { "\($0.id) \"\($0.name)\"" }.joined(separator: ", ")
        throw DiskImageError(
            .noSuchSnapshot, "\(path) has no snapshot \"\(idOrName)\"; it has \(names.isEmpty ? "none" : names)")
    }

    /// What this file holds for its active disk.
    package func activeLayer() throws(DiskImageError) -> Qcow2Layer {
        try Qcow2Layer(
            file: file, header: header, virtualSize: header.size, l1Offset: header.l1Offset,
            l1Entries: header.l1Entries, name: "the disk")
    }

    /// What this file holds for a snapshot's disk; immutable while the snapshot exists.
    package func layer(of snapshot: Qcow2Snapshot) throws(DiskImageError) -> Qcow2Layer {
        _ = try diskL1Entries(of: snapshot)
        return try Qcow2Layer(
            file: file, header: header, virtualSize: snapshot.diskSize, l1Offset: snapshot.l1Offset,
            l1Entries: snapshot.l1Entries, name: snapshot.label)
    }

    /// A snapshot's disk with the backing chain under it, as the guest saw it.
    ///
    /// - Parameter references: Which backing files may be opened.
    /// - Throws: `.backingUnavailable` when the backing file is not a local file, `.forbiddenReference`.
    package func view(
        of snapshot: Qcow2Snapshot, references: ReferencePolicy = .sameDirectory
    ) throws(DiskImageError) -> any DiskImage {
        try view(over: try layer(of: snapshot), references)
    }

    /// The current disk with the backing chain under it.
    ///
    /// - Parameter references: Which backing files may be opened.
    package func activeView(references: ReferencePolicy = .sameDirectory) throws(DiskImageError) -> any DiskImage {
        try view(over: try activeLayer(), references)
    }

    private func view(
        over layer: Qcow2Layer, _ references: ReferencePolicy
    ) throws(DiskImageError) -> any DiskImage {
        if backingFile == nil { return layer }
        return try BackingChain(top: file, references: references).putUnder(layer, of: self)
    }

    /// The VM state that `savevm` left with a snapshot.
    ///
    /// - Returns: A reader of exactly ``Qcow2Snapshot/vmStateSize`` bytes; of none when the disk holds no state.
    /// - Throws: `.corrupt` when the snapshot's L1 table does not reach that far.
    package func vmState(of snapshot: Qcow2Snapshot) throws(DiskImageError) -> Qcow2VMState {
        let first = try diskL1Entries(of: snapshot)
        let shift = header.geometry.l1Shift
        guard snapshot.vmStateSize <= UInt64(max(0, snapshot.l1Entries - first)) << shift else {
            throw file.corrupt(
                "\(snapshot.label) has \(snapshot.vmStateSize) bytes of VM state, more than its L1 table maps",
                at: snapshot.l1Offset)
        }
        return Qcow2VMState(
            layer: try layer(of: snapshot), start: UInt64(first) << shift, size: snapshot.vmStateSize)
    }

    private func diskL1Entries(of snapshot: Qcow2Snapshot) throws(DiskImageError) -> Int {
        guard let entries = header.geometry.l1Entries(covering: snapshot.diskSize) else {
            throw file.corrupt(
                "\(snapshot.label) has a disk of \(snapshot.diskSize) bytes, more than any L1 table maps",
                at: header.snapshotsOffset)
        }
        return entries
    }
}

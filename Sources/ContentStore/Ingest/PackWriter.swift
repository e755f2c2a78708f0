import Glibc

/// Writes one pack. Frames are collected in one buffer while another is hashed and written, possibly by another thread.
final class PackWriter {
    private var file: TemporaryFile
    private let hasher = SHA256Hasher()
    /// Frames appended, not handed over yet.
    private var filling: [UInt8] = []
    /// Frames handed over to be hashed and written.
    private var flushing: [UInt8] = []
    private var written: UInt64 = 0
    private var places: [FramePlace] = []
    private var plainBytes: UInt64 = 0
    private var objects: UInt32 = 0
    /// The frame of each object of this pack.
    private(set) var entries: [Digest: FramePlace] = [:]

    init(_ store: ContentStore, temporaryName: String) throws(StoreError) {
        file = try TemporaryFile(
            named: store.layout.temporary(temporaryName), in: store.layout.packs, mode: store.layout.fileMode,
            fileSystem: store.fileSystem)
        filling = PackFormat.header()
    }

    /// The size of the pack if it were closed now.
    var size: Int {
        Int(written) + flushing.count + filling.count + PackFormat.trailerSize
            + PackFormat.tableEntrySize * places.count
    }

    var isEmpty: Bool { places.isEmpty }

    /// Adds a frame.
    func append(_ frame: UnsafeRawBufferPointer, _ records: [ObjectRecord]) {
        let place = FramePlace(
            offset: UInt32(Int(written) + flushing.count + filling.count), size: UInt32(frame.count))
        filling.append(contentsOf: frame)
        places.append(place)
        for record in records {
            entries[record.digest] = place
            plainBytes += UInt64(record.length)
        }
        objects += UInt32(records.count)
    }

    /// Hands over what was collected, if that is much, for `writeHandedOver`.
    func handOver() {
        guard flushing.isEmpty, filling.count >= 1 << 20 else { return }
        swap(&filling, &flushing)
    }

    /// Hashes and writes what was handed over. No other method may run at the same time.
    func writeHandedOver() throws(StoreError) {
        guard !flushing.isEmpty else { return }
        try flushing.withBytes { bytes throws(StoreError) in
            hasher.update(bytes)
            try file.descriptor.write(bytes, at: written)
        }
        file.descriptor.fileSystem.startWriteback(file.descriptor.raw, at: written, length: UInt64(flushing.count))
        written += UInt64(flushing.count)
        flushing.removeAll(keepingCapacity: true)
    }

    private func flush() throws(StoreError) {
        try writeHandedOver()
        swap(&filling, &flushing)
        try writeHandedOver()
    }

    /// Reads back a frame of this pack.
    func frame(at place: FramePlace) throws(StoreError) -> [UInt8] {
        try flush()
        var bytes = [UInt8](repeating: 0, count: Int(place.size))
        let count = try bytes.withMutableBytes { buffer throws(StoreError) in
            try file.descriptor.read(into: buffer, at: UInt64(place.offset))
        }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// Writes the frame table. The pack is whole then, but neither durable nor named.
    func seal() throws(StoreError) -> (pack: StagedPack, index: IndexFile) {
        try flush()
        flushing += PackTrailer.tail(frames: places, objects: objects, plainBytes: plainBytes, tableOffset: written)
        try writeHandedOver()
        let pack = IndexedPack(id: hasher.finish(), size: written)
        let entries = entries.map { IndexEntry(digest: $0.key, place: $0.value, pack: 0) }
        self.entries.removeAll()
        return (StagedPack(pack, writer: self), try IndexFile.build(pack: pack, entries: entries))
    }

    /// Makes the pack durable and names it in `tmp/`.
    fileprivate func publish(as path: String, spare: String) throws(StoreError) {
        try file.descriptor.synchronize(dataOnly: true)
        try file.publish(as: path, spare: spare)
    }
}

/// A pack that is whole, and on its way into the store.
final class StagedPack {
    let pack: IndexedPack
    /// Holds the unnamed file until it has a name.
    private var writer: PackWriter?
    /// The path in `tmp/`, then in `packs/`.
    private(set) var path: String?

    fileprivate init(_ pack: IndexedPack, writer: PackWriter) {
        self.pack = pack
        self.writer = writer
    }

    /// Makes it durable under a name that readers do not know.
    func stage(_ layout: StoreLayout, lease: String) throws(StoreError) {
        guard let writer else { return }
        let staged = layout.temporary("\(lease).\(pack.id.hex).pack")
        try writer.publish(as: staged, spare: staged + ".new")
        path = staged
        self.writer = nil
    }

    /// Gives it the name that readers know. `stage` comes first.
    func publish(_ layout: StoreLayout, _ fileSystem: any FileSystem) throws(StoreError) {
        guard let staged = path else { return }
        let published = layout.pack(pack.id)
        try calling("naming a pack", path: published) { () throws(SystemCallError) in
            try fileSystem.rename(staged, to: published)
        }
        path = published
    }

    /// Reads a frame.
    func frame(at place: FramePlace, in fileSystem: any FileSystem) throws(StoreError) -> [UInt8] {
        if let writer { return try writer.frame(at: place) }
        guard let path else { return [] }
        let file = try PackFile(path, in: fileSystem)
        // The size of a place that comes from an index is rounded up.
        let count = min(UInt64(place.size), file.size - min(file.size, UInt64(place.offset)))
        return try file.read(at: UInt64(place.offset), count: Int(count))
    }
}

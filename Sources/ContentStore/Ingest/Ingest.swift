/// One writer: puts objects into a store, for one thread at a time.
///
/// Nothing of it is visible to readers before ``finish()`` or ``publish(_:operation:)``; one that is abandoned leaves nothing. It holds a
/// lease from its beginning until ``close()`` or the end of its life, so that what it relies on is not collected meanwhile.
package final class Ingest {
    /// What was done so far.
    package var statistics: IngestStatistics {
        // An error is that of whatever comes next.
        try? guarded { () throws(StoreError) in try encodePending() }
        var sum = stored
        sum.bytesRead = bytesGiven
        sum.leavesZero = leavesZero
        return sum
    }

    let store: ContentStore
    let options: IngestOptions
    /// What readers could see when the ingest began, and what needs not be stored again.
    let catalog: Catalog
    /// The epoch before that.
    let epoch: CollectionEpoch
    /// Objects of this ingest that will have all they need when it is finished, unless a collection runs meanwhile.
    var complete: Set<Digest> = []
    let encoder: FrameEncoder
    /// What leaves and objects came to. Leaves are counted by the thread that stores them.
    var stored = IngestStatistics()
    /// What editors and blobs were given, counted by the owner's thread.
    var bytesGiven: UInt64 = 0
    var leavesZero: UInt64 = 0
    /// Leaves that other threads store just now; until it is done nothing else of the ingest may be touched.
    var activeJob: LeafJob?
    private var lease: Lease?
    private var state = State.open
    private(set) var writer: PackWriter?
    private var unstaged: [StagedPack] = []
    var own = OwnObjects()
    var small = FrameBuilder(.small)
    var pages = FrameBuilder(.pages)
    /// Leaves that are hashed but not encoded. When an ingest fails they are forgotten: their bytes may not stay.
    var pending: PendingFrames?
    var batchBuffers = BatchBuffers()
    private let frameBuffer = ByteBuffer(
        count: FrameHeader.maximumPlainLength + FrameHeader.fixedSize + FrameHeader.recordSize * 65_536)
    private var encodeSlots = ByteBuffer(count: 0)
    /// The frame read back last.
    private var lastFrame: Frame?

    private enum State {
        case open
        /// The objects are durable and visible.
        case finished
        case failed(StoreError)
        case closed
    }

    /// - Parameter distrusted: packs whose objects are stored again.
    init(
        _ store: ContentStore, label: String, options: IngestOptions, distrusting distrusted: Set<Digest> = []
    ) throws(StoreError) {
        self.store = store
        self.options = options
        encoder = FrameEncoder(
            compression: options.compression, memoryCompression: options.memoryCompression)
        lease = try store.lease(label: label)
        epoch = try store.epoch()
        let catalog = try store.keeper.reload()
        self.catalog = distrusted.isEmpty ? catalog : catalog.without(distrusted)
    }

    deinit {
        discard()
    }

    // MARK: Objects

    /// Stores a blob of up to 1 GiB; returns its digest.
    package func putBlob(_ bytes: [UInt8]) throws(StoreError) -> Digest {
        try bytes.withBytes { bytes throws(StoreError) in try putBlob(bytes) }
    }

    /// Stores a blob of up to 1 GiB; returns its digest.
    package func putBlob(_ bytes: Span<UInt8>) throws(StoreError) -> Digest {
        try bytes.withUnsafeBytes { bytes throws(StoreError) in try putBlob(bytes) }
    }

    /// Stores a blob of up to 1 GiB; returns its digest.
    package func putBlob(_ bytes: UnsafeRawBufferPointer) throws(StoreError) -> Digest {
        guard bytes.count <= PartList.maximumLength else {
            throw StoreError(.invalid, "a blob of \(bytes.count) bytes is too large; keep it as a disk")
        }
        return try guarded { () throws(StoreError) in
            bytesGiven += UInt64(bytes.count)
            let digest = Digest(of: bytes)
            complete.insert(digest)
            if bytes.count <= PartList.partSize {
                if !contains(digest) { try put(bytes, digest) }
                return digest
            }
            // The parts are looked up one by one: that the list is there says nothing about them.
            let parts = try putParts(bytes)
            if contains(digest) { return digest }
            let list = PartList(length: bytes.count, parts: parts).bytes
            try list.withBytes { bytes throws(StoreError) in try put(bytes, digest, isIndirect: true) }
            return digest
        }
    }

    private func putParts(_ bytes: UnsafeRawBufferPointer) throws(StoreError) -> [Digest] {
        var parts: [Digest] = []
        var position = 0
        while bytes.count - position >= PartList.partSize {
            let count = min(LeafBatch.size, bytes.count - position) & ~(PartList.partSize - 1)
            let first = UInt64(position / PartList.partSize)
            let positions = (0..<UInt64(count / PartList.partSize)).map { first + $0 }
            parts += try processLeaves(bytes.part(position, count), positions, kind: .disk)
            position += count
        }
        // The bytes are the caller's.
        try encodePending()
        if position < bytes.count {
            let rest = bytes.part(position, bytes.count - position)
            let digest = Digest(of: rest)
            if !contains(digest) { try put(rest, digest) }
            parts.append(digest)
        }
        return parts
    }

    /// Stores a commit; returns its digest. What it refers to must be in the store or in this ingest.
    package func putCommit(_ commit: Commit) throws(StoreError) -> Digest {
        settle()
        let needed = commit.parents + commit.blobs.values + commit.trees.values.compactMap(\.digest)
        for digest in needed where !contains(digest) {
            // Another process may have added it since the ingest began.
            guard try store.contains(digest) else {
                throw StoreError(
                    .notFound, "the commit refers to object \(digest.short), which is not in the store",
                    path: store.path)
            }
        }
        let bytes = commit.canonicalBytes()
        guard Commit(canonicalBytes: bytes) == commit else {
            throw StoreError(.invalid, "the commit has a time or the length of a tree out of range")
        }
        let digest = try putBlob(bytes)
        let parts = commit.trees.values.compactMap(\.digest) + commit.blobs.values + commit.parents
        if !parts.allSatisfy({ isComplete($0) }) { complete.remove(digest) }
        return digest
    }

    /// Whether an object has all it needs, in this ingest or in the store, as of the epoch of this ingest.
    func isComplete(_ digest: Digest) -> Bool {
        complete.contains(digest) || store.isKnownComplete(digest, in: epoch)
    }

    /// Stores a node of a tree.
    func putNode(_ bytes: [UInt8]) throws(StoreError) -> Digest {
        try guarded { () throws(StoreError) in
            try bytes.withBytes { bytes throws(StoreError) in
                let digest = Digest(of: bytes)
                if !contains(digest) { try put(bytes, digest) }
                return digest
            }
        }
    }

    /// Whether the object needs not be stored again.
    func contains(_ digest: Digest) -> Bool {
        own.open.contains(digest) || writer?.entries[digest] != nil || own.contains(digest) || catalog.contains(digest)
    }

    /// Adds an object that is not there yet to a frame.
    func put(
        _ bytes: UnsafeRawBufferPointer, _ digest: Digest, isIndirect: Bool = false
    ) throws(StoreError) {
        if !small.fits(bytes.count), !small.isEmpty { try sealFrame(&small) }
        small.append(bytes, ObjectRecord(digest: digest, length: bytes.count, isIndirect: isIndirect))
        own.open.insert(digest)
        stored.newBytes += UInt64(bytes.count)
        if small.isFull { try sealFrame(&small) }
    }

    /// Writes a frame that was being collected.
    func sealFrame(_ builder: inout FrameBuilder) throws(StoreError) {
        guard !builder.isEmpty else { return }
        let size = builder.plain.withUnsafeBytes {
            encoder.encode($0, builder.records, builder.content, into: frameBuffer.bytes)
        }
        try append(UnsafeRawBufferPointer(frameBuffer.bytes.part(0, size)), builder.records)
        builder.removeAll()
    }

    /// Adds a frame to the pack, closing a full one before.
    func append(_ frame: UnsafeRawBufferPointer, _ records: [ObjectRecord]) throws(StoreError) {
        if let writer, !writer.isEmpty, writer.size + frame.count + PackFormat.tableEntrySize > options.packSize {
            try sealPack()
        }
        try currentWriter().append(frame, records)
        for record in records { own.open.remove(record.digest) }
        stored.storedBytes += UInt64(frame.count + PackFormat.tableEntrySize)
    }

    /// The pack being written.
    func currentWriter() throws(StoreError) -> PackWriter {
        if let writer { return writer }
        let new = try PackWriter(store, temporaryName: "\(leaseID).\(own.order.count).pack.part")
        stored.storedBytes += UInt64(PackFormat.headerSize + PackFormat.trailerSize)
        writer = new
        return new
    }

    private var leaseID: String { lease?.id ?? "none" }

    func sealPack() throws(StoreError) {
        guard let writer, !writer.isEmpty else { return }
        let (pack, index) = try writer.seal()
        self.writer = nil
        own.add(pack, index)
        try own.mergeIndexes(store, temporaryName: "\(leaseID).\(own.order.count).index.part")
        // The kernel writes meanwhile: waiting for a pack comes two packs later.
        unstaged.append(pack)
        while unstaged.count > 2 { try unstaged.removeFirst().stage(store.layout, lease: leaseID) }
    }

    /// Room for frames that several threads encode.
    func encodeBuffer(_ count: Int) -> UnsafeMutableRawBufferPointer {
        if encodeSlots.bytes.count < count { encodeSlots = ByteBuffer(count: count) }
        return encodeSlots.bytes
    }

    // MARK: Reading back

    /// A frame of this ingest that holds an object; nil when the object is not its own.
    func ownFrame(_ digest: Digest) throws(StoreError) -> Frame? {
        if own.open.contains(digest) { try encodePending() }
        if own.open.contains(digest) {
            try sealFrame(&small)
            try sealFrame(&pages)
        }
        if let lastFrame, lastFrame.index(of: digest) != nil { return lastFrame }
        let bytes: [UInt8]
        if let writer, let place = writer.entries[digest] {
            bytes = try writer.frame(at: place)
        } else if let (pack, place) = own.place(of: digest) {
            bytes = try pack.frame(at: place, in: store.fileSystem)
        } else {
            return nil
        }
        guard let stored = StoredFrame(parsing: bytes), let frame = Frame(stored) else {
            throw StoreError(.damaged, "a frame just written reads back wrong: the disk or memory is defective")
        }
        lastFrame = frame
        return frame
    }

    // MARK: The end

    /// Closes the packs and makes them durable. Readers do not know of them yet.
    func stage() throws(StoreError) {
        try guarded { () throws(StoreError) in
            try encodePending()
            try sealFrame(&small)
            try sealFrame(&pages)
            try sealPack()
            for pack in unstaged { try pack.stage(store.layout, lease: leaseID) }
            unstaged.removeAll()
        }
    }

    /// Makes all objects durable and visible to readers.
    ///
    /// The lease is still held: update refs, then let go of the ingest or call ``close()``.
    package func finish() throws(StoreError) {
        try stage()
        try guarded { () throws(StoreError) in
            if !own.order.isEmpty {
                for pack in own.order { try pack.publish(store.layout, store.fileSystem) }
                try FileDescriptor.synchronizeDirectory(store.layout.packs, in: store.fileSystem)
                try store.keeper.publishAll(own.indexes, temporaryName: "\(leaseID).index")
                try store.keeper.reload()
            }
        }
        state = .finished
        for digest in complete { store.noteComplete(digest, in: epoch) }
        store.keeper.mergeIndexes()
    }

    /// Finishes, changes refs, and lets go of the lease.
    @discardableResult
    package func publish(
        _ changes: [RefChange], groups: [RefGroupChange] = [], operation: String
    ) throws(StoreError) -> Operation {
        try finish()
        let operation = try store.updateRefs(changes, groups: groups, operation: operation)
        close()
        return operation
    }

    /// Ends the ingest and its lease. What was not finished is gone.
    package func close() {
        settle()
        if case .open = state { discard() }
        if case .failed = state { discard() }
        state = .closed
        lease = nil
    }

    private func discard() {
        pending = nil
        writer = nil
        unstaged.removeAll()
        if case .finished = state { return }
        for pack in own.order {
            // What has its final name already is sound, and garbage at worst.
            if let path = pack.path, path.hasPrefix(store.layout.temporary) { try? store.fileSystem.unlink(path) }
        }
        own = OwnObjects()
    }

    /// Runs a step that writes. After one that failed the ingest cannot go on: a frame or pack may be half written.
    func guarded<Result>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result {
        settle()
        try checkOpen()
        do throws(StoreError) {
            return try body()
        } catch {
            fail(error)
            throw error
        }
    }

    private func fail(_ error: StoreError) {
        state = .failed(error)
        pending = nil
    }

    /// Waits for leaves that other threads store.
    func settle() {
        guard let job = activeJob else { return }
        activeJob = nil
        if case .failure(let error) = job.wait() { fail(error) }
    }

    /// Throws unless the ingest can go on.
    func checkOpen() throws(StoreError) {
        switch state {
        case .open: break
        case .finished, .closed: throw StoreError(.closed, "the ingest has ended; begin another one")
        case .failed(let error):
            throw StoreError(
                .closed, "the ingest has failed before; begin another one", path: error.path, cause: error.description)
        }
    }
}

extension ContentStore {
    /// Begins to write. The label says in the lease what for.
    package func beginIngest(label: String, options: IngestOptions = IngestOptions()) throws(StoreError) -> Ingest {
        try requireWritable(for: "an ingest")
        try sweep()
        return try Ingest(self, label: label, options: options)
    }
}

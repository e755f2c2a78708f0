/// One export: finds what is to be sent, and sends it pack by pack.
struct BundleExport {
    private let store: ContentStore
    private let compression: Compression?
    private let numbers: ObjectNumbers
    /// What is to be sent, and what was.
    private var wanted: ObjectSet
    private var sent: ObjectSet
    /// Lists of parts, which come last.
    private var lists: [(digest: Digest, number: Int)] = []
    private var listSet: ObjectSet
    /// The packs in the order in which the commits need them, and where their wanted frames are.
    private var order: [Digest] = []
    private var frames: [Digest: [UInt32]] = [:]
    private var pages = FrameBuilder(.pages)
    private var small = FrameBuilder(.small)
    private var chunks: FrameBuilder
    private let total: UInt64

    /// How many frames are read and checked at a time.
    private static let batch = 32

    /// Finds what is to be sent.
    init(
        _ store: ContentStore, commits: [Digest], bases: [Digest], compression: Compression?
    ) throws(StoreError) {
        self.store = store
        self.compression = compression
        chunks = FrameBuilder(.chunks, capacity: FrameEncoder(compression: compression ?? .lz4).chunkCapacity)
        let numbers = ObjectNumbers(try store.keeper.reload())
        self.numbers = numbers
        var walk = ClosureWalk(store, numbers)
        for base in bases { _ = try walk.add(base) { _ in } }
        var wanted = ObjectSet(capacity: numbers.count)
        var listSet = ObjectSet(capacity: numbers.count)
        var lists: [(digest: Digest, number: Int)] = []
        var order: [Digest] = []
        var frames: [Digest: [UInt32]] = [:]
        for commit in commits {
            _ = try walk.add(commit) { found in
                _ = wanted.insert(found.number)
                if found.isList {
                    lists.append((found.digest, found.number))
                    _ = listSet.insert(found.number)
                    return
                }
                guard let place = numbers.place(of: found.number) else { return }
                if frames[place.pack.id] == nil { order.append(place.pack.id) }
                frames[place.pack.id, default: []].append(place.entry.offset)
            }
        }
        self.wanted = wanted
        self.listSet = listSet
        self.lists = lists
        self.order = order
        self.frames = frames
        sent = ObjectSet(capacity: numbers.count)
        total = UInt64(wanted.count)
    }

    var objects: UInt64 { total }

    /// Sends everything.
    mutating func run(
        _ writer: BundleWriter, progress: (BundleProgress) -> Void
    ) throws(StoreError) -> BundleReport {
        for id in order {
            var offsets: [UInt32] = []
            for offset in (frames.removeValue(forKey: id) ?? []).sorted() where offsets.last != offset {
                offsets.append(offset)
            }
            for start in stride(from: 0, to: offsets.count, by: BundleExport.batch) {
                let part = offsets[start..<min(start + BundleExport.batch, offsets.count)]
                try send(id, Array(part), writer)
                tell(writer, progress)
            }
        }
        try sendOtherCopies(writer)
        // Parts come before their lists.
        try seal(&chunks, writer)
        try seal(&pages, writer)
        try seal(&small, writer)
        try sendLists(writer)
        try seal(&small, writer)
        guard writer.report.objects == total else {
            throw StoreError(.io, "an export has lost objects: this is a defect of the store", path: store.path)
        }
        let report = try writer.finish()
        tell(writer, progress)
        return report
    }

    private func tell(_ writer: BundleWriter, _ progress: (BundleProgress) -> Void) {
        progress(
            BundleProgress(objects: writer.report.objects, totalObjects: total, bytes: writer.report.bytes))
    }

    private func isDue(_ number: Int?) -> Bool {
        guard let number else { return false }
        return wanted.contains(number) && !sent.contains(number) && !listSet.contains(number)
    }

    /// Sends what is wanted of some frames of a pack. What cannot be read is left for `sendOtherCopies`.
    private mutating func send(_ id: Digest, _ offsets: [UInt32], _ writer: BundleWriter) throws(StoreError) {
        guard let pack = try? PackFile(store.layout.pack(id), in: store.fileSystem) else { return }
        writer.handOver()
        let results = try CheckedFrame.check(
            offsets.count, aside: { () throws(StoreError) in try writer.writeHandedOver() }
        ) { index throws(StoreError) in
            // Frames lie one after the other: often the next one begins where this one ends.
            let next = index + 1 < offsets.count ? Int(offsets[index + 1] - offsets[index]) : Int.max
            return try pack.frame(at: UInt64(offsets[index]), sizeHint: min(next, FrameHeader.usualPlainLength))
        }
        for result in results {
            guard case .success(.some(let frame)) = result else { continue }
            let due = frame.records.map { record in
                let number = numbers.number(of: record.digest)
                return isDue(number) && !record.isIndirect ? number : nil
            }
            let isWhole = zip(due, frame.isSound).allSatisfy { $0 != nil && $1 }
            // The same object twice in a frame would be counted twice.
            let isPlain = isWhole && frame.hasSoundPieces && Set(due).count == due.count
            if isPlain && (compression == nil || frame.header.codec == .zstd) {
                try frame.withStoredBytes { bytes throws(StoreError) in
                    writer.append(bytes, objects: due.count, plainBytes: frame.header.plainLength)
                }
                for case .some(let number) in due { _ = sent.insert(number) }
                continue
            }
            for (index, record) in frame.records.enumerated() {
                guard let number = due[index], frame.isSound[index], sent.insert(number) else { continue }
                let fallback: Compression = frame.header.codec == .zstd ? .zstd(level: 3) : .lz4
                try frame.withObject(index) { bytes throws(StoreError) in
                    try put(bytes, record, compression ?? fallback, writer)
                }
            }
        }
    }

    /// Puts an object into a frame of its kind.
    private mutating func put(
        _ bytes: UnsafeRawBufferPointer, _ record: ObjectRecord, _ compression: Compression, _ writer: BundleWriter
    ) throws(StoreError) {
        if record.length == TreeShape(.disk).leafSize, !record.isIndirect {
            if !chunks.fits(bytes.count) { try seal(&chunks, writer, compression) }
            chunks.append(bytes, record)
            if chunks.isFull { try seal(&chunks, writer, compression) }
            return
        }
        if record.length == TreeShape(.memory).leafSize, !record.isIndirect {
            if !pages.fits(bytes.count) { try seal(&pages, writer, compression) }
            pages.append(bytes, record)
        } else {
            if !small.fits(bytes.count) { try seal(&small, writer, compression) }
            small.append(bytes, record)
        }
    }

    private func seal(
        _ builder: inout FrameBuilder, _ writer: BundleWriter, _ compression: Compression? = nil
    ) throws(StoreError) {
        guard !builder.isEmpty else { return }
        let encoder = FrameEncoder(compression: compression ?? self.compression ?? .lz4)
        let records = builder.records
        let content = builder.content
        let bound = FrameEncoder.bound(plain: builder.plain.count, records: records.count)
        let plainBytes = builder.plain.count
        try builder.plain.withBytes { plain throws(StoreError) in
            let room = ByteBuffer(count: bound)
            let sizes = encoder.encodeAll(plain, records, content, into: room.bytes)
            var position = 0
            for size in sizes {
                // One frame for all objects, or one for each, all of the same length.
                writer.append(
                    UnsafeRawBufferPointer(room.bytes.part(position, size)), objects: records.count / sizes.count,
                    plainBytes: plainBytes / sizes.count)
                position += size
            }
        }
        builder.removeAll()
        writer.handOver()
        try writer.writeHandedOver()
    }

    /// Sends what could not be read where it was first looked for, from wherever it can.
    private mutating func sendOtherCopies(_ writer: BundleWriter) throws(StoreError) {
        var rest: [Int] = []
        try wanted.forEach { number throws(StoreError) in if isDue(number) { rest.append(number) } }
        for number in rest {
            guard let digest = numbers.place(of: number)?.entry.digest else { continue }
            let bytes = try store.checkedObject(digest)
            _ = sent.insert(number)
            try bytes.withBytes { bytes throws(StoreError) in
                try put(
                    bytes, ObjectRecord(digest: digest, length: bytes.count, isIndirect: false), compression ?? .lz4,
                    writer)
            }
        }
    }

    private mutating func sendLists(_ writer: BundleWriter) throws(StoreError) {
        for (digest, _) in lists {
            let list = try store.object(digest)
            guard list.isIndirect else {
                throw StoreError(.io, "blob \(digest.short) was stored anew meanwhile; export again", path: store.path)
            }
            try store.forEachPart(of: digest, list.bytes) { _ in }
            let record = ObjectRecord(digest: digest, length: list.bytes.count, isIndirect: true)
            try list.bytes.withBytes { bytes throws(StoreError) in
                try put(bytes, record, compression ?? .lz4, writer)
            }
        }
    }
}

extension ContentStore {
    /// An object with its own bytes, hashed, from any of its places.
    func checkedObject(_ digest: Digest) throws(StoreError) -> [UInt8] {
        try withPlaces(of: digest) { place throws(StoreError) in
            let pack = try pack(place.pack)
            let stored = try pack.frame(at: UInt64(place.offset), sizeHint: place.sizeHint)
            guard let frame = CheckedFrame(stored) else {
                throw pack.damage("a frame does not decode", at: UInt64(place.offset))
            }
            for (index, record) in frame.records.enumerated() where record.digest == digest && frame.isSound[index] {
                if !record.isIndirect { return Array(frame.plain[frame.range(index)]) }
            }
            throw pack.damage("object \(digest.short) is not sound in the frame", at: UInt64(place.offset))
        }
    }
}

import Glibc

// Leaves are checked by the CRCs of their frame, and by its header naming the digest: see <doc:Format#What-is-checked-when>.
extension ContentStore {
    /// Copies part of a leaf. The caller guarantees that the part lies within a leaf of `leafSize` bytes.
    func readLeaf(
        _ digest: Digest, leafSize: Int, from offset: Int, into target: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        var reader = LeafReader(store: self, leafSize: leafSize)
        try reader.read(digest, from: offset, into: target)
    }

    /// Fills a buffer with a leaf that has its digest: not only its CRC is checked.
    func readCheckedLeaf(_ digest: Digest, into target: UnsafeMutableRawBufferPointer) throws(StoreError) {
        try withPlaces(of: digest) { place throws(StoreError) in
            let frame = try frame(at: place)
            let (range, isIndirect) = try object(digest, in: frame, at: place)
            guard !isIndirect, range.count == target.count else {
                throw notALeaf(digest, place, size: target.count)
            }
            copy(frame, range.lowerBound, into: target)
        }
    }

    @inline(never)
    private func copy(_ frame: Frame, _ start: Int, into target: UnsafeMutableRawBufferPointer) {
        frame.bytes.withUnsafeBytes { target.copyMemory(from: $0.part(start, target.count)) }
    }

    func notALeaf(_ digest: Digest, _ place: ObjectPlace, size: Int) -> StoreError {
        StoreError(
            .damaged, "object \(digest.short) is in use as a leaf of \(size) bytes, which it is not",
            path: layout.pack(place.pack))
    }
}

/// Reads leaves for one request: what several of them need from one frame is decoded once.
struct LeafReader {
    let store: ContentStore
    let leafSize: Int
    /// The decoded frame that was used last.
    private var last: Frame?

    init(store: ContentStore, leafSize: Int) {
        self.store = store
        self.leafSize = leafSize
    }

    /// Copies part of a leaf.
    mutating func read(
        _ digest: Digest, from offset: Int, into target: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        if copyFromLast(digest, from: offset, into: target) { return }
        last = try store.withPlaces(of: digest) { place throws(StoreError) in
            let key = ContentStore.FrameKey(place)
            let answer = store.frames.withLock { $0.ask(for: key) }
            if case .frame(let frame) = answer {
                try copy(digest, of: frame, place, from: offset, into: target)
                return frame
            }
            var isFirst = false
            if case .first = answer { isFirst = true }
            if try readPart(digest, at: place, from: offset, isFirst: isFirst, into: target) { return nil }
            let frame = try store.frame(at: place)
            try copy(digest, of: frame, place, from: offset, into: target)
            return frame
        }
    }

    /// Reads part of a leaf without decoding its frame whole; false when that would be no less work, or the frame is wanted again.
    private func readPart(
        _ digest: Digest, at place: ObjectPlace, from offset: Int, isFirst: Bool,
        into target: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Bool {
        try store.scratches.with { scratch throws(StoreError) in
            let pack = try store.pack(place.pack)
            // The header with the table of the pieces, for up to four chunks.
            let head = try pack.frame(
                at: UInt64(place.offset), sizeHint: min(place.sizeHint, 512), isWhole: false, into: scratch.stored)
            let start = try self.start(of: digest, in: head, place) + offset
            if head.codec == .pieces {
                try readPieces(head, start, at: place, in: pack, scratch, into: target)
                return true
            }
            // Who begins at the beginning will want the rest.
            guard isFirst, start > 0, let count = head.codec.prefix(for: start + target.count, of: head.plainLength)
            else { return false }
            let frame = try store.frame(at: place, into: scratch)
            return try decodePrefix(frame, count, place, scratch, into: target)
        }
    }

    /// Decodes the beginning of a frame; the last bytes of it are those that are wanted. False when only decoding it whole can tell.
    private func decodePrefix(
        _ frame: FrameView, _ count: Int, _ place: ObjectPlace, _ scratch: ReadScratch,
        into target: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Bool {
        guard let stored = frame.checkedBytes() else { throw store.damage(place, "the bytes of the frame are damaged") }
        let isDirect = count == target.count
        let plain = isDirect ? target : scratch.plain.bytes(count)
        guard frame.codec.decodePrefix(stored, into: plain, with: scratch.codec) else { return false }
        if !isDirect { copy(UnsafeRawBufferPointer(plain), from: count - target.count, into: target) }
        return true
    }

    /// Reads and checks the pieces of a frame that hold what is wanted.
    private func readPieces(
        _ head: FrameView, _ start: Int, at place: ObjectPlace, in pack: PackFile, _ scratch: ReadScratch,
        into target: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        let size = PieceTable.pieceSize
        var head = head
        if PieceTable.size(plain: head.plainLength) + head.headerSize > 512 {
            head = try pack.frame(
                at: UInt64(place.offset), sizeHint: head.headerSize + PieceTable.size(plain: head.plainLength),
                isWhole: false, into: scratch.stored)
        }
        guard let table = head.pieceTable() else { throw store.damage(place, "the table of the frame is damaged") }
        let first = start / size
        let end = min((start + target.count + size - 1) / size * size, head.plainLength)
        let count = end - first * size
        let isDirect = count == target.count
        let pieces = isDirect ? target : scratch.plain.bytes(count)
        try pack.read(
            into: pieces, at: UInt64(place.offset) + UInt64(head.headerSize + table.count + first * size))
        guard PieceTable.isSound(UnsafeRawBufferPointer(pieces), from: first, in: table) else {
            throw store.damage(place, "the bytes of the frame are damaged")
        }
        if !isDirect { copy(UnsafeRawBufferPointer(pieces), from: start - first * size, into: target) }
    }

    /// Where a leaf begins in the plain bytes of its frame.
    private func start(of digest: Digest, in frame: FrameView, _ place: ObjectPlace) throws(StoreError) -> Int {
        guard let index = frame.index(of: digest) else { throw store.notInFrame(digest, place) }
        guard frame.isLeaf(index, size: leafSize) else { throw store.notALeaf(digest, place, size: leafSize) }
        return frame.start(of: index)
    }

    /// Reads whole leaves that lie one after the other into a buffer, which has room for at least one.
    ///
    /// - Parameters:
    ///   - digest: the digest of the first.
    ///   - next: the digests of those after it, 1 being the next one; asked only for those that fit into the buffer.
    /// - Returns: how many leaves were read: what one frame has of them.
    mutating func readWhole(
        _ digest: Digest, into target: UnsafeMutableRawBufferPointer, next: (Int) throws(StoreError) -> Digest?
    ) throws(StoreError) -> Int {
        if copyFromLast(digest, from: 0, into: target.part(0, leafSize)) { return 1 }
        let (read, frame) = try store.withPlaces(of: digest) { place throws(StoreError) in
            try readWhole(digest, at: place, into: target, next)
        }
        last = frame
        return read
    }

    private func readWhole(
        _ digest: Digest, at place: ObjectPlace, into target: UnsafeMutableRawBufferPointer,
        _ next: (Int) throws(StoreError) -> Digest?
    ) throws(StoreError) -> (read: Int, frame: Frame?) {
        let key = ContentStore.FrameKey(place)
        if let frame = store.frames.withLock({ $0.value(for: key) }) {
            try copy(digest, of: frame, place, from: 0, into: target.part(0, leafSize))
            // Who reads whole leaves up to the end of a frame goes on behind it.
            if frame.records.last?.digest == digest { store.frames.withLock { $0.remove(key) } }
            return (1, frame)
        }
        let read = try store.scratches.with { scratch throws(StoreError) in
            let view = try store.frame(at: place, into: scratch)
            let start = try self.start(of: digest, in: view, place)
            guard let first = view.index(of: digest) else { throw store.notInFrame(digest, place) }
            // What follows in the frame and in the tree alike. (Looking further on in the tree may need a scratch, but takes another.)
            var count = 1
            while first + count < view.count, (count + 1) * leafSize <= target.count,
                view.isLeaf(first + count, size: leafSize), try next(count) == view.digest(of: first + count)
            {
                count += 1
            }
            let part = target.part(0, count * leafSize)
            if count < view.count, view.codec.isCompressed {
                // Compressed, and the rest may be wanted soon: at once only when that is less work.
                guard first > 0, case .first = store.frames.withLock({ $0.ask(for: key) }),
                    let prefix = view.codec.prefix(for: start + part.count, of: view.plainLength)
                else { return 0 }
                return try decodePrefix(view, prefix, place, scratch, into: part) ? count : 0
            }
            // The whole frame, or bytes that are not compressed, go straight to their place: in the cache they would only push out
            // other things.
            guard let stored = view.checkedBytes() else {
                throw store.damage(place, "the bytes of the frame are damaged")
            }
            if let plain = view.plainBytes(in: stored) {
                copy(plain, from: start, into: part)
            } else if !view.codec.decode(stored, into: part, with: scratch.codec) {
                throw store.damage(place, "a frame does not decode")
            }
            return count
        }
        if read > 0 { return (read, nil) }
        let frame = try store.frame(at: place)
        try copy(digest, of: frame, place, from: 0, into: target.part(0, leafSize))
        return (1, frame)
    }

    private func copyFromLast(_ digest: Digest, from offset: Int, into target: UnsafeMutableRawBufferPointer) -> Bool {
        guard let last, let index = last.index(of: digest), isLeaf(last.records[index]) else { return false }
        copy(last, index, from: offset, into: target)
        return true
    }

    private func copy(
        _ digest: Digest, of frame: Frame, _ place: ObjectPlace, from offset: Int,
        into target: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        guard let index = frame.index(of: digest) else { throw store.notInFrame(digest, place) }
        guard isLeaf(frame.records[index]) else { throw store.notALeaf(digest, place, size: leafSize) }
        copy(frame, index, from: offset, into: target)
    }

    @inline(never)
    private func copy(_ bytes: UnsafeRawBufferPointer, from offset: Int, into target: UnsafeMutableRawBufferPointer) {
        target.copyMemory(from: bytes.part(offset, target.count))
    }

    @inline(never)
    private func copy(_ frame: Frame, _ index: Int, from offset: Int, into target: UnsafeMutableRawBufferPointer) {
        let start = frame.range(of: index).lowerBound + offset
        frame.bytes.withUnsafeBytes { target.copyMemory(from: $0.part(start, target.count)) }
    }

    private func isLeaf(_ record: ObjectRecord) -> Bool {
        !record.isIndirect && record.length == leafSize
    }
}

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
    /// The decoded frame that was used last, and where it is.
    private var last: (frame: Frame, key: ContentStore.FrameKey)?

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
            let frame = try store.frame(at: place)
            try copy(digest, of: frame, place, from: offset, into: target)
            return (frame, ContentStore.FrameKey(place))
        }
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
        let (read, used) = try store.withPlaces(of: digest) { place throws(StoreError) in
            try readWhole(digest, at: place, into: target, next)
        }
        last = used
        return read
    }

    private typealias Used = (frame: Frame, key: ContentStore.FrameKey)

    private func readWhole(
        _ digest: Digest, at place: ObjectPlace, into target: UnsafeMutableRawBufferPointer,
        _ next: (Int) throws(StoreError) -> Digest?
    ) throws(StoreError) -> (read: Int, used: Used?) {
        let key = ContentStore.FrameKey(place)
        if let frame = store.frames.withLock({ $0.value(for: key) }) {
            try copy(digest, of: frame, place, from: 0, into: target.part(0, leafSize))
            return (1, (frame, key))
        }
        let read = try store.scratches.with { scratch throws(StoreError) in
            let view = try store.frame(at: place, into: scratch)
            guard let first = view.index(of: digest) else { throw store.notInFrame(digest, place) }
            guard view.isLeaf(first, size: leafSize) else { throw store.notALeaf(digest, place, size: leafSize) }
            // What follows in the frame and in the tree alike. Looking further on in the tree may use this very scratch's store, but
            // not this scratch.
            var count = 1
            while first + count < view.count, (count + 1) * leafSize <= target.count,
                view.isLeaf(first + count, size: leafSize), try next(count) == view.digest(of: first + count)
            {
                count += 1
            }
            // The whole frame goes straight to its place: in the cache it would only push out other things.
            guard count == view.count else { return 0 }
            guard let stored = view.checkedBytes() else {
                throw store.damage(place, "the bytes of the frame are damaged")
            }
            guard view.codec.decode(stored, into: target.part(0, count * leafSize), with: scratch.codec) else {
                throw store.damage(place, "a frame does not decode")
            }
            return count
        }
        if read > 0 { return (read, nil) }
        let frame = try store.frame(at: place)
        try copy(digest, of: frame, place, from: 0, into: target.part(0, leafSize))
        return (1, (frame, key))
    }

    private func copyFromLast(_ digest: Digest, from offset: Int, into target: UnsafeMutableRawBufferPointer) -> Bool {
        guard let last, let index = last.frame.index(of: digest), isLeaf(last.frame.records[index]) else {
            return false
        }
        copy(last.frame, index, from: offset, into: target)
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
    private func copy(_ frame: Frame, _ index: Int, from offset: Int, into target: UnsafeMutableRawBufferPointer) {
        let start = frame.range(of: index).lowerBound + offset
        frame.bytes.withUnsafeBytes { target.copyMemory(from: $0.part(start, target.count)) }
    }

    private func isLeaf(_ record: ObjectRecord) -> Bool {
        !record.isIndirect && record.length == leafSize
    }
}

/// Decoded frames of which less than the whole was wanted.
///
/// A frame comes in when it is asked for again soon after the first time: until then only what is wanted of it is decoded. So random
/// reads all over a disk neither fill the cache nor pay for it. One that was read whole leaf by whole leaf to its end goes out.
struct FrameCache {
    enum Answer {
        case frame(Frame)
        /// Not there, and not asked for lately.
        case first
        /// Not there, but asked for lately.
        case again
    }

    private var frames: LRUCache<ContentStore.FrameKey, Frame>
    /// What was asked for lately, by place; a newer one takes the place of an older one.
    private var asked = [UInt64](repeating: 0, count: 1024)

    /// - Parameter limit: the greatest number of bytes.
    init(limit: Int) {
        frames = LRUCache(limit: limit)
    }

    mutating func value(for key: ContentStore.FrameKey) -> Frame? { frames.value(for: key) }

    mutating func ask(for key: ContentStore.FrameKey) -> Answer {
        if let frame = frames.value(for: key) { return .frame(frame) }
        let mark = key.mark
        let place = Int(mark >> 54)
        if asked[place] == mark { return .again }
        asked[place] = mark
        return .first
    }

    mutating func setLimit(_ limit: Int) { frames.setLimit(limit) }

    mutating func remove(_ key: ContentStore.FrameKey) { frames.remove(key) }

    mutating func insert(_ frame: Frame, for key: ContentStore.FrameKey) {
        frames.insert(frame, for: key, cost: frame.bytes.count + 512)
    }
}

extension ContentStore.FrameKey {
    init(_ place: ObjectPlace) {
        self.init(pack: place.pack, offset: place.offset)
    }

    /// 64 bits that are hardly ever those of another frame.
    var mark: UInt64 {
        (pack.words.0 ^ UInt64(offset)) &* 0x9E37_79B9_7F4A_7C15
    }
}

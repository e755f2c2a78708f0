/// Puts the live objects of packs into fresh ones.
struct Evacuation {
    let store: ContentStore
    let fresh: FreshPacks
    /// Whether to encode frames anew that could be copied as they are.
    let encodesAnew: Bool
    /// Packs of which everything that is needed is elsewhere now.
    private(set) var done: [Digest] = []
    /// Packs with needed objects that cannot be read.
    private(set) var damaged: [Digest] = []
    /// The packs that this is about.
    private var round: Set<Digest> = []
    private(set) var objects: UInt64 = 0
    /// Bytes of the frames that these objects were in, as far as they were of use.
    private(set) var bytes: UInt64 = 0

    init(_ store: ContentStore, _ fresh: FreshPacks, encodesAnew: Bool) {
        self.store = store
        self.fresh = fresh
        self.encodesAnew = encodesAnew
    }

    /// A needed object of a pack.
    private struct Wanted {
        /// The number of the pack in the list.
        var pack: Int32
        /// The copy that is kept is another one.
        var isCopy: Bool
        var units: UInt16
        var offset: UInt32
        var digest: Digest
    }

    /// Goes through packs in their order; `progress` hears of the bytes of each.
    mutating func run(
        _ packs: [PackUse], _ live: LiveSet, progress: (UInt64) -> Void
    ) throws(StoreError) {
        round = Set(packs.map(\.id))
        let wanted = Evacuation.wanted(packs, live)
        var position = 0
        for (number, pack) in packs.enumerated() {
            var end = position
            while end < wanted.count, wanted[end].pack == Int32(number) { end += 1 }
            if try evacuate(pack.id, wanted[position..<end], live) {
                done.append(pack.id)
            } else {
                damaged.append(pack.id)
            }
            position = end
            progress(pack.liveBytes)
        }
    }

    /// The needed objects of packs, in the order of the list and of each pack.
    private static func wanted(_ packs: [PackUse], _ live: LiveSet) -> [Wanted] {
        let numbers = Dictionary(uniqueKeysWithValues: packs.enumerated().map { ($1.id, Int32($0)) })
        var wanted: [Wanted] = []
        wanted.reserveCapacity(packs.reduce(0) { $0 + $1.live + $1.copies })
        for (number, index) in live.catalog.indexes.enumerated() {
            let ranks = zip(index.file.packs, index.isLive).map { $1 ? numbers[$0.id] : nil }
            guard ranks.contains(where: { $0 != nil }) else { continue }
            for position in 0..<index.file.count {
                let isLive = live.live[number][position]
                guard isLive || live.copies[number][position] else { continue }
                let entry = index.file[position]
                guard Int(entry.pack) < ranks.count, let rank = ranks[Int(entry.pack)] else { continue }
                wanted.append(
                    Wanted(
                        pack: rank, isCopy: !isLive, units: entry.units, offset: entry.offset, digest: entry.digest))
            }
        }
        return wanted.sorted { ($0.pack, $0.offset) < ($1.pack, $1.offset) }
    }

    /// - Returns: false when a needed object cannot be read anywhere.
    private mutating func evacuate(
        _ id: Digest, _ wanted: ArraySlice<Wanted>, _ live: LiveSet
    ) throws(StoreError) -> Bool {
        var isWhole = true
        var position = wanted.startIndex
        while position < wanted.endIndex {
            var end = position
            while end < wanted.endIndex, wanted[end].offset == wanted[position].offset { end += 1 }
            if try !evacuateFrame(id, wanted[position..<end], live) { isWhole = false }
            position = end
        }
        return isWhole
    }

    private mutating func evacuateFrame(
        _ id: Digest, _ wanted: ArraySlice<Wanted>, _ live: LiveSet
    ) throws(StoreError) -> Bool {
        guard let first = wanted.first else { return true }
        var taken: [Digest] = []
        for object in wanted {
            if object.isCopy, try isReadable(object.digest, besides: id, live) { continue }
            taken.append(object.digest)
        }
        if taken.isEmpty { return true }
        let frame = try? decoded(id, first.offset, units: first.units)
        if let (stored, frame) = frame, !encodesAnew, taken.count == frame.records.count, stored.hasSoundPieces(),
            frame.records.indices.allSatisfy({ frame.isSound($0) }), Set(taken) == Set(frame.records.map(\.digest))
        {
            try fresh.append(stored)
            objects += UInt64(taken.count)
            bytes += UInt64(stored.header.frameSize)
            return true
        }
        var isWhole = true
        for digest in taken {
            if let (_, frame) = frame, let index = frame.index(of: digest), frame.isSound(index),
                let range = frame.object(index)
            {
                try frame.bytes.withBytes { bytes throws(StoreError) in
                    try fresh.append(bytes.part(range.lowerBound, range.count), frame.records[index], frame.content)
                }
            } else if let object = try? store.object(digest) {
                // This copy is damaged, and another is not.
                let record = ObjectRecord(digest: digest, length: object.bytes.count, isIndirect: object.isIndirect)
                try object.bytes.withBytes { bytes throws(StoreError) in try fresh.append(bytes, record, .small) }
            } else {
                isWhole = false
                continue
            }
            objects += 1
            if let (stored, frame) = frame { bytes += UInt64(stored.header.frameSize / max(frame.records.count, 1)) }
        }
        return isWhole
    }

    private func decoded(
        _ id: Digest, _ offset: UInt32, units: UInt16
    ) throws(StoreError) -> (stored: StoredFrame, frame: Frame) {
        let pack = try store.pack(id)
        let stored = try pack.frame(at: UInt64(offset), sizeHint: Int(units) * 64)
        guard let frame = Frame(stored) else { throw pack.damage("a frame does not decode", at: UInt64(offset)) }
        return (stored, frame)
    }

    /// Whether a copy of an object can be read that is kept, or is put into a fresh pack like this one would be.
    private func isReadable(_ digest: Digest, besides id: Digest, _ live: LiveSet) throws(StoreError) -> Bool {
        if let home = live.position(of: digest), live.isLive(home) {
            let pack = live.pack(home)
            let entry = live.catalog.indexes[home.index].file[home.entry]
            let place = ObjectPlace(pack: pack, offset: entry.offset, sizeHint: Int(entry.units) * 64)
            if pack != id, round.contains(pack), try isReadable(digest, at: place) { return true }
        }
        for place in try store.keeper.catalog().places(of: digest) where !round.contains(place.pack) {
            if try isReadable(digest, at: place) { return true }
        }
        return false
    }

    private func isReadable(_ digest: Digest, at place: ObjectPlace) throws(StoreError) -> Bool {
        do throws(StoreError) {
            let frame = try store.frame(at: place)
            guard let index = frame.index(of: digest) else { return false }
            return frame.isSound(index)
        } catch {
            switch error.code {
            case .damaged, .notFound, .io: return false
            default: throw error
            }
        }
    }
}

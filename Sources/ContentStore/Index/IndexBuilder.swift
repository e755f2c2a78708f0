/// Writes an index piece by piece: to memory or to a file.
struct IndexBuilder: ~Copyable {
    private let hasher = SHA256Hasher()
    private var crc: UInt32 = 0
    private var buffer: [UInt8] = []
    private var written: UInt64 = 0
    private let sink: (UnsafeRawBufferPointer, UInt64) throws(StoreError) -> Void
    private static let bufferSize = 1 << 18

    /// - Parameters:
    ///   - fanOut: how many entries start with each byte.
    ///   - sink: takes bytes and where they belong in the file.
    init(
        packs: [IndexedPack], fanOut: [Int],
        sink: @escaping (UnsafeRawBufferPointer, UInt64) throws(StoreError) -> Void
    ) throws(StoreError) {
        self.sink = sink
        let total = fanOut.reduce(0, +)
        guard packs.count <= IndexFile.maximumPacks, total < 1 << 32 else {
            throw IndexFile.tooLarge(packs.count, total)
        }
        buffer.append(IndexFile.magic)
        buffer.append(littleEndian: IndexFile.version)
        buffer.append(littleEndian: UInt32(packs.count))
        buffer.append(littleEndian: UInt64(total))
        var sum = 0
        for count in fanOut {
            sum += count
            buffer.append(littleEndian: UInt32(sum))
        }
        for pack in packs {
            buffer.append(pack.id)
            buffer.append(littleEndian: pack.size)
        }
        buffer.reserveCapacity(IndexBuilder.bufferSize + IndexFile.entrySize)
    }

    mutating func append(_ entry: IndexEntry) throws(StoreError) {
        withUnsafeTemporaryAllocation(byteCount: IndexFile.entrySize, alignment: 8) { bytes in
            let base = bytes.baseAddress.unsafelyUnwrapped
            entry.digest.store(to: base)
            base.storeBytes(of: entry.offset.littleEndian, toByteOffset: 32, as: UInt32.self)
            base.storeBytes(of: entry.pack.littleEndian, toByteOffset: 36, as: UInt16.self)
            base.storeBytes(of: entry.units.littleEndian, toByteOffset: 38, as: UInt16.self)
            buffer.append(contentsOf: bytes)
        }
        if buffer.count >= IndexBuilder.bufferSize { try flush() }
    }

    /// Writes what is left; returns the digest of the whole.
    consuming func finish() throws(StoreError) -> Digest {
        let crc = CRC32C.checksum(buffer, continuing: crc)
        buffer.append(littleEndian: crc)
        buffer.append(IndexFile.endMagic)
        try flush()
        return hasher.finish()
    }

    private mutating func flush() throws(StoreError) {
        let sink = sink
        let position = written
        crc = CRC32C.checksum(buffer, continuing: crc)
        try buffer.withBytes { bytes throws(StoreError) in
            hasher.update(bytes)
            try sink(bytes, position)
        }
        written += UInt64(buffer.count)
        buffer.removeAll(keepingCapacity: true)
    }
}

extension IndexFile {
    /// An index in memory of the objects of one pack.
    static func build(pack: IndexedPack, entries: [IndexEntry]) throws(StoreError) -> IndexFile {
        let sorted = entries.sorted(by: IndexEntry.precedes)
        var fanOut = [Int](repeating: 0, count: 256)
        for entry in sorted { fanOut[Int(entry.digest.words.0 >> 56)] += 1 }
        var bytes: [UInt8] = []
        var builder = try IndexBuilder(packs: [pack], fanOut: fanOut) { piece, _ in bytes.append(contentsOf: piece) }
        for entry in sorted { try builder.append(entry) }
        _ = try builder.finish()
        guard let index = IndexFile(StableBytes(copying: bytes)) else {
            throw StoreError(.invalid, "an index just built is not sound: this is a defect of the store")
        }
        return index
    }

    fileprivate static func tooLarge(_ packs: Int, _ objects: Int) -> StoreError {
        StoreError(
            .invalid,
            "an index of \(packs) packs and \(objects) objects is too large; use larger packs or several ingests")
    }

    /// Parts of a list of indexes, in its order, each of no more packs than one index has room for.
    static func groups(_ indexes: [IndexFile]) -> [[IndexFile]] {
        var groups: [[IndexFile]] = []
        var packs = 0
        for index in indexes {
            packs += index.packs.count
            if groups.isEmpty || packs > maximumPacks {
                groups.append([])
                packs = index.packs.count
            }
            groups[groups.count - 1].append(index)
        }
        return groups
    }

    /// Merges indexes into one.
    ///
    /// A pack that more than one of them covers is taken from the first that does; entries of packs that are not `wanted`
    /// are left out.
    ///
    /// - Returns: the digest of the merged index, or nil when nothing is wanted.
    static func merge(
        _ sources: [IndexFile], wanted: (Digest) -> Bool,
        sink: @escaping (UnsafeRawBufferPointer, UInt64) throws(StoreError) -> Void
    ) throws(StoreError) -> Digest? {
        var packs: [Digest: IndexedPack] = [:]
        // For each source, for each pack of it: whether to take it from there.
        let taken = sources.map { source in
            source.packs.map { pack in
                guard wanted(pack.id), packs[pack.id] == nil else { return false }
                packs[pack.id] = pack
                return true
            }
        }
        guard !packs.isEmpty else { return nil }
        guard packs.count <= maximumPacks else { throw tooLarge(packs.count, sources.reduce(0) { $0 + $1.count }) }
        let ordered = packs.values.sorted { $0.id < $1.id }
        let numbers = Dictionary(uniqueKeysWithValues: ordered.enumerated().map { ($1.id, UInt16($0)) })
        let renumbered = zip(sources, taken).map { source, taken in
            zip(source.packs, taken).map { pack, isTaken in isTaken ? numbers[pack.id] : nil }
        }
        func mapped(_ source: Int, _ entry: IndexEntry) -> IndexEntry? {
            let map = renumbered[source]
            guard Int(entry.pack) < map.count, let pack = map[Int(entry.pack)] else { return nil }
            var entry = entry
            entry.pack = pack
            return entry
        }
        var fanOut = [Int](repeating: 0, count: 256)
        for (number, source) in sources.enumerated() {
            for index in 0..<source.count {
                guard let entry = mapped(number, source[index]) else { continue }
                fanOut[Int(entry.digest.words.0 >> 56)] += 1
            }
        }
        var builder = try IndexBuilder(packs: ordered, fanOut: fanOut, sink: sink)
        var positions = [Int](repeating: 0, count: sources.count)
        var heads = [IndexEntry?](repeating: nil, count: sources.count)
        func advance(_ number: Int) {
            heads[number] = nil
            while positions[number] < sources[number].count, heads[number] == nil {
                heads[number] = mapped(number, sources[number][positions[number]])
                positions[number] += 1
            }
        }
        for number in sources.indices { advance(number) }
        while true {
            var least: Int?
            for number in sources.indices {
                guard let head = heads[number] else { continue }
                if let current = least, let best = heads[current], !IndexEntry.precedes(head, best) { continue }
                least = number
            }
            guard let least, let entry = heads[least] else { break }
            try builder.append(entry)
            advance(least)
        }
        return try builder.finish()
    }
}

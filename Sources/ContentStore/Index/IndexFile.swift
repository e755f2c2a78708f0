/// A pack that an index covers.
struct IndexedPack: Hashable, Sendable {
    var id: Digest
    var size: UInt64
}

/// Where an index says that an object is.
struct IndexEntry: Hashable, Sendable {
    var digest: Digest
    /// Where the frame begins in its pack.
    var offset: UInt32
    /// The number of the pack in the index.
    var pack: UInt16
    /// The size of the frame in units of 64 bytes, rounded up.
    var units: UInt16

    init(digest: Digest, offset: UInt32, pack: UInt16, units: UInt16) {
        self.digest = digest
        self.offset = offset
        self.pack = pack
        self.units = units
    }

    init(digest: Digest, place: FramePlace, pack: UInt16) {
        self.init(
            digest: digest, offset: place.offset, pack: pack, units: UInt16(clamping: (UInt64(place.size) + 63) / 64))
    }

    static func precedes(_ left: IndexEntry, _ right: IndexEntry) -> Bool {
        left.digest != right.digest
            ? left.digest < right.digest : (left.pack, left.offset) < (right.pack, right.offset)
    }
}

/// A sorted index of the objects of some packs, read in place. See <doc:Format#Indexes>.
final class IndexFile: Sendable {
    static let magic: StaticString = "STEMINDX"
    static let endMagic: StaticString = "XEND"
    static let version: UInt32 = 1
    static let fanOutOffset = 24
    static let packsOffset = fanOutOffset + 1024
    static let packSize = 40
    static let entrySize = 40
    static let trailerSize = 8
    static let maximumPacks = 65_535

    let packs: [IndexedPack]
    /// The number of entries.
    let count: Int
    private let storage: StableBytes
    private let entriesOffset: Int

    /// The size in bytes.
    var size: Int { storage.bytes.count }

    /// Takes bytes as an index if their structure is one. Entries and CRC are not looked at.
    init?(_ storage: StableBytes) {
        let bytes = storage.bytes.bytes
        guard
            bytes.has(IndexFile.magic, at: 0), bytes.integer(UInt32.self, at: 8) == IndexFile.version,
            let packCount = bytes.integer(UInt32.self, at: 12), packCount > 0, packCount <= IndexFile.maximumPacks,
            let entryCount = bytes.integer(UInt64.self, at: 16), entryCount < 1 << 32
        else { return nil }
        let entriesOffset = IndexFile.packsOffset + IndexFile.packSize * Int(packCount)
        let end = entriesOffset + IndexFile.entrySize * Int(entryCount)
        guard bytes.byteCount == end + IndexFile.trailerSize, bytes.has(IndexFile.endMagic, at: end + 4) else {
            return nil
        }
        var packs: [IndexedPack] = []
        for index in 0..<Int(packCount) {
            let offset = IndexFile.packsOffset + IndexFile.packSize * index
            guard let id = bytes.digest(at: offset), let size = bytes.integer(UInt64.self, at: offset + 32) else {
                return nil
            }
            if let last = packs.last, last.id >= id { return nil }
            packs.append(IndexedPack(id: id, size: size))
        }
        // A search relies on these bounds only.
        var previous: UInt32 = 0
        for byte in 0..<256 {
            guard let bound = bytes.integer(UInt32.self, at: IndexFile.fanOutOffset + 4 * byte), bound >= previous
            else { return nil }
            previous = bound
        }
        guard UInt64(previous) == entryCount else { return nil }
        self.packs = packs
        count = Int(entryCount)
        self.storage = storage
        self.entriesOffset = entriesOffset
    }

    /// Whether the CRC over all bytes is right. Reads them all.
    func isSound() -> Bool {
        let bytes = storage.bytes
        let end = bytes.count - IndexFile.trailerSize
        // Unsafe: the trailer is within the bytes, as `init` made sure. (A span here makes the optimizer of Swift 6.3.1 crash.)
        let crc = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: end, as: UInt32.self))
        return CRC32C.checksum(bytes.part(0, end)) == crc
    }

    /// The digest of the whole file, which is its name.
    func name() -> Digest {
        Digest(of: storage.bytes)
    }

    /// The number of entries whose digest starts with a byte below this one; `byte` is at most 256.
    func bound(below byte: Int) -> Int {
        guard byte > 0 else { return 0 }
        let offset = IndexFile.fanOutOffset + 4 * (byte - 1)
        // Unsafe: the table is within the bytes, as `init` made sure.
        return Int(UInt32(littleEndian: storage.bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }

    /// The digest of entry `index`, which is below `count`.
    func digest(_ index: Int) -> Digest {
        // Unsafe: all entries are within the bytes, as `init` made sure.
        Digest(loadingFrom: address(index))
    }

    /// Entry `index`, which is below `count`. Its pack may be out of range in a damaged index.
    subscript(_ index: Int) -> IndexEntry {
        let address = address(index)
        return IndexEntry(
            digest: Digest(loadingFrom: address),
            offset: UInt32(littleEndian: address.loadUnaligned(fromByteOffset: 32, as: UInt32.self)),
            pack: UInt16(littleEndian: address.loadUnaligned(fromByteOffset: 36, as: UInt16.self)),
            units: UInt16(littleEndian: address.loadUnaligned(fromByteOffset: 38, as: UInt16.self)))
    }

    private func address(_ index: Int) -> UnsafeRawPointer {
        precondition(index >= 0 && index < count)
        return storage.bytes.baseAddress.unsafelyUnwrapped + entriesOffset + IndexFile.entrySize * index
    }

    /// The first entry of a digest, or nil when there is none. Further ones follow it.
    ///
    /// Digests are spread evenly, so the place of one among n follows from its value, give or take the root of n: most looks are at
    /// neighbours.
    func firstIndex(of digest: Digest) -> Int? {
        let byte = Int(digest.words.0 >> 56)
        var low = bound(below: byte)
        var high = bound(below: byte + 1)
        // Everything before `low` is less, everything from `high` on is not. In a damaged index the search ends all the same, somewhere.
        if high - low > 16 {
            let share = (digest.words.0 << 8).multipliedFullWidth(by: UInt64(high - low)).high
            let guess = min(low + Int(share), high - 1)
            let margin = 2 << ((Int.bitWidth - (high - low).leadingZeroBitCount) / 2)
            if self.digest(guess) < digest {
                low = guess + 1
                if high - low > margin { narrow(&low, &high, at: low + margin, digest) }
            } else {
                high = guess
                if high - low > margin { narrow(&low, &high, at: high - margin, digest) }
            }
        }
        while low < high { narrow(&low, &high, at: low + (high - low) / 2, digest) }
        guard low < count, self.digest(low) == digest else { return nil }
        return low
    }

    private func narrow(_ low: inout Int, _ high: inout Int, at middle: Int, _ digest: Digest) {
        if self.digest(middle) < digest { low = middle + 1 } else { high = middle }
    }
}

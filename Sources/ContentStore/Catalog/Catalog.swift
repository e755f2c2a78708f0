/// Where an object is: a frame of a published pack.
struct ObjectPlace: Hashable, Sendable {
    var pack: Digest
    var offset: UInt32
    /// How much to read at first, in bytes.
    var sizeHint: Int
}

/// What is in `packs/` and `indexes/` at one moment. Immutable: a look-up takes no lock.
final class Catalog: Sendable {
    /// An index in use.
    struct Index: Sendable {
        let file: IndexFile
        /// Its name in `indexes/`; nil for one that is in memory only.
        let name: Digest?
        /// For each pack of it: whether look-ups use it, because the pack is there and no index before this one covers it.
        let isLive: [Bool]
        /// The CRC was found right.
        let isChecked: Bool

        /// Whether a quarter of the entries or more are not used.
        var isMostlyWaste: Bool {
            var unused = 0
            for position in 0..<file.count {
                let pack = Int(file[position].pack)
                if pack >= isLive.count || !isLive[pack] { unused += 1 }
            }
            return 4 * unused >= file.count
        }
    }

    /// The packs there are.
    let packs: Set<Digest>
    /// The largest first.
    let indexes: [Index]

    /// - Parameter files: the indexes there are, in any order.
    init(packs: Set<Digest>, files: [(file: IndexFile, name: Digest?, isChecked: Bool)]) {
        self.packs = packs
        var covered: Set<Digest> = []
        var indexes: [Index] = []
        for candidate in files.sorted(by: { $0.file.count > $1.file.count }) {
            let isLive = candidate.file.packs.map { pack in
                packs.contains(pack.id) && covered.insert(pack.id).inserted
            }
            guard isLive.contains(true) else { continue }
            indexes.append(
                Index(file: candidate.file, name: candidate.name, isLive: isLive, isChecked: candidate.isChecked))
        }
        self.indexes = indexes
    }

    /// The same without some packs.
    func without(_ distrusted: Set<Digest>) -> Catalog {
        Catalog(
            packs: packs.subtracting(distrusted),
            files: indexes.map { ($0.file, $0.name, $0.isChecked) })
    }

    /// Packs that no index covers.
    var uncovered: [Digest] {
        var rest = packs
        for index in indexes {
            for (pack, isLive) in zip(index.file.packs, index.isLive) where isLive { rest.remove(pack.id) }
        }
        return rest.sorted()
    }

    /// Whether some pack holds the object, according to the indexes.
    func contains(_ digest: Digest) -> Bool {
        for index in indexes {
            guard var position = index.file.firstIndex(of: digest) else { continue }
            while position < index.file.count {
                let entry = index.file[position]
                guard entry.digest == digest else { break }
                if Int(entry.pack) < index.isLive.count, index.isLive[Int(entry.pack)] { return true }
                position += 1
            }
        }
        return false
    }

    /// The place of an object that is tried first, according to the indexes.
    func firstPlace(of digest: Digest) -> ObjectPlace? {
        guard let (index, entry) = firstEntry(of: digest) else { return nil }
        return ObjectPlace(
            pack: pack(index: index, Int(entry.pack)), offset: entry.offset, sizeHint: Int(entry.units) * 64)
    }

    /// The entry of an object that is used first, with the number of its index.
    func firstEntry(of digest: Digest) -> (index: Int, entry: IndexEntry)? {
        for (number, index) in indexes.enumerated() {
            guard var position = index.file.firstIndex(of: digest) else { continue }
            while position < index.file.count {
                let entry = index.file[position]
                guard entry.digest == digest else { break }
                if Int(entry.pack) < index.isLive.count, index.isLive[Int(entry.pack)] { return (number, entry) }
                position += 1
            }
        }
        return nil
    }

    /// The digest of a pack by its number in an index; the caller has both from an entry of this catalog.
    func pack(index: Int, _ pack: Int) -> Digest { indexes[index].file.packs[pack].id }

    /// All places of an object, according to the indexes.
    func places(of digest: Digest) -> [ObjectPlace] {
        var places: [ObjectPlace] = []
        for index in indexes {
            guard var position = index.file.firstIndex(of: digest) else { continue }
            while position < index.file.count {
                let entry = index.file[position]
                guard entry.digest == digest else { break }
                if Int(entry.pack) < index.isLive.count, index.isLive[Int(entry.pack)] {
                    places.append(
                        ObjectPlace(
                            pack: index.file.packs[Int(entry.pack)].id, offset: entry.offset,
                            sizeHint: Int(entry.units) * 64))
                }
                position += 1
            }
        }
        return places
    }
}

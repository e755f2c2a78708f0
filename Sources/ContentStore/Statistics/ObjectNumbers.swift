/// Gives each object that some indexes know a number, so that sets of objects are bitmaps: 10 million objects take 1.25 MB.
///
/// An object that is in several packs has one number all the same: that of its first entry that counts.
struct ObjectNumbers: Sendable {
    private struct Part: Sendable {
        let file: IndexFile
        /// For each pack of the index: whether its entries count; nil: all do.
        let isLive: [Bool]?
        /// The number of the first entry.
        let base: Int

        /// Whether the pack of an entry is there. In a damaged index it may be out of range.
        func counts(_ entry: IndexEntry) -> Bool {
            let pack = Int(entry.pack)
            return pack < file.packs.count && (isLive.map { pack < $0.count && $0[pack] } ?? true)
        }
    }

    private let parts: [Part]
    /// All numbers are below this.
    let count: Int

    /// - Parameter own: indexes of packs that readers do not know yet.
    init(_ catalog: Catalog, own: [IndexFile] = []) {
        var parts: [Part] = []
        var count = 0
        func add(_ file: IndexFile, _ isLive: [Bool]?) {
            parts.append(Part(file: file, isLive: isLive, base: count))
            count += file.count
        }
        for file in own { add(file, nil) }
        for index in catalog.indexes { add(index.file, index.isLive) }
        self.parts = parts
        self.count = count
    }

    /// The number of an object, or nil when no index knows it.
    func number(of digest: Digest) -> Int? {
        for part in parts {
            guard var position = part.file.firstIndex(of: digest) else { continue }
            while position < part.file.count {
                let entry = part.file[position]
                guard entry.digest == digest else { break }
                if part.counts(entry) { return part.base + position }
                position += 1
            }
        }
        return nil
    }

    /// Where the object with a number is: the pack, and the entry of its index.
    func place(of number: Int) -> (pack: IndexedPack, entry: IndexEntry)? {
        guard let part = parts.last(where: { $0.base <= number }), number - part.base < part.file.count else {
            return nil
        }
        let entry = part.file[number - part.base]
        return part.counts(entry) ? (part.file.packs[Int(entry.pack)], entry) : nil
    }

    /// Calls `body` with every entry that counts.
    func forEachEntry(_ body: (_ number: Int, _ pack: IndexedPack, _ entry: IndexEntry) -> Void) {
        for part in parts {
            for position in 0..<part.file.count {
                let entry = part.file[position]
                if part.counts(entry) { body(part.base + position, part.file.packs[Int(entry.pack)], entry) }
            }
        }
    }
}

/// A set of object numbers.
struct ObjectSet: Sendable {
    private var words: [UInt64]

    /// An empty set.
    /// - Parameter capacity: all members are below this.
    init(capacity: Int) {
        words = [UInt64](repeating: 0, count: (capacity + 63) / 64)
    }

    /// Adds a number; false when it was there.
    mutating func insert(_ number: Int) -> Bool {
        let bit = UInt64(1) << UInt64(number % 64)
        guard words[number / 64] & bit == 0 else { return false }
        words[number / 64] |= bit
        return true
    }

    mutating func remove(_ number: Int) {
        words[number / 64] &= ~(1 << UInt64(number % 64))
    }

    func contains(_ number: Int) -> Bool {
        words[number / 64] & 1 << UInt64(number % 64) != 0
    }

    /// How many numbers are in it.
    var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    /// Calls `body` with each number, ascending.
    func forEach(_ body: (Int) throws(StoreError) -> Void) throws(StoreError) {
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                try body(index * 64 + rest.trailingZeroBitCount)
                rest &= rest - 1
            }
        }
    }
}

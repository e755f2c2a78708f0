/// How thoroughly to verify a store.
package enum VerifyLevel: String, Hashable, Sendable, CaseIterable, Codable {
    /// All that refs reach is there: every node is read and checked, leaves are looked up.
    case structure
    /// Also every frame of every pack: headers, frame tables and CRCs.
    case checksums
    /// Also every object against its digest, and every pack and index against its name.
    case deep
}

/// A part of the packs, for verifying a large store bit by bit: part `number` of `count`.
///
/// A pack is always in the same part of so many, whatever else the store holds: who verifies 1 of m, 2 of m, … m of m, at any pace, has read
/// every pack that was there all the time.
package struct VerifySubset: Hashable, Sendable, Codable {
    /// 1 to `count`.
    package let number: Int
    package let count: Int

    /// Nil unless `number` is 1 to `count`.
    package init?(_ number: Int, of count: Int) {
        guard count >= 1, (1...count).contains(number) else { return nil }
        self.number = number
        self.count = count
    }

    /// Reads `2/7`; nil for anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let number = Int(parts[0]), let count = Int(parts[1]) else { return nil }
        self.init(number, of: count)
    }

    /// Whether a pack belongs to the part.
    package func contains(_ pack: Digest) -> Bool {
        pack.words.3 % UInt64(count) == UInt64(number - 1)
    }
}

/// One thing that is wrong with the store.
package struct Damage: Hashable, Sendable, Codable {
    package enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
        /// A ref cannot be read.
        case ref
        /// An entry of the operation log cannot be read.
        case operation
        /// An object that a ref needs is in no pack.
        case missing
        /// An object's bytes are not the ones that were stored.
        case object
        /// A pack is cut short, changed or not what its name says.
        case pack
        /// An index is wrong. Harmless: it is made again from its packs.
        case index
    }

    package var kind: Kind
    /// The ref that cannot be used because of it, if one is known.
    package var ref: String?
    /// The object concerned.
    package var object: Digest?
    /// Where in the commit of the ref the object is needed: `tree vda at 65536`.
    package var place: String?
    /// The pack or index concerned.
    package var pack: Digest?
    /// Where in the pack, in bytes.
    package var offset: UInt64?
    /// What is wrong, for people.
    package var message: String

    package init(
        kind: Kind, ref: String? = nil, object: Digest? = nil, place: String? = nil, pack: Digest? = nil,
        offset: UInt64? = nil, message: String
    ) {
        self.kind = kind
        self.ref = ref
        self.object = object
        self.place = place
        self.pack = pack
        self.offset = offset
        self.message = message
    }
}

/// What a verification found.
package struct VerifyReport: Hashable, Sendable, Codable {
    package var level: VerifyLevel
    /// The part of the packs that was read; nil for all.
    package var subset: VerifySubset?
    /// Refs walked.
    package var refs = 0
    /// Packs read from start to end (0 for the level `structure`).
    package var packs = 0
    /// Objects checked.
    package var objects: UInt64 = 0
    /// Bytes of packs and nodes read.
    package var bytes: UInt64 = 0
    /// Everything found wrong; empty for a sound store.
    package var damage: [Damage] = []
    /// How many more findings there are that are not listed.
    package var unlisted: UInt64 = 0
    /// The refs that need something that is damaged or missing, or are damaged themselves, sorted; all of them, also beyond the list.
    package var affectedRefs: [String] = []

    package init(level: VerifyLevel, subset: VerifySubset? = nil) {
        self.level = level
        self.subset = subset
    }

    /// True when nothing is wrong, or nothing but indexes, which are made again.
    package var isSound: Bool { damage.allSatisfy { $0.kind == .index } }
}

/// How far a verification has come.
package struct VerifyProgress: Hashable, Sendable {
    /// Bytes of packs read so far.
    package var bytes: UInt64
    /// Bytes of packs to read in all.
    package var totalBytes: UInt64
    /// Objects checked so far.
    package var objects: UInt64

    package init(bytes: UInt64, totalBytes: UInt64, objects: UInt64) {
        self.bytes = bytes
        self.totalBytes = totalBytes
        self.objects = objects
    }
}

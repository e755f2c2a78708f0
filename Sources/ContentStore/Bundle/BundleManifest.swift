/// What a bundle says that it holds. See <doc:Bundle>.
package struct BundleManifest: Hashable, Sendable {
    /// The commits that it carries with all they need.
    package var commits: [Digest]
    /// What the receiver must have: all that these commits need was left out.
    package var bases: [Digest]
    /// The commits that refs named, by the names of the refs.
    package var refs: [String: Digest]
    /// How many objects follow.
    package var objects: UInt64
    package var time: Timestamp

    package init(
        commits: [Digest], bases: [Digest] = [], refs: [String: Digest] = [:], objects: UInt64 = 0,
        time: Timestamp = .now()
    ) {
        self.commits = commits
        self.bases = bases
        self.refs = refs
        self.objects = objects
        self.time = time
    }
}

extension BundleManifest {
    static let magic: StaticString = "STEMBNDL"
    static let version: UInt32 = 1
    static let maximumLength = 4 << 20
    /// What comes before the text.
    static let headerSize = 16

    /// The start of a bundle, up to its first frame; throws when there is more than a manifest may hold.
    func bytes() throws(StoreError) -> [UInt8] {
        for (name, commit) in refs {
            _ = try RefName.fileName(name)
            guard commits.contains(commit) else {
                throw StoreError(
                    .invalid, "ref \(name) of a bundle names \(commit.short), which is none of its commits")
            }
        }
        let text = JSONValue.object([
            "bases": .array(bases.map { JSONValue($0) }), "commits": .array(commits.map { JSONValue($0) }),
            "format": .integer(1), "objects": .integer(Int64(clamping: objects)),
            "refs": .object(refs.mapValues { JSONValue($0) }), "time": time.json,
        ]).canonicalBytes()
        guard text.count <= BundleManifest.maximumLength else {
            throw StoreError(.invalid, "\(commits.count) commits are too many for one bundle; make several")
        }
        var bytes: [UInt8] = []
        bytes.append(BundleManifest.magic)
        bytes.append(littleEndian: BundleManifest.version)
        bytes.append(littleEndian: UInt32(text.count))
        bytes += text
        bytes.append(littleEndian: CRC32C.checksum(bytes))
        return bytes
    }

    /// Reads the text of a manifest; nil when it is none.
    init?(text: [UInt8]) {
        func digests(_ json: JSONValue?) -> [Digest]? {
            guard let values = json?.arrayValue else { return nil }
            let digests = values.compactMap(\.digestValue)
            return digests.count == values.count ? digests : nil
        }
        guard
            let json = JSONParser.parse(text), json["format"]?.integerValue == 1,
            let commits = digests(json["commits"]), let bases = digests(json["bases"]),
            let members = json["refs"]?.objectValue, let time = Timestamp(json: json["time"]),
            let objects = json["objects"]?.integerValue.flatMap({ UInt64(exactly: $0) })
        else { return nil }
        let known = Set(commits)
        var refs: [String: Digest] = [:]
        for (name, value) in members {
            guard (try? RefName.fileName(name)) != nil, let digest = value.digestValue, known.contains(digest) else {
                return nil
            }
            refs[name] = digest
        }
        self.init(commits: commits, bases: bases, refs: refs, objects: objects, time: time)
    }
}

/// The last bytes of a bundle.
struct BundleEnd: Hashable, Sendable {
    static let magic: StaticString = "STEMBEND"
    static let size = 56

    var frames: UInt64 = 0
    var objects: UInt64 = 0

    /// All but the digest.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(BundleEnd.magic)
        bytes.append(littleEndian: frames)
        bytes.append(littleEndian: objects)
        return bytes
    }
}

/// What an export or an import has done.
package struct BundleReport: Hashable, Sendable, Codable {
    /// The length of the bundle in bytes.
    package var bytes: UInt64 = 0
    package var frames: UInt64 = 0
    /// Objects in the bundle.
    package var objects: UInt64 = 0
    /// Their plain bytes.
    package var plainBytes: UInt64 = 0
    /// Objects that the receiver did not have. As many as `objects` for an export.
    package var newObjects: UInt64 = 0

    package init() {}
}

/// How far an export or import has come.
package struct BundleProgress: Hashable, Sendable {
    /// Objects written or read so far.
    package var objects: UInt64
    /// Objects in the bundle.
    package var totalObjects: UInt64
    /// Bytes of the bundle so far.
    package var bytes: UInt64

    package init(objects: UInt64, totalObjects: UInt64, bytes: UInt64) {
        self.objects = objects
        self.totalObjects = totalObjects
        self.bytes = bytes
    }
}

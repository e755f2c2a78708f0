import ContentStore

/// A small sound store in memory.
enum SampleStore {
    static let path = "/store"
    static let text = Array("stemma stemma stemma".utf8)

    static func make(_ compression: Compression) throws -> (files: MemoryFileSystem, root: TreeRoot, commit: Digest) {
        let files = MemoryFileSystem()
        let store = try ContentStore.open(at: path, createIfMissing: true, fileSystem: files)
        let ingest = try store.beginIngest(label: "sample", options: IngestOptions(compression: compression))
        let editor = try ingest.edit(nil, kind: .memory, length: 3 << 20)
        for page in [0, 1, 5, 600] {
            let bytes = (0..<4096).map { UInt8(truncatingIfNeeded: $0 % 11 + page) }
            try bytes.withUnsafeBytes { try editor.write($0, at: UInt64(page) * 4096) }
        }
        let root = try editor.finish()
        let blob = try ingest.putBlob(text)
        let commit = try ingest.putCommit(Commit(kind: "sample", trees: ["ram": root], blobs: ["text": blob]))
        try ingest.publish([RefChange("sample", expected: .some(nil), new: commit)], operation: "sample")
        return (files, root, commit)
    }

    /// Opens a store and reads all that the sample holds; whatever comes must have its digest.
    static func readAll(_ files: MemoryFileSystem, _ root: TreeRoot, _ digests: [Digest]) {
        guard let store = try? ContentStore.open(at: path, createIfMissing: false, fileSystem: files) else { return }
        _ = try? store.verify(level: .deep) { _ in }
        for digest in digests {
            if let blob = try? store.blob(digest), Digest(of: blob) != digest { finding("a blob of another digest") }
            _ = try? store.commit(digest)
        }
        withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 8) { buffer in
            _ = try? store.read(root, at: 0, into: buffer)
            _ = try? store.read(root, at: 600 * 4096, into: buffer)
        }
        _ = try? store.extents(of: root, from: 0, length: root.length)
    }
}

/// The bytes of a pack. Checksums are made right first: no fuzzer guesses a CRC.
enum PackTarget: FuzzTarget {
    static let name = "pack"

    static func seeds() throws -> [[UInt8]] {
        try [Compression.none, .lz4, .zstd(level: 3)].flatMap { compression in
            try SampleStore.make(compression).files.files(below: SampleStore.path + "/packs/").values
        }
    }

    static func run(_ bytes: UnsafeRawBufferPointer) {
        var pack = Array(bytes)
        let digests = seal(&pack)
        let files = MemoryFileSystem()
        guard (try? ContentStore.open(at: SampleStore.path, createIfMissing: true, fileSystem: files)) != nil else {
            return
        }
        files.put(pack, at: SampleStore.path + "/packs/" + String(repeating: "0", count: 64) + ".pack")
        let root = TreeRoot(kind: .memory, length: 3 << 20, digest: digests.last)
        SampleStore.readAll(files, root, digests)
    }

    /// Makes the checksums of the frames and the table right where the sizes lead; returns the digests that are named.
    private static func seal(_ pack: inout [UInt8]) -> [Digest] {
        var digests: [Digest] = []
        var position = 16
        while position + 24 <= pack.count, pack[position] == UInt8(ascii: "S") {
            let records = Int(pack.little(position + 6, 2))
            let stored = Int(pack.little(position + 12, 4))
            let headerEnd = position + 24 + 36 * records
            guard headerEnd <= pack.count, stored <= pack.count - headerEnd, digests.count < 64 else { break }
            pack.put(CRC32C.checksum(Array(pack[headerEnd..<headerEnd + stored])), at: position + 16)
            let start = CRC32C.checksum(Array(pack[position..<position + 20]))
            pack.put(CRC32C.checksum(Array(pack[position + 24..<headerEnd]), continuing: start), at: position + 20)
            for record in 0..<records {
                let offset = position + 24 + 36 * record
                if let digest = Digest(bytes: pack[offset..<offset + 32]) { digests.append(digest) }
            }
            position = headerEnd + stored
        }
        if pack.count >= 56, position <= pack.count - 40 {
            pack.put(CRC32C.checksum(Array(pack[position..<pack.count - 12])), at: pack.count - 12)
        }
        return digests
    }
}

/// The bytes of an index, over a sound pack: it may hide objects, but never change them.
enum IndexTarget: FuzzTarget {
    static let name = "index"

    private struct Sample: Sendable {
        let files: MemoryFileSystem
        let root: TreeRoot
        let commit: Digest
    }

    private static let sample: Sample? = (try? SampleStore.make(.lz4)).map {
        Sample(files: $0.files, root: $0.root, commit: $0.commit)
    }

    static func seeds() throws -> [[UInt8]] {
        try Array(SampleStore.make(.lz4).files.files(below: SampleStore.path + "/indexes/").values)
    }

    static func run(_ bytes: UnsafeRawBufferPointer) {
        guard let sample else { finding("there is no sample") }
        var index = Array(bytes)
        if index.count > 8 { index.put(CRC32C.checksum(Array(index.dropLast(8))), at: index.count - 8) }
        let files = sample.files.copy()
        for path in files.files(below: SampleStore.path + "/indexes/").keys { files.put(index, at: path) }
        SampleStore.readAll(files, sample.root, [sample.commit, Digest(of: SampleStore.text)])
    }
}

/// The bytes of a node of a tree: an object with any bytes, named as the root.
enum NodeTarget: FuzzTarget {
    static let name = "node"

    static func seeds() throws -> [[UInt8]] {
        let (files, root, _) = try SampleStore.make(.none)
        let store = try ContentStore.open(at: SampleStore.path, createIfMissing: false, fileSystem: files)
        return try root.digest.map { [try store.blob($0)] } ?? []
    }

    static func run(_ bytes: UnsafeRawBufferPointer) {
        let files = MemoryFileSystem()
        guard let store = try? ContentStore.open(at: SampleStore.path, createIfMissing: true, fileSystem: files),
            let ingest = try? store.beginIngest(label: "node"), let digest = try? ingest.putBlob(Array(bytes)),
            (try? ingest.finish()) != nil
        else { return }
        for (kind, length) in [(TreeKind.memory, UInt64(3 << 20)), (.disk, 1 << 30), (.memory, 1 << 40)] {
            let root = TreeRoot(kind: kind, length: length, digest: digest)
            withUnsafeTemporaryAllocation(byteCount: 8192, alignment: 8) { _ = try? store.read(root, at: 0, into: $0) }
            _ = try? store.extents(of: root, from: 0, length: length)
            _ = try? store.differenceSize(root, TreeRoot(kind: kind, length: length, digest: nil))
        }
    }
}

/// The bytes of a commit: what is accepted is written back the same.
enum CommitTarget: FuzzTarget {
    static let name = "commit"

    static func seeds() throws -> [[UInt8]] {
        let (files, _, commit) = try SampleStore.make(.none)
        return [try ContentStore.open(at: SampleStore.path, createIfMissing: false, fileSystem: files).blob(commit)]
    }

    static func run(_ bytes: UnsafeRawBufferPointer) {
        let files = MemoryFileSystem()
        guard let store = try? ContentStore.open(at: SampleStore.path, createIfMissing: true, fileSystem: files),
            let ingest = try? store.beginIngest(label: "commit"), let digest = try? ingest.putBlob(Array(bytes)),
            (try? ingest.finish()) != nil, let commit = try? store.commit(digest)
        else { return }
        _ = commit.message.count + commit.trees.count
    }
}

extension Array where Element == UInt8 {
    fileprivate func little(_ offset: Int, _ count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 | UInt64(self[offset + $1]) << UInt64(8 * $1) }
    }

    fileprivate mutating func put(_ value: UInt32, at offset: Int) {
        for index in 0..<4 { self[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index)) }
    }
}

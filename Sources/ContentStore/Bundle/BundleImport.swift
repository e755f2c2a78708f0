import Glibc

/// What came in with a bundle: checked, durable, and kept from being collected until ``close()`` or the end of its life.
package final class BundleImport {
    package let manifest: BundleManifest
    package let report: BundleReport
    private let ingest: Ingest

    init(_ ingest: Ingest, _ manifest: BundleManifest, _ report: BundleReport) {
        self.ingest = ingest
        self.manifest = manifest
        self.report = report
    }

    /// The commits that came in.
    package var commits: [Digest] { manifest.commits }

    /// Names for them that the sender suggests, sorted. Whether they are free here is for the caller to see.
    package var refs: [(name: String, commit: Digest)] {
        manifest.refs.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { ($0.key, $0.value) }
    }

    /// Changes refs, and lets go of what no ref names.
    @discardableResult
    package func publish(_ changes: [RefChange], operation: String) throws(StoreError) -> Operation {
        let operation = try ingest.store.updateRefs(changes, operation: operation)
        close()
        return operation
    }

    /// Lets go of what came in: what no ref names may be collected.
    package func close() {
        ingest.close()
    }
}

/// One import, up to the moment when everything is checked.
final class BundleImporter {
    private let ingest: Ingest
    private let reader: BundleReader
    private let hasher = SHA256Hasher()
    private var batch: [(header: FrameHeader, bytes: [UInt8])] = []
    private var batchSize = 0
    private var report = BundleReport()

    /// How many stored and plain bytes are collected before they are checked on all cores.
    private static let batchLimit = 4 << 20

    static func run(
        _ store: ContentStore, _ reader: BundleReader, progress: (BundleProgress) -> Void
    ) throws(StoreError) -> BundleImport {
        let (manifest, start) = try reader.manifest()
        guard !manifest.commits.isEmpty else { throw reader.damage("the bundle has no commits") }
        let ingest = try store.beginIngest(label: "import a bundle")
        do throws(StoreError) {
            var missing: [String] = []
            for base in manifest.bases where !ingest.contains(base) { missing.append(base.short) }
            guard missing.isEmpty else {
                throw StoreError(
                    .notFound,
                    "the bundle holds only what is new since commit \(missing.joined(separator: ", ")), which "
                        + "this store has not got; import that first, or export without a base", path: store.path)
            }
            let importer = BundleImporter(ingest: ingest, reader: reader)
            let report = try importer.receive(manifest, start, progress)
            try ingest.stage()
            try importer.checkClosure(manifest)
            // All of it was checked just now.
            ingest.complete.formUnion(manifest.commits)
            try ingest.finish()
            return BundleImport(ingest, manifest, report)
        } catch {
            ingest.close()
            throw error
        }
    }

    private init(ingest: Ingest, reader: BundleReader) {
        self.ingest = ingest
        self.reader = reader
    }

    /// Reads all frames into packs that nobody knows yet.
    private func receive(
        _ manifest: BundleManifest, _ start: [UInt8], _ progress: (BundleProgress) -> Void
    ) throws(StoreError) -> BundleReport {
        start.withUnsafeBytes { hasher.update($0) }
        while true {
            switch try reader.next() {
            case .frame(let header, let bytes):
                try check(header)
                batch.append((header, bytes))
                batchSize += bytes.count + header.plainLength
                if batchSize < BundleImporter.batchLimit { continue }
                try takeBatch()
                progress(
                    BundleProgress(
                        objects: report.objects, totalObjects: manifest.objects, bytes: reader.position))
            case .end(let end, let digest):
                try takeBatch()
                end.bytes.withUnsafeBytes { hasher.update($0) }
                guard end.frames == report.frames, end.objects == report.objects, hasher.finish() == digest else {
                    throw reader.damage("the bundle is not the one that was written: its end does not fit")
                }
                try reader.expectEnd()
                report.bytes = reader.position
                return report
            }
        }
    }

    /// What is asked of frames in a bundle beyond what a pack may hold.
    private func check(_ header: FrameHeader) throws(StoreError) {
        let isUsual = header.plainLength <= FrameHeader.usualPlainLength
        let isList = header.records.count == 1 && header.records.allSatisfy(\.isIndirect)
        // Chunks side by side: as many as the length of any frame allows.
        let isChunks = header.records.allSatisfy { $0.length == TreeShape(.disk).leafSize && !$0.isIndirect }
        guard isUsual || isList || isChunks else {
            throw reader.damage("a frame of \(header.plainLength) bytes in the bundle is too large")
        }
    }

    private func takeBatch() throws(StoreError) {
        let frames = batch
        batch.removeAll(keepingCapacity: true)
        batchSize = 0
        let writer = try ingest.guarded { () throws(StoreError) in try ingest.currentWriter() }
        writer.handOver()
        let reader = reader
        let results = try CheckedFrame.check(
            frames.count,
            aside: { () throws(StoreError) in
                try writer.writeHandedOver()
                for frame in frames { frame.bytes.withUnsafeBytes { hasher.update($0) } }
            }
        ) { index throws(StoreError) in
            guard let stored = StoredFrame(checking: frames[index].bytes, header: frames[index].header) else {
                throw reader.damage("the bytes of a frame of the bundle are damaged")
            }
            return stored
        }
        for result in results {
            guard let frame = try result.get() else { throw reader.damage("a frame of the bundle does not decode") }
            guard frame.hasSoundPieces else {
                throw reader.damage("the table of the pieces of a frame of the bundle is wrong")
            }
            for (index, record) in frame.records.enumerated() {
                guard frame.isSound[index] else {
                    throw reader.damage("object \(record.digest.short) of the bundle does not have its digest")
                }
                if record.isIndirect { try checkList(frame, index) }
            }
            report.frames += 1
            report.objects += UInt64(frame.records.count)
            report.plainBytes += UInt64(frame.header.plainLength)
            report.newObjects += UInt64(try ingest.add(frame))
        }
    }

    /// Reads the blob that a list of parts stands for.
    private func checkList(_ frame: CheckedFrame, _ index: Int) throws(StoreError) {
        let digest = frame.records[index].digest
        if ingest.contains(digest) { return }
        let bytes = Array(frame.plain[frame.range(index)])
        guard let list = PartList(parsing: bytes.span.bytes), list.length > PartList.partSize else {
            throw reader.damage("the list of the parts of blob \(digest.short) in the bundle is none")
        }
        guard list.parts.allSatisfy({ ingest.contains($0) }) else {
            throw reader.damage("a list of parts in the bundle comes before its parts")
        }
        try ingest.forEachPart(of: digest, bytes) { _ in }
    }

    /// Follows the commits to everything that they need.
    private func checkClosure(_ manifest: BundleManifest) throws(StoreError) {
        let lengths = RecordLengths(ingest)
        var walk = ClosureWalk(ingest, ObjectNumbers(ingest.catalog, own: ingest.own.indexes))
        do throws(StoreError) {
            let named = Set(try ingest.store.refs().map(\.digest))
            for base in manifest.bases where named.contains(base) { _ = try walk.add(base) { _ in } }
            walk.check = TreeCheck { digest throws(StoreError) in try lengths.length(of: digest) }
            for commit in manifest.commits { _ = try walk.add(commit) { _ in } }
        } catch {
            guard error.code == .notFound else { throw error }
            let reason =
                manifest.bases.isEmpty
                ? "the bundle is not complete" : "the bundle and what is here of its base are not complete together"
            throw StoreError(
                .notFound, "\(reason); nothing was taken over: export again, without a base if need be",
                path: error.path, cause: error.message)
        }
    }
}

extension ContentStore {
    /// Takes over the commits of a bundle in a file. See <doc:Bundle>.
    ///
    /// Everything in it is checked before anything becomes visible; then the objects are there, and no ref is changed: that is for the
    /// caller, by ``BundleImport/publish(_:operation:)``.
    ///
    /// - Throws: `damaged` when anything in the bundle is not what it should be, `notFound` when this store has not got the base: in each
    ///   case nothing has changed.
    package func importBundle(
        from path: String, progress: (BundleProgress) -> Void = { _ in }
    ) throws(StoreError) -> BundleImport {
        try withBundle(path) { reader throws(StoreError) in
            try BundleImporter.run(self, reader, progress: progress)
        }
    }

    /// Takes over the commits of a bundle from an open descriptor, such as a pipe or standard input, up to its end. It is not closed.
    package func importBundle(
        from descriptor: Int32, progress: (BundleProgress) -> Void = { _ in }
    ) throws(StoreError) -> BundleImport {
        let reader = BundleReader(path: nil) { buffer throws(StoreError) in
            try BundleStream.read(descriptor, into: buffer)
        }
        return try BundleImporter.run(self, reader, progress: progress)
    }

    /// What a bundle in a file says that it holds. Its frames are not looked at.
    package func bundleManifest(at path: String) throws(StoreError) -> BundleManifest {
        try withBundle(path) { reader throws(StoreError) in try reader.manifest().manifest }
    }

    /// Opens a bundle in a file.
    func withBundle<Result>(
        _ path: String, _ body: (BundleReader) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        let file = try BundleFile(path, in: outputFileSystem)
        return try body(BundleReader(path: path) { buffer throws(StoreError) in try file.read(into: buffer) })
    }
}

/// A bundle in a file, read from start to end.
private final class BundleFile {
    private let file: FileDescriptor
    private var position: UInt64 = 0

    init(_ path: String, in fileSystem: any FileSystem) throws(StoreError) {
        file = try FileDescriptor(path, flags: O_RDONLY, in: fileSystem, "opening a bundle")
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int {
        let count = try file.read(into: buffer, at: position)
        position += UInt64(count)
        return count
    }
}

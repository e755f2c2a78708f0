import ContentStore
import Glibc
import Testing

/// Stores that are only read, and stores that are moved.
@Suite struct ReadOnlyTests {
    /// Every file of a store with its bytes.
    private func everything(_ path: String) throws -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for name in try SystemFileSystem().entries(of: path) {
            let entry = "\(path)/\(name)"
            if (try? SystemFileSystem().entries(of: entry)) != nil {
                files[entry] = []
                files.merge(try everything(entry)) { one, _ in one }
            } else {
                files[entry] = try contents(of: entry)
            }
        }
        return files
    }

    /// A lineage, with a directory `out` beside its store that everybody may write to.
    private func lineage(_ seed: UInt64) throws -> Lineage {
        let lineage = try Lineage(seed)
        let output = "\(lineage.fixture.directory.path)/out"
        try #require(mkdir(output, 0o700) == 0 && chmod(output, 0o777) == 0)
        return lineage
    }

    /// Does all that is for readers, and fails at all that is for writers.
    private func use(_ store: ContentStore, _ lineage: Lineage) throws {
        #expect(store.isReadOnly)
        for commit in lineage.commits { try lineage.check(commit, in: store) }
        #expect(try store.refs().count == 5)
        #expect(try store.operations().count == 5)
        #expect(try store.leases().isEmpty)
        #expect(try store.verify(level: .deep).isSound)
        #expect(try store.usage(of: lineage.commits).missing == 0)
        #expect(try store.statistics().refs == 5)
        #expect(try store.differenceSize(nil, store.commit(lineage.other).trees["vda"]).total > 0)
        let path = "\(lineage.fixture.directory.path)/out/a.bundle"
        let report = try store.exportBundle(to: path, commits: [lineage.other])
        #expect(report.objects > 0)
        let attempts: [(String, () throws -> Void)] = [
            ("ingest", { _ = try store.beginIngest(label: "x") }),
            ("lease", { _ = try store.lease(label: "x") }),
            ("refs", { try store.updateRefs([RefChange("x", new: lineage.other)], operation: "x") }),
            ("repair", { _ = try store.repair() }),
            ("import", { _ = try store.importBundle(from: path) }),
        ]
        for (name, attempt) in attempts {
            do {
                try attempt()
                Issue.record("\(name) wrote to a store for reading")
            } catch let error as StoreError {
                #expect(error.code == .permission && error.message.contains("reading only"), "\(name): \(error)")
            }
        }
        unlink(path)
    }

    @Test(arguments: [false, true])
    func byOption(indexesAreLost: Bool) throws {
        let lineage = try lineage(600)
        let path = lineage.store.path
        if indexesAreLost {
            for index in try lineage.store.files("indexes") { unlink(index) }
            let pack = try #require(try lineage.store.files("packs").first)
            #expect(chmod(pack, 0o400) == 0)
        }
        let before = try everything(path)
        let store = try ContentStore.open(at: path, access: .readOnly)
        try use(store, lineage)
        #expect(try everything(path) == before)
        #expect(throws: StoreError.self) {
            try ContentStore.open(at: "\(path)/none", createIfMissing: true, access: .readOnly)
        }
    }

    /// A file system that is mounted read-only: the process has no right to write and finds out by itself.
    @Test func whereNothingCanBeWritten() throws {
        let lineage = try lineage(601)
        let path = lineage.store.path
        let before = try everything(path)
        let store = try ContentStore.open(at: path, createIfMissing: false, fileSystem: FrozenFileSystem())
        try use(store, lineage)
        #expect(try everything(path) == before)
        do {
            _ = try ContentStore.open(
                at: path, createIfMissing: false, access: .readWrite, fileSystem: FrozenFileSystem())
            Issue.record("opened for writing")
        } catch {
            #expect(error.code == .permission)
        }
    }

    /// As a user without rights: a thread takes another identity for the file system, which root may do, if it is root.
    @Test func withoutThePermission() throws {
        let lineage = try lineage(602)
        let path = lineage.store.path
        try #require(chmod(lineage.fixture.directory.path, 0o755) == 0)
        func protect(_ entry: String) throws {
            if let names = try? SystemFileSystem().entries(of: entry) {
                for name in names { try protect("\(entry)/\(name)") }
                try #require(chmod(entry, 0o555) == 0)
            } else {
                try #require(chmod(entry, 0o444) == 0)
            }
        }
        let before = try everything(path)
        try protect(path)
        defer { for name in (try? SystemFileSystem().entries(of: path)) ?? [] { chmod("\(path)/\(name)", 0o755) } }
        try OtherThread.run {
            if geteuid() == 0 {
                // Not declared for Swift.
                let symbol = try #require(dlsym(nil, "setfsuid"))
                _ = unsafeBitCast(symbol, to: (@convention(c) (UInt32) -> Int32).self)(65534)
            }
            #expect(throws: StoreError.self) { try ContentStore.open(at: path, access: .readWrite) }
            try use(try ContentStore.open(at: path), lineage)
        }
        #expect(try everything(path) == before)
    }

    @Test func nothingIsCollected() throws {
        let lineage = try lineage(603)
        let store = try ContentStore.open(at: lineage.store.path, access: .readOnly)
        let before = try everything(store.path)
        let attempts: [() throws -> Void] = [
            { _ = try store.collect() }, { _ = try store.repack() }, { _ = try store.recompress(.lz4) },
        ]
        for attempt in attempts {
            let error = #expect(throws: StoreError.self) { try attempt() }
            #expect(error?.code == .permission)
            #expect(error?.message.contains("open for reading only") == true)
        }
        #expect(try store.collect(CollectOptions(isDryRun: true)).isDryRun)
        #expect(try everything(store.path) == before)
    }

    @Test func aStoreIsMoved() throws {
        let lineage = try lineage(603)
        let old = lineage.store
        let before = try old.refs().map(\.digest)
        let moved = "\(lineage.fixture.directory.path)/elsewhere"
        let cold = try lineage.fixture.reopened()
        try #require(rename(old.path, moved) == 0)
        defer { rename(moved, old.path) }
        let store = try ContentStore.open(at: moved)
        #expect(try store.refs().map(\.digest) == before)
        #expect(try store.verify(level: .deep).damage.isEmpty)
        try store.add("new", [1, 2, 3])
        // Who has it open at the old place is told so, by reader and writer.
        let attempts: [() throws -> Void] = [
            { _ = try cold.commit(before[0]) }, { _ = try cold.refs() }, { _ = try cold.ref("vm/head") },
            { _ = try cold.operations() }, { _ = try cold.verify(level: .structure) },
            { _ = try cold.beginIngest(label: "x") }, { _ = try old.beginIngest(label: "x") },
            { try old.updateRefs([RefChange("x", new: before[0])], operation: "x") },
        ]
        for (number, attempt) in attempts.enumerated() {
            do {
                try attempt()
                Issue.record("attempt \(number) did not see that the store is gone")
            } catch let error as StoreError {
                #expect(error.code == .notFound, "attempt \(number): \(error)")
            }
        }
        #expect(try old.refsError()?.message.contains("moved") == true)
    }
}

extension ContentStore {
    /// What listing the refs fails with.
    fileprivate func refsError() throws -> StoreError? {
        do {
            _ = try refs()
            return nil
        } catch {
            return error
        }
    }
}

/// A file system where every change fails as on a medium mounted read-only, but for files outside of the store.
private struct FrozenFileSystem: FileSystem {
    private let real = SystemFileSystem()

    private func refuse(_ path: String) -> Bool { path.contains("/store") }

    func open(_ path: String, flags: Int32, mode: UInt32) throws(SystemCallError) -> Int32 {
        let changing = O_WRONLY | O_RDWR | O_CREAT
        if flags & changing != 0, refuse(path) { throw SystemCallError("open", EROFS) }
        return try real.open(path, flags: flags, mode: mode)
    }
    func close(_ descriptor: Int32) { real.close(descriptor) }
    func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(SystemCallError) -> Int { try real.read(descriptor, into: buffer, at: offset) }
    func write(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(SystemCallError) -> Int {
        try real.write(descriptor, bytes, at: offset)
    }
    func startWriteback(_ descriptor: Int32, at offset: UInt64, length: UInt64) {}
    func synchronize(_ descriptor: Int32, dataOnly: Bool) throws(SystemCallError) {}
    func size(of descriptor: Int32) throws(SystemCallError) -> UInt64 { try real.size(of: descriptor) }
    func link(_ descriptor: Int32, as path: String) throws(SystemCallError) {
        if refuse(path) { throw SystemCallError("linkat", EROFS) }
        try real.link(descriptor, as: path)
    }
    func rename(_ old: String, to new: String) throws(SystemCallError) {
        if refuse(new) { throw SystemCallError("rename", EROFS) }
        try real.rename(old, to: new)
    }
    func unlink(_ path: String) throws(SystemCallError) {
        if refuse(path) { throw SystemCallError("unlink", EROFS) }
        try real.unlink(path)
    }
    func makeDirectory(_ path: String, mode: UInt32) throws(SystemCallError) { throw SystemCallError("mkdir", EROFS) }
    func mode(of path: String) throws(SystemCallError) -> UInt32 { try real.mode(of: path) }
    func entries(of path: String) throws(SystemCallError) -> [String] { try real.entries(of: path) }
    func lock(_ descriptor: Int32, exclusive: Bool, wait: Bool) throws(SystemCallError) -> Bool {
        try real.lock(descriptor, exclusive: exclusive, wait: wait)
    }
    func map(_ descriptor: Int32, length: Int) throws(SystemCallError) -> UnsafeRawPointer {
        try real.map(descriptor, length: length)
    }
    func unmap(_ pointer: UnsafeRawPointer, length: Int) { real.unmap(pointer, length: length) }
    func isWritable(_ path: String) -> Bool { !refuse(path) }
}

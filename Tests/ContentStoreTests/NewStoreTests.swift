import ContentStore
import Glibc
import Testing

/// How a store is made: durably, and for its owner only.
@Suite struct NewStoreTests {
    /// The permissions of a file or directory.
    private func mode(_ path: String) throws -> UInt32 {
        var status = stat()
        try #require(lstat(path, &status) == 0)
        return status.st_mode & 0o777
    }

    /// All files and directories below a path.
    private func everything(_ path: String) -> [String] {
        guard let names = try? SystemFileSystem().entries(of: path) else { return [path] }
        return [path] + names.flatMap { everything("\(path)/\($0)") }
    }

    /// Uses everything that makes files.
    private func use(_ store: ContentStore) throws {
        var random = Random(30)
        try store.add("a", random.bytes(100_000))
        try store.add("b", random.bytes(100_000))
        try store.updateRefs([RefChange("a", new: nil)], operation: "remove a")
        let lease = try store.lease(label: "keeps the trash")
        #expect(try store.collect(CollectOptions(keepOperations: 0, maximumUnused: 0)).waitingPacks.packs == 1)
        let pack = try #require(try store.files("packs").first)
        var bytes = try contents(of: pack)
        bytes[5000] ^= 1
        try overwrite(pack, bytes)
        #expect(try store.repair().quarantined.count == 1)
        for index in try store.files("indexes") { unlink(index) }
        _ = try ContentStore.open(at: store.path).statistics()
        withExtendedLifetime(lease) {}
    }

    @Test func aNewStoreIsPrivate() throws {
        let fixture = try Fixture()
        try use(fixture.store)
        let all = everything(fixture.store.path)
        #expect(all.count > 20)
        for path in all {
            let isDirectory = (try? SystemFileSystem().entries(of: path)) != nil
            #expect(try mode(path) == (isDirectory ? 0o700 : 0o600), "\(path)")
        }
    }

    @Test func aSharedStoreStaysShared() throws {
        let fixture = try Fixture()
        for path in everything(fixture.store.path) {
            let isDirectory = (try? SystemFileSystem().entries(of: path)) != nil
            try #require(chmod(path, isDirectory ? 0o755 : 0o644) == 0)
        }
        rmdir("\(fixture.store.path)/trash")
        try use(try fixture.reopened())
        for path in everything(fixture.store.path) {
            let isDirectory = (try? SystemFileSystem().entries(of: path)) != nil
            #expect(try mode(path) == (isDirectory ? 0o755 : 0o644), "\(path)")
        }
    }

    @Test func itsNameIsDurable() throws {
        let directory = try TemporaryDirectory()
        let system = HookedFileSystem()
        _ = try ContentStore.open(at: "\(directory.path)/new//", createIfMissing: true, fileSystem: system)
        let parent = try #require(system.synced.firstIndex(of: directory.path))
        // Before the file that makes it a store.
        let format = try #require(system.synced.lastIndex(of: "\(directory.path)/new"))
        #expect(parent < format)
    }

    @Test(arguments: [ENOENT, EROFS, EEXIST, ENXIO, EACCES, ENOSPC, EMFILE, EIO])
    func failuresSayWhatToDo(number: Int32) throws {
        let fixture = try Fixture()
        let system = FaultyFileSystem(.from(0, errno: number))
        let error = #expect(throws: StoreError.self) {
            try ContentStore.open(at: fixture.store.path, createIfMissing: false, access: .readOnly, fileSystem: system)
        }
        let message = try #require(error?.message)
        #expect(message.contains("; "), "\(message)")
    }
}

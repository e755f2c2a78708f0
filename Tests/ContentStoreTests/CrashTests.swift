import ContentStore
import Glibc
import Testing

/// A change of a store is done while one system call after the other fails or is the last one: what was stored before stays, and the
/// change is there wholly or not at all.
@Suite struct CrashTests {
    /// A store with one commit, what the change is to make of it, and a way to begin anew.
    private final class Scene {
        let directory: TemporaryDirectory
        let path: String
        let base: [UInt8]
        let changed: [UInt8]
        let extra: [UInt8]
        let oldCommit: Digest

        init() throws {
            directory = try TemporaryDirectory()
            path = "\(directory.path)/store"
            var random = Random(50)
            base = random.bytes(100_000) + random.text(60_000)
            extra = random.bytes(70_000)
            changed = Array(base[..<50_000]) + random.bytes(60_000) + Array(base[110_000...])
            let store = try ContentStore.open(at: path, createIfMissing: true)
            try store.add("main", base)
            oldCommit = try #require(try store.ref("main"))
            guard mkdir("\(directory.path)/graves", 0o700) == 0 else { throw StoreError(.io, "mkdir") }
        }

        var graves: String { "\(directory.path)/graves" }

        /// Copies the store as it was, to a fresh directory.
        func copy(_ number: Int) throws -> String {
            let target = "\(directory.path)/copy\(number)"
            try clone(path, target)
            return target
        }

        private func clone(_ from: String, _ to: String) throws {
            guard let entries = try? SystemFileSystem().entries(of: from) else {
                return try overwrite(to, contents(of: from))
            }
            mkdir(to, 0o700)
            for name in entries { try clone("\(from)/\(name)", "\(to)/\(name)") }
        }

        /// The change: a new version of the tree, a blob, packs small enough that there are several, two refs.
        func change(_ path: String, _ fileSystem: any FileSystem) throws {
            let store = try ContentStore.open(at: path, createIfMissing: false, fileSystem: fileSystem)
            let old = try store.ref("main")
            let present = try #require(old)
            let tree = try #require(try store.commit(present).trees["t"])
            let ingest = try store.beginIngest(label: "change", options: IngestOptions(packSize: 70_000))
            let editor = try ingest.edit(tree, kind: .disk, length: tree.length)
            try editor.write(Array(changed[50_000..<110_000]), at: 50_000)
            let root = try editor.finish()
            let blob = try ingest.putBlob(extra)
            let commit = try ingest.putCommit(
                Commit(
                    kind: "test", parents: [oldCommit], trees: ["t": root], blobs: ["b": blob],
                    time: Timestamp(seconds: 2)))
            try ingest.publish(
                [
                    RefChange("main", expected: .some(old), new: commit),
                    RefChange("second", expected: .some(nil), new: commit),
                ], operation: "change")
        }

        /// Everything that has to hold, whatever happened.
        /// - Returns: whether both refs are new.
        @discardableResult
        func check(_ path: String, _ context: String) throws -> Bool {
            let store = try ContentStore.open(at: path, createIfMissing: false)
            let main = try #require(try store.ref("main"), "main is lost: \(context)")
            let second = try store.ref("second")
            for digest in [main, second, oldCommit].compactMap({ $0 }) {
                let commit = try store.commit(digest)
                let tree = try #require(commit.trees["t"])
                #expect(try store.bytes(tree) == (digest == oldCommit ? base : changed), "\(context)")
                if let blob = commit.blobs["b"] { #expect(try store.blob(blob) == extra, "\(context)") }
            }
            let report = try store.verify(level: .deep)
            #expect(report.damage.isEmpty, "\(context)")
            return main != oldCommit && second != nil
        }
    }

    /// The number of system calls of an undisturbed change.
    private func callCount(_ scene: Scene) throws -> Int {
        let path = try scene.copy(0)
        let system = FaultyFileSystem()
        try scene.change(path, system)
        #expect(try scene.check(path, "undisturbed"))
        TemporaryDirectory.remove(path)
        return system.calls
    }

    /// After a failure: what is left is sound, the change can be done again, and no rubbish stays.
    private func checkAndRepeat(_ scene: Scene, _ path: String, _ context: String) throws {
        if try !scene.check(path, context) {
            let store = try ContentStore.open(at: path, createIfMissing: false, fileSystem: FaultyFileSystem())
            // One of two refs may be new already; each is whole.
            if try store.ref("second") != nil || store.ref("main") != scene.oldCommit {
                try store.updateRefs(
                    [RefChange("main", new: scene.oldCommit), RefChange("second", new: nil)], operation: "undo")
            }
            try scene.change(path, FaultyFileSystem())
            #expect(try scene.check(path, "again after \(context)"))
        } else {
            let store = try ContentStore.open(at: path, createIfMissing: false, fileSystem: FaultyFileSystem())
            try store.beginIngest(label: "sweep").close()
            try store.updateRefs([RefChange("third", new: nil)], operation: "complete")
        }
        for directory in ["tmp", "leases"] {
            #expect(try SystemFileSystem().entries(of: "\(path)/\(directory)").isEmpty, "\(directory) after \(context)")
        }
        let operations = try SystemFileSystem().entries(of: "\(path)/operations")
        #expect(operations.allSatisfy { !$0.hasSuffix(".pending") }, "\(context)")
        TemporaryDirectory.remove(path)
    }

    @Test(arguments: [ENOSPC, EIO, EACCES])
    func everyCallFailsOnce(errno: Int32) throws {
        let scene = try Scene()
        for number in 0..<(try callCount(scene)) {
            let path = try scene.copy(number)
            do {
                try scene.change(path, FaultyFileSystem(.once(at: number, errno: errno)))
                // A hint or a clean-up failed, which is no harm.
                #expect(try scene.check(path, "call \(number) fails unnoticed"))
            } catch let error as StoreError {
                if errno == ENOSPC { #expect(error.code == .noSpace, "call \(number): \(error)") }
            }
            try checkAndRepeat(scene, path, "call \(number) fails with \(errno)")
        }
    }

    @Test func theDiskIsFullFromSomeCallOn() throws {
        let scene = try Scene()
        for number in 0..<(try callCount(scene)) {
            let path = try scene.copy(number)
            #expect(throws: StoreError.self, "call \(number)") {
                try scene.change(path, FaultyFileSystem(.from(number, errno: ENOSPC)))
                // From here on only clean-up was left, which may fail.
                if try scene.check(path, "full") { throw StoreError(.noSpace, "done before it was full") }
            }
            try checkAndRepeat(scene, path, "the disk is full from call \(number) on")
        }
    }

    @Test(arguments: [true, false])
    func theProcessDiesAtEveryCall(hasUnnamedFiles: Bool) throws {
        let scene = try Scene()
        // Without unnamed files there are some more calls.
        for number in 0..<(try callCount(scene)) + (hasUnnamedFiles ? 0 : 20) {
            let path = try scene.copy(number)
            try? scene.change(path, FaultyFileSystem(.crash(at: number), hasUnnamedFiles: hasUnnamedFiles))
            try checkAndRepeat(scene, path, "death at call \(number)")
        }
    }

    @Test(arguments: [UInt64(60), 61])
    func thePowerFailsAtEveryCall(seed: UInt64) throws {
        let scene = try Scene()
        var random = Random(seed)
        for number in 0..<(try callCount(scene)) {
            let path = try scene.copy(number)
            let system = FaultyFileSystem(.crash(at: number), graveyard: scene.graves)
            try? scene.change(path, system)
            system.cutPower(&random)
            for name in try SystemFileSystem().entries(of: scene.graves) { unlink("\(scene.graves)/\(name)") }
            try checkAndRepeat(scene, path, "power cut at call \(number)")
        }
    }

    @Test func durableMeansAfterPowerCutsToo() throws {
        let scene = try Scene()
        var random = Random(70)
        for number in 0..<10 {
            let path = try scene.copy(number)
            let system = FaultyFileSystem(graveyard: scene.graves)
            try scene.change(path, system)
            system.cutPower(&random)
            for name in try SystemFileSystem().entries(of: scene.graves) { unlink("\(scene.graves)/\(name)") }
            #expect(try scene.check(path, "power cut after the end"))
        }
    }

    @Test func shortReadsAndWritesAreGoneOnWith() throws {
        let scene = try Scene()
        let path = try scene.copy(0)
        let system = FaultyFileSystem(writesAreShort: true)
        try scene.change(path, system)
        #expect(try scene.check(path, "short writes"))
        let store = try ContentStore.open(at: path, createIfMissing: false, fileSystem: system)
        let tree = try #require(try store.commit(scene.oldCommit).trees["t"])
        #expect(try store.bytes(tree) == scene.base)
    }

    @Test func makingAStoreSurvivesCrashes() throws {
        let directory = try TemporaryDirectory()
        let counter = FaultyFileSystem()
        _ = try ContentStore.open(at: "\(directory.path)/whole", createIfMissing: true, fileSystem: counter)
        for number in 0..<counter.calls {
            let path = "\(directory.path)/store\(number)"
            _ = try? ContentStore.open(
                at: path, createIfMissing: true, fileSystem: FaultyFileSystem(.crash(at: number)))
            let store = try ContentStore.open(at: path, createIfMissing: true)
            try store.add("a", [1, 2, 3])
        }
    }
}

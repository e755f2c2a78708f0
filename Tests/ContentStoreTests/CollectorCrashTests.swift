import ContentStore
import Glibc
import Testing

/// A collection, a repacking, a recompression, and a commit that has to take packs out of the trash are done while one system call after
/// the other fails or is the last one: what refs name stays readable, and the next collection leaves no rubbish.
@Suite struct CollectorCrashTests {
    /// What is done to the store.
    enum Work: String, CaseIterable, CustomTestStringConvertible {
        case collect, repack, recompress, resurrect

        var testDescription: String { rawValue }
    }

    /// A store with something for every step of a collection to do.
    private final class Scene {
        let directory: TemporaryDirectory
        let path: String
        /// What each ref has to hold.
        private(set) var contents: [String: [UInt8]] = [:]
        /// What only the trash holds when `resurrect` commits it again.
        let lost: [UInt8]

        init(_ work: Work) throws {
            directory = try TemporaryDirectory()
            path = "\(directory.path)/store"
            guard mkdir("\(directory.path)/graves", 0o700) == 0 else { throw StoreError(.io, "mkdir") }
            let store = try ContentStore.open(at: path, createIfMissing: true)
            var random = Random(30)
            lost = random.bytes(70_000)
            let kept = random.bytes(40_000)
            // A pack that is needed and stays, one that is useless, one that is needed in part.
            try store.add("kept", kept)
            contents["kept"] = kept
            try store.add("lost", lost)
            let ingest = try store.beginIngest(label: "both")
            var changes: [RefChange] = []
            for name in ["half", "gone"] {
                let bytes = random.bytes(name == "half" ? 8_000 : 60_000) + random.text(4096)
                let editor = try ingest.edit(nil, kind: .memory, length: UInt64(bytes.count))
                try editor.write(bytes, at: 0)
                let commit = try ingest.putCommit(
                    Commit(kind: "t", trees: ["t": try editor.finish()], time: Timestamp(seconds: 1)))
                changes.append(RefChange(name, new: commit))
                if name == "half" { contents["half"] = bytes }
            }
            try ingest.publish(changes, operation: "both")
            // A pack in the trash that a ref needs, as a lease that is gone would leave it: it has to come back.
            let needed = random.bytes(30_000)
            let before = try Set(store.files("packs"))
            try store.add("needed", needed)
            contents["needed"] = needed
            let remove = ["lost", "gone"].map { RefChange($0, new: nil) }
            try store.updateRefs(remove, operation: "remove")
            guard work != .resurrect else { return }
            for pack in try store.files("packs") where !before.contains(pack) {
                let name = try #require(pack.split(separator: "/").last)
                rename(pack, "\(path)/trash/00000000000000000001.\(name)")
            }
            // And one there that nobody needs.
            try overwrite("\(path)/trash/00000000000000000001.\(Digest(of: [1]).hex).pack", [1, 2, 3])
            try overwrite("\(path)/trash/epoch", Array("epoch 2\ncrc32c \(Scene.crcOfEpoch2)\n".utf8))
        }

        /// CRC32C of "epoch 2" and a line feed.
        static let crcOfEpoch2 = "46a18218"

        var graves: String { "\(directory.path)/graves" }

        func copy(_ number: Int) throws -> String {
            let target = "\(directory.path)/copy\(number)"
            try clone(path, target)
            return target
        }

        static let eager = CollectOptions(keepOperations: 0, maximumUnused: 0)

        func perform(_ work: Work, _ path: String, _ system: any FileSystem) throws {
            let store = try ContentStore.open(at: path, createIfMissing: false, fileSystem: system)
            switch work {
            case .collect: _ = try store.collect(Scene.eager)
            case .repack:
                _ = try store.repack(RepackOptions(toleratedJumps: 0, collect: Scene.eager))
            case .recompress: _ = try store.recompress(.none, options: Scene.eager)
            case .resurrect:
                let ingest = try store.beginIngest(label: "again")
                let editor = try ingest.edit(nil, kind: .disk, length: UInt64(lost.count))
                try editor.write(lost, at: 0)
                let tree = try editor.finish()
                let commit = try ingest.putCommit(
                    Commit(kind: "again", trees: ["t": tree], time: Timestamp(seconds: 3)))
                _ = try ContentStore.open(at: path, createIfMissing: false).collect(Scene.eager)
                try ingest.publish([RefChange("again", new: commit)], operation: "again")
            }
        }

        /// Everything that has to hold, whatever happened.
        func check(_ path: String, _ context: String) throws {
            let store = try ContentStore.open(at: path, createIfMissing: false)
            var expected = contents
            if try store.ref("again") != nil { expected["again"] = lost }
            #expect(try store.refs().map(\.name) == expected.keys.sorted(), "\(context)")
            for (name, bytes) in expected {
                let commit = try store.commit(try #require(try store.ref(name)))
                #expect(try store.bytes(try #require(commit.trees["t"])) == bytes, "\(name): \(context)")
            }
        }

        /// After a failure: all is readable; the next collection and the next commit succeed, and leave a clean store.
        func checkAndRepeat(_ work: Work, _ path: String, _ context: String) throws {
            try check(path, context)
            if work == .resurrect { try perform(work, path, FaultyFileSystem()) }
            let store = try ContentStore.open(at: path, createIfMissing: false)
            _ = try store.collect(Scene.eager)
            try check(path, "collected after \(context)")
            let report = try store.verify(level: .deep)
            #expect(report.damage.isEmpty, "\(context)")
            let again = try store.collect(Scene.eager)
            #expect(again.trashed.packs == 0 && again.unusedBytes == 0 && again.deadObjects == 0, "\(context)")
            #expect(try SystemFileSystem().entries(of: "\(path)/trash") == ["epoch"], "\(context)")
            for directory in ["tmp", "leases"] {
                #expect(try SystemFileSystem().entries(of: "\(path)/\(directory)").isEmpty, "\(directory): \(context)")
            }
            TemporaryDirectory.remove(path)
        }
    }

    private func callCount(_ scene: Scene, _ work: Work) throws -> Int {
        let path = try scene.copy(0)
        let system = FaultyFileSystem()
        try scene.perform(work, path, system)
        try scene.checkAndRepeat(work, path, "undisturbed")
        return system.calls
    }

    /// In the bounded form every third call is tried, beginning with another one for each kind of fault.
    private func numbers(_ count: Int, _ first: Int) -> StrideTo<Int> {
        stride(from: TestScale.isFull ? 0 : first % 3, to: count, by: TestScale.isFull ? 1 : 3)
    }

    @Test(arguments: Work.allCases, [ENOSPC, EIO])
    func everyCallFailsOnce(work: Work, errno: Int32) throws {
        let scene = try Scene(work)
        for number in numbers(try callCount(scene, work), errno == EIO ? 0 : 1) {
            let path = try scene.copy(number)
            do {
                try scene.perform(work, path, FaultyFileSystem(.once(at: number, errno: errno)))
            } catch is StoreError {}
            try scene.checkAndRepeat(work, path, "\(work): call \(number) fails with \(errno)")
        }
    }

    @Test(arguments: Work.allCases)
    func theDiskIsFullFromSomeCallOn(work: Work) throws {
        let scene = try Scene(work)
        for number in numbers(try callCount(scene, work), 2) {
            let path = try scene.copy(number)
            do {
                try scene.perform(work, path, FaultyFileSystem(.from(number, errno: ENOSPC)))
            } catch is StoreError {}
            try scene.checkAndRepeat(work, path, "\(work): the disk is full from call \(number) on")
        }
    }

    @Test(arguments: Work.allCases, [true, false])
    func theProcessDiesAtEveryCall(work: Work, hasUnnamedFiles: Bool) throws {
        let scene = try Scene(work)
        for number in numbers(try callCount(scene, work) + (hasUnnamedFiles ? 0 : 20), hasUnnamedFiles ? 1 : 2) {
            let path = try scene.copy(number)
            try? scene.perform(work, path, FaultyFileSystem(.crash(at: number), hasUnnamedFiles: hasUnnamedFiles))
            try scene.checkAndRepeat(work, path, "\(work): death at call \(number)")
        }
    }

    @Test(arguments: Work.allCases, [UInt64(60), 61])
    func thePowerFailsAtEveryCall(work: Work, seed: UInt64) throws {
        let scene = try Scene(work)
        var random = Random(seed)
        for number in numbers(try callCount(scene, work), Int(seed)) {
            let path = try scene.copy(number)
            let system = FaultyFileSystem(.crash(at: number), graveyard: scene.graves)
            try? scene.perform(work, path, system)
            system.cutPower(&random)
            for name in try SystemFileSystem().entries(of: scene.graves) { unlink("\(scene.graves)/\(name)") }
            try scene.checkAndRepeat(work, path, "\(work): power cut at call \(number)")
        }
    }

    @Test(arguments: Work.allCases)
    func shortReadsAndWritesAreGoneOnWith(work: Work) throws {
        let scene = try Scene(work)
        let path = try scene.copy(0)
        try scene.perform(work, path, FaultyFileSystem(writesAreShort: true))
        try scene.checkAndRepeat(work, path, "short writes")
    }
}

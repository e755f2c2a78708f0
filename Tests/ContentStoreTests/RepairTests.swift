import ContentStore
import Glibc
import Testing

/// Damaged packs are moved out of the way, and what was lost is filled in.
@Suite struct RepairTests {
    /// A copy of a store's directory.
    static func copy(_ from: String, _ to: String) throws {
        guard let entries = try? SystemFileSystem().entries(of: from) else {
            return try overwrite(to, contents(of: from))
        }
        mkdir(to, 0o700)
        for name in entries { try copy("\(from)/\(name)", "\(to)/\(name)") }
    }

    private func flip(_ path: String, _ positions: [Int]) throws {
        var bytes = try contents(of: path)
        for position in positions { bytes[position] ^= 0x10 }
        try overwrite(path, bytes)
    }

    private func check(_ lineage: Lineage, _ copy: ContentStore) throws {
        for commit in lineage.commits + [lineage.other] { try lineage.check(commit, in: copy) }
        #expect(try copy.verify(level: .deep).damage.isEmpty)
    }

    /// A lineage, and a copy of its store to be damaged.
    private func pair(_ seed: UInt64, options: IngestOptions = IngestOptions(packSize: 300_000)) throws -> (
        Lineage, ContentStore
    ) {
        let lineage = try Lineage(seed, options: options)
        let path = "\(lineage.fixture.directory.path)/copy"
        try RepairTests.copy(lineage.store.path, path)
        return (lineage, try ContentStore.open(at: path))
    }

    private func largestPack(_ store: ContentStore) throws -> String {
        try #require(try store.files("packs").max { try contents(of: $0).count < contents(of: $1).count })
    }

    @Test func aSoundStoreIsLeftAlone() throws {
        let (lineage, store) = try pair(700)
        let before = try store.files("packs")
        let report = try store.repair(from: [.store(lineage.store)])
        #expect(report.isSound && report.quarantined.isEmpty && report.repairedObjects == 0)
        #expect(try store.files("packs") == before)
        #expect(access("\(store.path)/quarantine", F_OK) != 0)
    }

    @Test func soundObjectsAreRescued() throws {
        let (lineage, store) = try pair(701)
        let path = try largestPack(store)
        let size = try contents(of: path).count
        try flip(path, [5000])
        let damaged = try contents(of: path)
        let report = try store.repair()
        #expect(report.quarantined.map(\.isReplaced) == [false])
        #expect(report.rescuedObjects > 2)
        #expect(report.repairedObjects == 0)
        #expect(!report.isSound)
        // It is known who needs what was lost.
        #expect(!report.after.affectedRefs.isEmpty)
        let lost = report.after.damage.filter { $0.kind == .missing }
        #expect(lost.count == report.after.damage.count)
        #expect(lost.allSatisfy { $0.ref != nil && $0.object != nil && $0.place != nil })
        #expect(Set(lost.compactMap(\.object)).count == 1)
        // No byte is gone.
        let file = try #require(report.quarantined.first?.file)
        #expect(try contents(of: "\(store.path)/\(file)") == damaged)
        #expect(try !store.files("packs").contains(path))
        #expect(size == damaged.count)
        // The same again finds the same; with the other store it ends.
        #expect(try store.repair().after.affectedRefs == report.after.affectedRefs)
        let healed = try store.repair(from: [.store(lineage.store)])
        #expect(healed.isSound && healed.repairedObjects == 1)
        try check(lineage, store)
    }

    @Test(arguments: [VerifyLevel.structure, .checksums, .deep])
    func everythingComesFromAnotherStore(level: VerifyLevel) throws {
        let (lineage, store) = try pair(702)
        // One pack is gone, one is empty, one has damage all over, one has lost its end.
        let packs = try store.files("packs")
        #expect(packs.count >= 4)
        unlink(packs[0])
        try overwrite(packs[1], [])
        let size = try contents(of: packs[2]).count
        try flip(packs[2], Array(stride(from: 16, to: size, by: 700)))
        try overwrite(packs[3], contents(of: packs[3]).dropLast(100))
        for index in try store.files("indexes") { unlink(index) }
        let report = try store.repair(level: level, from: [.store(lineage.store)])
        #expect(report.isSound)
        #expect(report.repairedObjects > 5)
        if level == .structure {
            // Damaged chunks were not looked for.
            _ = try store.repair(from: [.store(lineage.store)])
        } else {
            #expect(report.quarantined.count == 3)
        }
        try check(lineage, store)
    }

    @Test func everythingComesFromBundles() throws {
        let (lineage, store) = try pair(703)
        let first = "\(lineage.fixture.directory.path)/1.bundle"
        let second = "\(lineage.fixture.directory.path)/2.bundle"
        _ = try lineage.store.exportBundle(to: first, commits: [lineage.commits[1]])
        _ = try lineage.store.exportBundle(
            to: second, commits: lineage.commits + [lineage.other], excluding: [lineage.commits[1]])
        for pack in try store.files("packs") { unlink(pack) }
        let report = try store.repair(from: [
            .bundle(path: "\(first).none"), .bundle(path: first), .bundle(path: second),
        ])
        #expect(report.isSound)
        #expect(report.sourceErrors.count == 1)
        try check(lineage, store)
    }

    @Test func aDiskComesFromItsImage() throws {
        let fixture = try Fixture()
        var random = Random(704)
        var disk = random.bytes(9_000_000) + [UInt8](repeating: 0, count: 20_000_000) + random.text(300_001)
        let memory = random.bytes(5_000_000)
        var roots: [TreeRoot] = []
        let ingest = try fixture.store.beginIngest(label: "trees")
        for (kind, bytes) in [(TreeKind.disk, disk), (.memory, memory)] {
            let editor = try ingest.edit(nil, kind: kind, length: UInt64(bytes.count))
            try editor.write(bytes, at: 0)
            roots.append(try editor.finish())
        }
        try ingest.finish()
        let sound = try fixture.store.files("packs").map { ($0, try contents(of: $0)) }
        // The commits are in no image: they are in a pack of their own.
        for (name, root) in zip(["disk", "ram"], roots) {
            let other = try fixture.store.beginIngest(label: "commit")
            let commit = try other.putCommit(Commit(kind: "k", trees: ["t": root]))
            try other.publish([RefChange(name, new: commit)], operation: "o")
        }
        func images() -> [RepairSource] {
            [(TreeKind.disk, disk), (.memory, memory)].map { kind, bytes in
                .image(
                    RepairImage(kind: kind, length: UInt64(bytes.count)) { offset, buffer in
                        copyPart(of: bytes, at: Int(offset), to: buffer)
                    })
            }
        }
        // Chunks, pages and nodes are made again.
        for (path, bytes) in sound {
            var damaged = bytes
            for position in stride(from: 100, to: bytes.count, by: 60_000) { damaged[position] ^= 1 }
            try overwrite(path, damaged)
        }
        let report = try fixture.store.repair(from: images())
        #expect(report.isSound, "\(report.after.damage.prefix(3))")
        #expect(report.repairedObjects > 200)
        #expect(try fixture.reopened().bytes(roots[0]) == disk)
        #expect(try fixture.reopened().bytes(roots[1]) == memory)
        #expect(try fixture.store.verify(level: .deep).damage.isEmpty)
        // An image that has changed since helps as far as it goes; nothing wrong comes of it.
        for path in try fixture.store.files("packs") where try contents(of: path).count > 10_000 {
            try flip(path, [200])
        }
        disk[40] ^= 1
        let partly = try fixture.store.repair(from: images())
        for finding in partly.after.damage { #expect(finding.ref == "disk" && finding.place == "tree t at 0") }
        #expect(partly.quarantined.count == (try fixture.store.files("quarantine").count) - report.quarantined.count)
    }

    /// A pack that is made again bit for bit keeps its name.
    @Test func aPackIsReplaced() throws {
        let (lineage, store) = try pair(705, options: IngestOptions())
        let path = try #require(try store.files("packs").first)
        let sound = try contents(of: path)
        try overwrite(path, sound.dropLast(3) + [1, 2, 3])
        let report = try store.repair()
        #expect(report.isSound)
        #expect(report.quarantined.count == 1)
        if report.quarantined.first?.isReplaced == true { #expect(try contents(of: path) == sound) }
        try check(lineage, store)
        // A second one of the same name in quarantine.
        let again = try #require(try store.files("packs").first { $0 == path })
        try overwrite(again, sound.dropLast(3) + [1, 2, 3])
        #expect(try store.repair().isSound)
        #expect(try store.files("quarantine").count == 2)
    }

    @Test func whatWasLostCanBeStoredAgain() throws {
        let fixture = try Fixture()
        var random = Random(706)
        let bytes = random.bytes(400_000)
        let root = try fixture.store.add("a", bytes)
        try flip(try largestPack(fixture.store), [100_000, 200_000])
        let report = try fixture.store.repair()
        #expect(report.after.affectedRefs == ["a"])
        #expect(report.after.damage.count == 2)
        #expect(throws: StoreError.self) { try fixture.reopened().bytes(root) }
        #expect(try fixture.store.add("again", bytes) == root)
        #expect(try fixture.reopened().bytes(root) == bytes)
        #expect(try fixture.store.verify(level: .deep).damage.isEmpty)
    }

    @Test func partsOfThePacks() throws {
        let (lineage, store) = try pair(707)
        let packs = try store.files("packs")
        for path in packs { try flip(path, [Int.random(in: 20..<60)]) }
        var found = 0
        for number in 1...5 {
            let subset = try #require(VerifySubset(number, of: 5))
            let report = try store.verify(level: .deep, subset: subset)
            found += report.packs
            let digests = Set(report.damage.filter { $0.kind == .pack }.compactMap(\.pack))
            #expect(digests.allSatisfy { subset.contains($0) } && digests.count == report.packs)
        }
        #expect(found == packs.count)
        for number in 1...5 {
            let subset = try #require(VerifySubset("\(number)/5"))
            _ = try store.repair(subset: subset, from: [.store(lineage.store)])
        }
        try check(lineage, store)
        for text in ["", "0/3", "4/3", "1", "1/0", "a/b", "-1/2", "1/2/3"] { #expect(VerifySubset(text) == nil) }
    }

    @Test func itSurvivesDeathAtEveryCall() throws {
        let fixture = try Fixture()
        var random = Random(708)
        let bytes = random.bytes(150_000)
        // One chunk to a frame, so that damage to one leaves the others.
        let root = try fixture.store.add("a", bytes, options: IngestOptions(compression: .lz4))
        try fixture.store.add("b", random.bytes(70_000))
        let second = "\(fixture.directory.path)/second"
        try RepairTests.copy(fixture.store.path, second)
        let other = try ContentStore.open(at: second)
        try flip(try largestPack(fixture.store), [1000])
        let damaged = try contents(of: largestPack(fixture.store))
        var number = 0
        while true {
            let path = "\(fixture.directory.path)/copy"
            try RepairTests.copy(fixture.store.path, path)
            let system = FaultyFileSystem(.crash(at: number))
            var isDone = false
            do {
                let store = try ContentStore.open(at: path, createIfMissing: false, fileSystem: system)
                isDone = try store.repair(from: [.store(other)]).isSound && system.calls <= number
            } catch {
                isDone = false
            }
            // Nothing is lost, in whatever state it is: the bytes of the damaged pack, and all that was sound.
            let kept = try ["packs", "quarantine"].flatMap {
                (try? SystemFileSystem().entries(of: "\(path)/\($0)")) == nil
                    ? [] : try ContentStore.open(at: path).files($0)
            }
            #expect(try kept.contains { try contents(of: $0) == damaged }, "call \(number)")
            let store = try ContentStore.open(at: path)
            #expect(try store.read(root, at: 65_536, count: 80_000) == Array(bytes[65_536..<145_536]), "call \(number)")
            #expect(try store.repair(from: [.store(other)]).isSound, "call \(number)")
            #expect(try store.bytes(root) == bytes, "call \(number)")
            try store.beginIngest(label: "sweep").close()
            #expect(try store.files("tmp").isEmpty, "call \(number)")
            TemporaryDirectory.remove(path)
            if isDone { break }
            number += Scale.isFull ? 1 : 3
        }
        #expect(number > 60)
    }
}

/// Not inlined; see Tests/check-machine-code.
@inline(never)
private func copyPart(of bytes: [UInt8], at offset: Int, to buffer: UnsafeMutableRawBufferPointer) {
    buffer.copyBytes(from: bytes[offset..<offset + buffer.count])
}

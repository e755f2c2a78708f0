import ContentStore
import Testing

/// Bundles made by somebody who means harm: nothing wrong comes in, and nothing traps.
@Suite struct BundleFuzzTests {
    private func mutate(_ bytes: inout [UInt8], _ frames: [Range<Int>], _ random: inout Random) {
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            var position = Int.random(in: 0..<bytes.count, using: &random)
            // Mostly where structure is: headers of frames, manifest, end.
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                if let frame = frames.randomElement(using: &random) {
                    position = frame.lowerBound + Int.random(in: 0..<min(60, frame.count), using: &random)
                }
            case 1: position = Int.random(in: 0..<(frames.first?.lowerBound ?? 20), using: &random)
            case 2: position = bytes.count - 1 - Int.random(in: 0..<56, using: &random)
            default: break
            }
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes[position] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
            case 2: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            default:
                for index in position..<min(position + 4, bytes.count) { bytes[index] = 0xFF }
            }
        }
    }

    @Test func mutants() throws {
        let source = try Fixture()
        var random = Random(450)
        let ingest = try source.store.beginIngest(label: "small")
        var trees: [String: TreeRoot] = [:]
        for (name, kind) in [("vda", TreeKind.disk), ("ram", .memory)] {
            let editor = try ingest.edit(nil, kind: kind, length: 150_000)
            try editor.write(random.text(70_000), at: 0)
            trees[name] = try editor.finish()
        }
        let long = try ingest.putBlob([UInt8](repeating: 9, count: 70_000))
        let commit = try ingest.putCommit(
            Commit(kind: "k", trees: trees, blobs: ["long": long, "short": try ingest.putBlob([1])]))
        try ingest.publish([RefChange("a", new: commit)], operation: "o")
        let path = "\(source.directory.path)/a.bundle"
        _ = try source.store.exportBundle(to: path, commits: [commit], refs: ["a": commit])
        let sound = try contents(of: path)
        let frames = BundleBytes.frames(sound)
        #expect(frames.count > 3)
        var target = try Fixture()
        var accepted = 0
        let rounds = Scale.count(800, full: 20_000)
        for round in 0..<rounds {
            var bytes = sound
            mutate(&bytes, frames, &random)
            switch round % 8 {
            case 0: bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
            case 1:
                bytes.insert(
                    UInt8.random(in: 0...255, using: &random), at: Int.random(in: 0...bytes.count, using: &random))
            case 2:
                // A frame is left out, is there twice, or comes at another place.
                guard let frame = frames.randomElement(using: &random), let other = frames.randomElement(using: &random)
                else { break }
                bytes = sound
                bytes.insert(contentsOf: sound[frame], at: other.lowerBound)
                if Bool.random(using: &random) { bytes.removeSubrange(frame) }
                bytes.replaceSubrange(
                    bytes.count - 32..<bytes.count, with: Digest(of: Array(bytes.dropLast(32))).bytes)
            default: BundleBytes.reseal(&bytes, frames)
            }
            try overwrite(path, bytes)
            do {
                let incoming = try target.store.importBundle(from: path)
                try incoming.publish(
                    incoming.commits.enumerated().map { RefChange("r\($0)", new: $1) }, operation: "accepted")
                accepted += 1
                #expect(try target.store.verify(level: .deep).damage.isEmpty, "round \(round)")
                target = try Fixture()
            } catch let error as StoreError {
                #expect(
                    [.damaged, .notFound, .unsupportedVersion].contains(error.code), "round \(round): \(error)")
            }
            if try !target.store.files("packs").isEmpty || !target.store.files("tmp").isEmpty {
                Issue.record("something was left in round \(round)")
                target = try Fixture()
            }
        }
        // Other times, names, hints and the like.
        #expect(accepted > 3 && accepted < rounds / 3)
        // A bundle is not what was exported unless its digest says so.
        try overwrite(path, sound)
        try target.store.importBundle(from: path).publish([RefChange("a", new: commit)], operation: "sound")
        #expect(try target.store.verify(level: .deep).damage.isEmpty)
    }

    /// Commits with trees and blobs that no store makes, in a store of their own.
    private struct Forgery {
        let fixture: Fixture
        let ingest: Ingest

        init() throws {
            fixture = try Fixture()
            ingest = try fixture.store.beginIngest(label: "forgery")
        }

        func leaf(_ byte: UInt8, _ count: Int = 65_536) throws -> Digest {
            try ingest.putBlob([UInt8](repeating: byte, count: count))
        }

        func node(_ children: [Int: Digest], level: UInt8 = 0, kind: UInt8 = 0) throws -> Digest {
            let fanOut = kind == 0 ? 128 : 512
            var bitmap = [UInt8](repeating: 0, count: fanOut / 8)
            for slot in children.keys { bitmap[slot / 8] |= 1 << UInt8(slot % 8) }
            let head: [UInt8] = Array("STND".utf8) + [1, kind, level, kind == 0 ? 7 : 9]
            let digests = children.sorted { $0.key < $1.key }.flatMap(\.value.bytes)
            return try ingest.putBlob(head + bitmap + digests)
        }

        /// Whether another store takes a commit with this tree.
        func isTaken(_ digest: Digest?, length: UInt64, kind: TreeKind = .disk) throws -> Bool {
            let commit = try ingest.putCommit(
                Commit(kind: "forged", trees: ["t": TreeRoot(kind: kind, length: length, digest: digest)]))
            try ingest.finish()
            let path = "\(fixture.directory.path)/forged.bundle"
            do {
                _ = try fixture.store.exportBundle(to: path, commits: [commit])
            } catch {
                // The sender would not have it either.
                #expect([.damaged, .notFound].contains(error.code))
                return false
            }
            let target = try Fixture()
            do {
                let incoming = try target.store.importBundle(from: path)
                let root = TreeRoot(kind: kind, length: length, digest: digest)
                _ = try target.store.read(root, at: 0, count: Int(min(length, 1 << 20)))
                return incoming.commits == [commit]
            } catch {
                #expect(error.code == .damaged, "\(error)")
                #expect(try target.store.files("packs").isEmpty)
                return false
            }
        }
    }

    @Test func forgedTrees() throws {
        let whole = try Forgery()
        #expect(try whole.isTaken(whole.node([0: whole.leaf(1), 1: whole.leaf(2)]), length: 131_072))
        let beyond = try Forgery()
        #expect(try !beyond.isTaken(beyond.node([0: beyond.leaf(1), 5: beyond.leaf(2)]), length: 131_072))
        let padding = try Forgery()
        #expect(try !padding.isTaken(padding.node([0: padding.leaf(1), 1: padding.leaf(2)]), length: 100_000))
        let zeros = try Forgery()
        #expect(try !zeros.isTaken(zeros.node([0: zeros.leaf(0)]), length: 65_536))
        let short = try Forgery()
        #expect(try !short.isTaken(short.node([0: short.leaf(1, 65_535)]), length: 65_536))
        let pages = try Forgery()
        #expect(try !pages.isTaken(pages.node([0: pages.leaf(1)], kind: 1), length: 4096, kind: .memory))
        let page = try Forgery()
        #expect(try page.isTaken(page.node([0: page.leaf(1, 4096)], kind: 1), length: 4096, kind: .memory))
        let level = try Forgery()
        #expect(try !level.isTaken(level.node([0: level.leaf(1)], level: 1), length: 65_536))
        let low = try Forgery()
        #expect(try !low.isTaken(low.node([0: low.leaf(1)]), length: 1 << 30))
        let leafAsNode = try Forgery()
        #expect(try !leafAsNode.isTaken(leafAsNode.leaf(1), length: 65_536))
        let empty = try Forgery()
        #expect(try !empty.isTaken(empty.node([0: empty.leaf(1)]), length: 0))
        let long = try Forgery()
        // A list of parts where a leaf belongs.
        #expect(try !long.isTaken(long.node([0: long.leaf(1, 200_000)]), length: 65_536))
        let high = try Forgery()
        let bottom = try high.node([127: high.leaf(3)])
        #expect(try !high.isTaken(high.node([0: bottom, 127: bottom], level: 1), length: (1 << 30) - 65_536))
    }

    /// A node that came in as a blob is not believed to be a good node later.
    @Test func whatIsHereIsNotTrusted() throws {
        let forgery = try Forgery()
        let bad = try forgery.node([0: forgery.leaf(1, 5000)])
        let asBlob = try forgery.ingest.putCommit(
            Commit(kind: "blob", blobs: ["node": bad, "leaf": forgery.leaf(1, 5000)]))
        let asTree = try forgery.ingest.putCommit(
            Commit(kind: "tree", trees: ["t": TreeRoot(kind: .disk, length: 65_536, digest: bad)]))
        try forgery.ingest.finish()
        let target = try Fixture()
        let path = "\(forgery.fixture.directory.path)/forged.bundle"
        _ = try forgery.fixture.store.exportBundle(to: path, commits: [asBlob])
        try target.store.importBundle(from: path).publish([RefChange("blob", new: asBlob)], operation: "blob")
        _ = try forgery.fixture.store.exportBundle(to: path, commits: [asTree], excluding: [asBlob])
        #expect(throws: StoreError.self) { try target.store.importBundle(from: path) }
        _ = try forgery.fixture.store.exportBundle(to: path, commits: [asTree])
        #expect(throws: StoreError.self) { try target.store.importBundle(from: path) }
    }

    @Test func otherFilesAreNoBundles() throws {
        let fixture = try Fixture()
        let path = "\(fixture.directory.path)/x"
        var random = Random(451)
        let samples: [[UInt8]] = [
            [], [1], Array("STEMBNDL".utf8), Array("STEMBNDL".utf8) + [1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF],
            random.bytes(100_000), Array("STEMBNDL".utf8) + [2, 0, 0, 0] + random.bytes(100),
        ]
        for bytes in samples {
            try overwrite(path, bytes)
            do {
                _ = try fixture.store.importBundle(from: path)
                Issue.record("taken")
            } catch {
                #expect([.damaged, .unsupportedVersion].contains(error.code))
            }
        }
        #expect(throws: StoreError.self) { try fixture.store.importBundle(from: "\(path)/none") }
    }
}

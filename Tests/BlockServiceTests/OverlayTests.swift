import BlockService
import Foundation
import Testing

/// The copy-on-write layer by itself.
@Suite struct OverlayTests {
    private func check(_ overlay: OverlaySource, _ model: DiskModel, _ comment: Comment? = nil) throws {
        #expect(isEqual(try overlay.bytes(), model.bytes), comment)
        // What is called zero is zero, and the extents have no gaps.
        var position: UInt64 = 0
        for extent in try overlay.extents(from: 0, length: overlay.size) {
            #expect(extent.offset == position && extent.length > 0)
            position += extent.length
            if extent.isZero {
                #expect(isZero(model.bytes[Int(extent.offset)..<Int(position)]))
            }
        }
        #expect(position == overlay.size)
    }

    private func isZero(_ bytes: ArraySlice<UInt8>) -> Bool {
        isEqual(Array(bytes), [UInt8](repeating: 0, count: bytes.count))
    }

    /// Changes, freezes, new bases, and reopenings, against an array.
    @Test(arguments: [UInt64(1), 2, 3, 4]) func randomChangesMatchAModel(_ seed: UInt64) throws {
        let directory = try TemporaryDirectory()
        var base = MemorySource.sparse(blocks: 30, seed: seed)
        var model = DiskModel(base.bytes, seed: seed)
        var random = SeededGenerator(seed: seed &+ 100)
        var name = "base 0"
        var overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: name)
        var frozen: (FrozenOverlay, [UInt8])?
        for step in 0..<400 {
            let change = model.nextChange()
            try change.apply(to: overlay)
            model.apply(change)
            switch Int.random(in: 0..<40, using: &random) {
            case 0: try overlay.flush()
            case 1:
                try overlay.close()
                overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: name)
                frozen = nil
            case 2: frozen = (try overlay.freeze(), model.bytes)
            case 3:
                guard let (snapshot, bytes) = frozen else { break }
                #expect(isEqual(try snapshot.bytes(), bytes))
                base = MemorySource(bytes)
                name = "base \(step)"
                try overlay.rebase(snapshot, onto: base, name: name)
                frozen = nil
            default: break
            }
            if step % 20 == 0 { try check(overlay, model, "after step \(step)") }
        }
        try check(overlay, model)
        #expect(try OverlaySource.baseName(at: directory("overlay")) == name)
    }

    @Test func changesAreWhatDiffersAndLittleMore() throws {
        let directory = try TemporaryDirectory()
        let base = MemorySource.sparse(blocks: 200)
        var model = DiskModel(base.bytes, seed: 9)
        let overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: "base")
        #expect(try overlay.freeze().changes().isEmpty)
        try overlay.write([7], at: 70_000)
        #expect(
            try overlay.freeze().changes() == [OverlayChange(range: 69_632..<73_728, isZero: false)])
        var written = 4096
        for _ in 0..<50 {
            let change = model.nextChange()
            try change.apply(to: overlay)
            written += change.range.count + 2 * 4096
        }
        let frozen = try overlay.freeze()
        var copy = base.bytes
        var listed = 0
        var end: UInt64 = 0
        for change in frozen.changes() {
            #expect(change.range.lowerBound >= end && change.range.upperBound > change.range.lowerBound)
            end = change.range.upperBound
            listed += change.range.count
            let bytes = try frozen.bytes(at: change.range.lowerBound, count: change.range.count)
            if change.isZero { #expect(isZero(bytes[...])) }
            copy.replaceSubrange(Int(change.range.lowerBound)..<Int(end), with: bytes)
        }
        #expect(isEqual(copy, try overlay.bytes()))
        #expect(listed <= written)
    }

    @Test func clientsGoOnWhileAFrozenLayerIsTaken() throws {
        let directory = try TemporaryDirectory()
        let base = MemorySource.sparse(blocks: 20)
        let overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
        try overlay.write([UInt8](repeating: 1, count: 10_000), at: 5000)
        let frozen = try overlay.freeze()
        let before = try frozen.bytes()
        // Half a block above the frozen one, and one that is new.
        try overlay.write([UInt8](repeating: 2, count: 600), at: 6000)
        try overlay.zero(at: 200_000, length: 5000, isAllocated: false)
        #expect(try frozen.bytes() == before)
        var expected = before
        expected.replaceSubrange(6000..<6600, with: [UInt8](repeating: 2, count: 600))
        expected.replaceSubrange(200_000..<205_000, with: [UInt8](repeating: 0, count: 5000))
        #expect(try overlay.bytes() == expected)
        try overlay.rebase(frozen, onto: MemorySource(before), name: "two")
        #expect(try overlay.bytes() == expected)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory("overlay")) == ["layer-00000002"])
        #expect(throws: BlockServiceError.self) {
            try overlay.rebase(frozen, onto: MemorySource(before), name: "two")
        }
        try overlay.close()
        let again = try OverlaySource.open(at: directory("overlay"), base: MemorySource(before), name: "two")
        #expect(try again.bytes() == expected)
    }

    @Test func failedCommitsAreTakenUpByTheNext() throws {
        let directory = try TemporaryDirectory()
        let base = MemorySource.sparse(blocks: 4)
        let overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
        for round in 0..<3 {
            try overlay.write([UInt8(round + 1)], at: UInt64(round * 10_000))
            _ = try overlay.freeze()
            // Nothing new: no further layer.
            #expect(try overlay.freeze().changes().count == round + 1)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory("overlay")).count == 4)
        try overlay.close()
        let again = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
        let frozen = try again.freeze()
        #expect(frozen.changes().map(\.range.lowerBound) == [0, 8192, 16_384])
        let bytes = try frozen.bytes()
        try again.rebase(frozen, onto: MemorySource(bytes), name: "two")
        #expect(try again.freeze().changes().isEmpty)
        #expect(try again.bytes() == bytes)
    }

    @Test func leftoversOfACrashAreCleanedUp() throws {
        let directory = try TemporaryDirectory()
        let base = MemorySource.sparse(blocks: 4)
        let overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
        try overlay.write([1, 2, 3], at: 100)
        let frozen = try overlay.freeze()
        try overlay.write([4], at: 100)
        let middle = try frozen.bytes()
        // As if the crash came between the new base and the deletion.
        try FileManager.default.copyItem(atPath: directory("overlay/layer-00000001"), toPath: directory("kept"))
        try overlay.rebase(frozen, onto: MemorySource(middle), name: "two")
        let expected = try overlay.bytes()
        try overlay.close()
        try FileManager.default.copyItem(atPath: directory("kept"), toPath: directory("overlay/layer-00000001"))
        _ = try directory.write([1, 2, 3], to: "overlay/layer-00000003.new")
        let again = try OverlaySource.open(at: directory("overlay"), base: MemorySource(middle), name: "two")
        #expect(try again.bytes() == expected)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory("overlay")) == ["layer-00000002"])
    }

    @Test func wrongUsesAreRefused() throws {
        let directory = try TemporaryDirectory()
        let base = MemorySource.sparse(blocks: 4)
        #expect(try OverlaySource.baseName(at: directory("overlay")) == nil)
        let overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
        let attributes = try FileManager.default.attributesOfItem(atPath: directory("overlay"))
        #expect(attributes[.posixPermissions] as? Int == 0o700)
        func code(_ body: () throws -> Void) -> BlockServiceError.Code? {
            #expect(throws: BlockServiceError.self) { try body() }?.code
        }
        #expect(code { _ = try OverlaySource.open(at: directory("overlay"), base: base, name: "one") } == .inUse)
        #expect(code { try OverlaySource.remove(at: directory("overlay")) } == .inUse)
        let size = overlay.size
        #expect(code { try overlay.write([1], at: size) } == .invalid)
        #expect(code { try overlay.write([1, 2], at: size - 1) } == .invalid)
        #expect(code { try overlay.write([1], at: .max) } == .invalid)
        #expect(code { try overlay.zero(at: 1, length: .max, isAllocated: false) } == .invalid)
        #expect(code { _ = try overlay.bytes(at: size - 1, count: 2) } == .invalid)
        try overlay.close()
        #expect(code { try overlay.write([1], at: 0) } == .closed)
        #expect(code { try overlay.flush() } == .closed)
        #expect(code { _ = try OverlaySource.open(at: directory("overlay"), base: base, name: "two") } == .otherBase)
        let larger = MemorySource.sparse(blocks: 5)
        #expect(code { _ = try OverlaySource.open(at: directory("overlay"), base: larger, name: "one") } == .otherBase)
        #expect(code { _ = try OverlaySource.open(at: directory.path, base: base, name: "one") } == .invalid)
        let again = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
        try again.write([1], at: 0)
        try again.discard()
        #expect(!FileManager.default.fileExists(atPath: directory("overlay")))
        let fresh = try OverlaySource.open(at: directory("overlay"), base: base, name: "two")
        #expect(try fresh.bytes() == base.bytes)
    }

    /// A bit of the header or the map that is not what was written is an error, and never other bytes.
    @Test func damageIsNoticed() throws {
        let directory = try TemporaryDirectory()
        let base = MemorySource.sparse(blocks: 300)
        let overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
        for offset in stride(from: UInt64(0), to: 19_000_000, by: 1_000_000) { try overlay.write([1], at: offset) }
        try overlay.close()
        let file = try #require(FileHandle(forUpdatingAtPath: directory("overlay/layer-00000001")))
        var random = SeededGenerator(seed: 5)
        for _ in 0..<300 {
            let place =
                Bool.random(using: &random)
                ? UInt64.random(in: 0..<512, using: &random)
                : 4096 + UInt64.random(in: 0..<3 * 512, using: &random)
            func flip(_ bit: UInt8) throws {
                try file.seek(toOffset: place)
                let byte = try #require(try file.read(upToCount: 1)?.first)
                try file.seek(toOffset: place)
                try file.write(contentsOf: Data([byte ^ 1 << bit]))
            }
            let bit = UInt8.random(in: 0..<8, using: &random)
            try flip(bit)
            #expect(throws: BlockServiceError.self) {
                _ = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
            }
            try flip(bit)
        }
    }

    /// Eight threads, each with its own sectors of the same blocks.
    @Test func neighboursInABlockDoNotDisturbEachOther() async throws {
        let directory = try TemporaryDirectory()
        let base = MemorySource.sparse(blocks: 8)
        let overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for thread in 0..<8 {
                group.addTask {
                    for block in 0..<100 {
                        try overlay.write(
                            [UInt8](repeating: UInt8(thread + 1), count: 512), at: UInt64(block * 4096 + thread * 512))
                        if block % 30 == thread { try overlay.flush() }
                        if block == 50, thread == 3 { _ = try overlay.freeze() }
                    }
                }
            }
            try await group.waitForAll()
        }
        var expected = base.bytes
        for sector in 0..<800 {
            expected.replaceSubrange(
                sector * 512..<(sector + 1) * 512, with: [UInt8](repeating: UInt8(sector % 8 + 1), count: 512))
        }
        #expect(isEqual(try overlay.bytes(), expected))
    }
}

import BlockService
import Foundation
import Testing

/// The files of an overlay: how many there are, and what becomes of damaged ones and of errors of the system.
@Suite struct OverlayLayerTests {
    private func layers(_ directory: TemporaryDirectory) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory("overlay")).sorted()
    }

    /// Any number of commits may fail, or become a disk of their own: what was written stays within reach.
    @Test func anyNumberOfFreezesIsPossible() throws {
        let directory = try TemporaryDirectory()
        let base = MemorySource.sparse(blocks: 30)
        var model = DiskModel(base.bytes, seed: 3)
        var overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
        var first: (FrozenOverlay, [UInt8])?
        for round in 0..<50 {
            for _ in 0..<3 {
                let change = model.nextChange()
                try change.apply(to: overlay)
                model.apply(change)
            }
            let frozen = try overlay.freeze()
            #expect(isEqual(try frozen.bytes(), model.bytes), "round \(round)")
            if first == nil { first = (frozen, model.bytes) }
            #expect(try layers(directory).count <= 16)
            if round == 33 {
                try overlay.close()
                overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
            }
        }
        #expect(isEqual(try overlay.bytes(), model.bytes))
        // What was frozen before others were merged can be read, and is no bottom of the overlay any more.
        let (old, bytes) = try #require(first)
        #expect(isEqual(try old.bytes(), bytes))
        let error = #expect(throws: BlockServiceError.self) {
            try overlay.rebase(old, onto: MemorySource(bytes), name: "two")
        }
        #expect(error?.code == .invalid)
        try overlay.write([1, 2, 3], at: 5)
        let frozen = try overlay.freeze()
        let now = try frozen.bytes()
        var copy = base.bytes
        for change in frozen.changes() {
            let range = Int(change.range.lowerBound)..<Int(change.range.upperBound)
            copy.replaceSubrange(range, with: now[range])
        }
        #expect(isEqual(copy, now))
        try overlay.rebase(frozen, onto: MemorySource(now), name: "two")
        #expect(try layers(directory).count == 1)
        try overlay.close()
        let again = try OverlaySource.open(at: directory("overlay"), base: MemorySource(now), name: "two")
        #expect(isEqual(try again.bytes(), now))
    }

    /// As if a crash came after the merged layer got its name, and before the others were deleted.
    @Test func aCrashAfterAMergeLeavesTheSameDisk() throws {
        let directory = try TemporaryDirectory()
        let base = MemorySource.sparse(blocks: 4)
        let overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
        for round in 0..<15 {
            try overlay.write([UInt8](repeating: UInt8(round + 1), count: 5000), at: UInt64(round * 3000))
            _ = try overlay.freeze()
        }
        #expect(try layers(directory).count == 16)
        for name in try layers(directory) {
            try FileManager.default.copyItem(atPath: directory("overlay/\(name)"), toPath: directory(name))
        }
        try overlay.write([99], at: 100_000)
        _ = try overlay.freeze()
        let expected = try overlay.bytes()
        let left = try layers(directory)
        #expect(left.count < 16)
        try overlay.close()
        for number in 1...14 {
            let name = String(format: "layer-%08d", number)
            try FileManager.default.copyItem(atPath: directory(name), toPath: directory("overlay/\(name)"))
        }
        let again = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
        #expect(isEqual(try again.bytes(), expected))
        #expect(try layers(directory) == left)
    }

    @Test func changesNeedNoNewLayer() throws {
        let directory = try TemporaryDirectory()
        let base = MemorySource.sparse(blocks: 4)
        let overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
        #expect(try overlay.changes().isEmpty)
        try overlay.write([1], at: 70_000)
        try overlay.zero(at: 0, length: 4096, isAllocated: false)
        let expected = [
            OverlayChange(range: 0..<4096, isZero: true), OverlayChange(range: 69_632..<73_728, isZero: false),
        ]
        #expect(try overlay.changes() == expected)
        #expect(try layers(directory) == ["layer-00000001"])
        _ = try overlay.freeze()
        #expect(try overlay.changes() == expected)
    }

    /// A file that was cut is no layer without data.
    @Test func aLayerThatWasCutIsDamaged() throws {
        let directory = try TemporaryDirectory()
        let base = MemorySource.sparse(blocks: 4)
        let overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
        try overlay.write([1, 2, 3], at: 70_000)
        try overlay.close()
        let path = directory("overlay/layer-00000001")
        let size = try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? UInt64)
        #expect(size == 1 << 20 + overlay.size)
        for length in [size - 1, 1 << 20, 5000, 4096, 512, 100, 0] {
            let file = try #require(FileHandle(forUpdatingAtPath: path))
            try file.truncate(atOffset: length)
            try file.close()
            let error = #expect(throws: BlockServiceError.self, "\(length) bytes") {
                try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
            }
            #expect(error?.code == .damaged)
        }
    }

    /// Linux tells of lost writes once: who synchronizes the layer that takes the writes has to pass it on.
    @Test(arguments: [1, 2]) func aFailedNewBaseIsAFailedFlush(_ freezes: Int) throws {
        let directory = try TemporaryDirectory()
        let base = MemorySource.sparse(blocks: 4)
        let overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
        try overlay.write([1], at: 0)
        let frozen = try overlay.freeze()
        let bytes = try frozen.bytes()
        if freezes == 2 {
            try overlay.write([2], at: 10_000)
            _ = try overlay.freeze()
        }
        try overlay.write([3], at: 20_000)
        // Writes to the null device succeed; it cannot be synchronized.
        let file = try #require(try descriptor(of: directory("overlay/layer-00000002")))
        let kept = dup(file)
        let null = open("/dev/null", O_RDWR)
        defer {
            close(kept)
            close(null)
        }
        #expect(dup2(null, file) == file)
        #expect(throws: BlockServiceError.self) {
            try overlay.rebase(frozen, onto: MemorySource(bytes), name: "two")
        }
        #expect(dup2(kept, file) == file)
        // The layer that failed is the one that takes the writes, or lies below it.
        if freezes == 1 {
            let error = #expect(throws: BlockServiceError.self) { try overlay.flush() }
            #expect(error?.code == .closed)
            #expect(throws: BlockServiceError.self) { try overlay.write([4], at: 30_000) }
        }
        #expect(try overlay.bytes(at: 20_000, count: 1) == [3])
        // Nothing was dropped.
        #expect(try layers(directory).first == "layer-00000001")
    }

    /// A child that another thread has just forked has all descriptors, until it runs its program.
    @Test func aClosedOverlayCanBeOpenedAlthoughAChildHasItsDescriptor() throws {
        let directory = try TemporaryDirectory()
        let base = MemorySource.sparse(blocks: 4)
        let overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
        let inherited = dup(try #require(try descriptor(of: directory("overlay"))))
        defer { close(inherited) }
        try overlay.close()
        let again = try OverlaySource.open(at: directory("overlay"), base: base, name: "one")
        #expect(try again.changes().isEmpty)
    }

    /// The number under which this process has a file open.
    private func descriptor(of path: String) throws -> Int32? {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { Int32($0) }.first {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) == path
        }
    }
}

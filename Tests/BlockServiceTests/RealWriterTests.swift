import BlockService
import ContentStore
import Foundation
import Testing

/// The programs that people write disks with, on an overlay.
@Suite struct RealWriterTests {
    private func servingOverlay(
        _ base: any BlockSource, _ body: (OverlaySource, String, TemporaryDirectory) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory()
        let overlay = try OverlaySource.open(at: directory("overlay"), base: base, name: "base")
        let server = try await NBDServer.start(
            exports: [NBDExport(name: "disk", writable: overlay)], socketPath: directory("nbd.sock"))
        do {
            try await body(overlay, try server.uri(forExport: "disk"), directory)
            await server.stop()
        } catch {
            await server.stop()
            throw error
        }
    }

    @Test func qemuIOWritesAndReadsBack() async throws {
        let base = MemorySource.sparse(blocks: 40)
        try await servingOverlay(base) { overlay, uri, directory in
            try Tool.run(
                "qemu-io", "-f", "raw", "-c", "write -P 7 130k 5k", "-c", "write -P 8 131k 512", "-c",
                "write -z 200k 64k",
                "-c", "write -z -u 300k 4k", "-c", "write -f -P 9 700001 77777", "-c", "discard 900k 100k", "-c",
                "flush",
                "-c", "read -P 8 131k 512", "-c", "read -P 7 132k 3k", "-c", "read -P 0 200k 64k",
                "-c", "read -P 9 700001 77777", uri)
            var expected = base.bytes
            func fill(_ value: UInt8, _ offset: Int, _ count: Int) {
                expected.replaceSubrange(offset..<offset + count, with: [UInt8](repeating: value, count: count))
            }
            fill(7, 130 << 10, 5 << 10)
            fill(8, 131 << 10, 512)
            fill(0, 200 << 10, 64 << 10)
            fill(0, 300 << 10, 4 << 10)
            fill(9, 700_001, 77_777)
            fill(0, 900 << 10, 100 << 10)
            let raw = try directory.write(expected, to: "expected.raw")
            try Tool.run("qemu-img", "compare", "-f", "raw", "-F", "raw", uri, raw)
            #expect(isEqual(try overlay.bytes(), expected))
            #expect(isEqual(base.bytes, MemorySource.sparse(blocks: 40).bytes))
        }
    }

    @Test func imagesAreCopiedInto() async throws {
        let target = MemorySource([UInt8](repeating: 0xaa, count: 64 * MemorySource.block + 1024))
        let source = MemorySource.sparse(blocks: 64)
        try await servingOverlay(target) { overlay, uri, directory in
            let raw = try directory.write(source.bytes, to: "source.raw")
            try Tool.run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", raw, uri)
            try Tool.run("qemu-img", "compare", "-f", "raw", "-F", "raw", uri, raw)
            #expect(isEqual(try overlay.bytes(), source.bytes))
            try overlay.zero(at: 0, length: overlay.size, isAllocated: false)
            try Tool.run("nbdcopy", "--flush", raw, uri)
            #expect(isEqual(try overlay.bytes(), source.bytes))
            // Holes come through as holes.
            struct Entry: Decodable, Equatable {
                var offset: Int
                var length: Int
                var type: Int
            }
            let map = try Tool.run("nbdinfo", "--map", "--json", uri)
            let entries = try JSONDecoder().decode([Entry].self, from: Data(map.utf8))
            #expect(entries.prefix(2).map(\.type) == [3, 0])
            #expect(entries.prefix(2).map(\.length) == [2 * MemorySource.block, 3 * MemorySource.block])
        }
    }

    @Test func nbdinfoShowsThatItCanBeWrittenTo() async throws {
        try await servingOverlay(MemorySource.sparse(blocks: 4)) { _, uri, _ in
            let text = try Tool.run("nbdinfo", uri)
            for line in [
                "is_read_only: false", "can_flush: true", "can_fua: true", "can_trim: true", "can_zero: true",
                "can_fast_zero: true", "can_multi_conn: true", "can_cache: true",
            ] {
                #expect(text.contains(line))
            }
        }
    }

    /// A file system made and filled elsewhere is sound here, and becomes a version of the store while a client writes on.
    @Test func fileSystemBecomesAVersion() async throws {
        let directory = try TemporaryDirectory()
        let store = try ContentStore.open(at: directory("store"), createIfMissing: true)
        let empty = TreeRoot(kind: .disk, length: 64 << 20, digest: nil)
        try await servingOverlay(StoreBlockSource(store: store, tree: empty)) { overlay, uri, directory in
            let raw = try directory.write([UInt8](repeating: 0, count: 64 << 20), to: "fs.raw")
            try FileManager.default.createDirectory(atPath: directory("files"), withIntermediateDirectories: true)
            var random = SeededGenerator(seed: 8)
            for index in 0..<20 { _ = try directory.write(random.bytes(10_000 * index), to: "files/\(index)") }
            try Tool.run("mke2fs", "-q", "-F", "-t", "ext4", "-d", directory("files"), raw)
            try Tool.run("nbdcopy", raw, uri)
            let frozen = try overlay.freeze()
            try Tool.run("qemu-io", "-f", "raw", "-c", "write -P 1 60M 1M", uri)
            let ingest = try store.beginIngest(label: "commit")
            let editor = try ingest.edit(empty, kind: .disk, length: empty.length)
            for change in frozen.changes() {
                if change.isZero {
                    try editor.zero(at: change.range.lowerBound, length: UInt64(change.range.count))
                } else {
                    let bytes = try frozen.bytes(at: change.range.lowerBound, count: change.range.count)
                    try editor.write(bytes, at: change.range.lowerBound)
                }
            }
            let version = try editor.finish()
            try ingest.finish()
            ingest.close()
            let source = StoreBlockSource(store: store, tree: version)
            try overlay.rebase(frozen, onto: source, name: version.digest?.hex ?? "empty")
            #expect(isEqual(try source.bytes(), try directory.read("fs.raw")))
            let copy = try directory.write(try source.bytes(), to: "copy.raw")
            try Tool.run("e2fsck", "-fn", copy)
            // Only what was written since is left.
            #expect(try overlay.freeze().changes() == [OverlayChange(range: 60 << 20..<61 << 20, isZero: false)])
            try Tool.run("qemu-io", "-r", "-f", "raw", "-c", "read -P 1 60M 1M", uri)
        }
    }

    /// Several programs at once, each in its own part.
    @Test func writersWorkSideBySide() async throws {
        try await servingOverlay(MemorySource.sparse(blocks: 100)) { overlay, uri, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<4 {
                    group.addTask {
                        var arguments = ["-f", "raw"]
                        for step in 0..<30 {
                            arguments += ["-c", "aio_write -P \(index + 1) \((step * 4 + index) * 3000) 3000"]
                        }
                        arguments += ["-c", "aio_flush", "-c", "flush", uri]
                        try Tool.run("qemu-io", arguments: arguments)
                    }
                }
                try await group.waitForAll()
            }
            let bytes = try overlay.bytes(at: 0, count: 360_000)
            var expected: [UInt8] = []
            for piece in 0..<120 { expected += [UInt8](repeating: UInt8(piece % 4 + 1), count: 3000) }
            #expect(isEqual(bytes, expected))
        }
    }
}

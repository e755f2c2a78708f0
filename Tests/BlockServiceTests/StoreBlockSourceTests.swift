import BlockService
import ContentStore
import Foundation
import Testing

/// Disks of a real store behind real clients.
@Suite struct StoreBlockSourceTests {
    /// A disk with a hole between data and an odd end, and a changed copy of it.
    private func makeDisks(_ directory: TemporaryDirectory) throws -> (
        store: ContentStore, disks: [(tree: TreeRoot, bytes: [UInt8])]
    ) {
        let store = try ContentStore.open(at: directory("store"), createIfMissing: true)
        var random = SeededGenerator(seed: 3)
        var bytes = random.bytes(300_000)
        bytes += [UInt8](repeating: 0, count: 1_000_000)
        bytes += random.bytes(70_000 + 512 - 370_000 % 512)
        let ingest = try store.beginIngest(label: "test")
        let editor = try ingest.edit(nil, kind: .disk, length: UInt64(bytes.count))
        try editor.write(bytes, at: 0)
        let first = try editor.finish()
        let change = random.bytes(100)
        let second = try ingest.edit(first, kind: .disk, length: UInt64(bytes.count))
        try second.write(change, at: 700_000)
        var changed = bytes
        changed.replaceSubrange(700_000..<700_100, with: change)
        let disks = [(first, bytes), (try second.finish(), changed)]
        try ingest.finish()
        ingest.close()
        return (store, disks)
    }

    @Test func clientsReadTheTreesOfAStore() async throws {
        let directory = try TemporaryDirectory()
        let (store, disks) = try makeDisks(directory)
        let server = try await NBDServer.start(
            exports: disks.enumerated().map { index, disk in
                NBDExport(name: "disk\(index)", source: StoreBlockSource(store: store, tree: disk.tree))
            },
            socketPath: directory("nbd.sock"))
        for (index, disk) in disks.enumerated() {
            let uri = try server.uri(forExport: "disk\(index)")
            let copy = directory("copy\(index).raw")
            try Tool.run("nbdcopy", uri, copy)
            #expect(isEqual(try directory.read("copy\(index).raw"), disk.bytes))
            try Tool.run("qemu-img", "compare", "-f", "raw", "-F", "raw", uri, copy)
        }
        struct Entry: Decodable {
            var offset: Int
            var length: Int
            var type: Int
        }
        // Chunks of 64 KiB: data in the first five, and from the one that holds the end of the zeros.
        let map = try Tool.run("nbdinfo", "--map", "--json", try server.uri(forExport: "disk0"))
        let entries = try JSONDecoder().decode([Entry].self, from: Data(map.utf8))
        #expect(entries.map(\.type) == [0, 3, 0])
        #expect(entries.map(\.offset) == [0, 5 * 65_536, 19 * 65_536])
        await server.stop()
    }

    @Test func damagedPacksAreAnErrorForTheClient() async throws {
        let directory = try TemporaryDirectory()
        let (_, disks) = try makeDisks(directory)
        // Every pack loses a part of its contents, and the store is opened anew so that nothing is cached.
        let files = try #require(FileManager.default.enumerator(atPath: directory("store")))
        for case let name as String in files where name.hasSuffix(".pack") {
            let path = directory("store/\(name)")
            let size = try #require(FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
            let handle = try #require(FileHandle(forWritingAtPath: path))
            // The head and the footer stay, so that it still opens.
            try handle.seek(toOffset: 4096)
            try handle.write(contentsOf: Data(repeating: 0xa5, count: max(0, size / 2)))
            try handle.close()
        }
        let store = try ContentStore.open(at: directory("store"), createIfMissing: false)
        let failures = FailureList()
        let server = try await NBDServer.start(
            exports: [NBDExport(name: "disk", source: StoreBlockSource(store: store, tree: disks[0].tree))],
            socketPath: directory("nbd.sock"), onFailure: { failures.add($0) })
        #expect(throws: Tool.Failure.self) {
            try Tool.run("nbdcopy", try server.uri(forExport: "disk"), directory("copy.raw"))
        }
        await server.stop()
        #expect(!failures.all.isEmpty && failures.all.allSatisfy { $0.error is StoreError })
    }
}

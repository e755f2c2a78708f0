import BlockService
import Foundation
import Testing

/// The programs that people use: libnbd's tools and QEMU's.
@Suite struct RealClientTests {
    @Test func nbdinfoShowsTheExport() async throws {
        let source = MemorySource.sparse()
        try await serving(source) { server, _ in
            struct Answer: Decodable {
                struct Export: Decodable {
                    var exportName: String
                    var description: String
                    var exportSize: UInt64
                    var contexts: [String]
                    var isReadOnly: Bool
                    var canDF: Bool
                    var canMultiConn: Bool
                    var canCache: Bool
                    var blockMinimum: Int
                    var blockPreferred: Int
                    var blockMaximum: Int

                    enum CodingKeys: String, CodingKey {
                        case exportName = "export-name"
                        case description, contexts
                        case exportSize = "export-size"
                        case isReadOnly = "is_read_only"
                        case canDF = "can_df"
                        case canMultiConn = "can_multi_conn"
                        case canCache = "can_cache"
                        case blockMinimum = "block_size_minimum"
                        case blockPreferred = "block_size_preferred"
                        case blockMaximum = "block_size_maximum"
                    }
                }
                var exports: [Export]
            }
            let uri = try server.uri(forExport: "disk")
            for arguments in [[uri], ["--list", uri]] {
                let text = try Tool.run("nbdinfo", arguments: ["--json"] + arguments)
                let export = try #require(try JSONDecoder().decode(Answer.self, from: Data(text.utf8)).exports.first)
                #expect(export.exportName == "disk" && export.description == "a disk for tests")
                #expect(export.exportSize == source.size && export.contexts == ["base:allocation"])
                #expect(export.isReadOnly && export.canDF && export.canMultiConn && export.canCache)
                #expect(export.blockMinimum == 1 && export.blockPreferred == 65_536 && export.blockMaximum == 32 << 20)
            }
        }
    }

    @Test func nbdinfoMapShowsTheHoles() async throws {
        struct Entry: Decodable, Equatable {
            var offset: Int
            var length: Int
            var type: Int
        }
        let source = MemorySource.sparse(blocks: 10)
        try await serving(source) { server, _ in
            let text = try Tool.run("nbdinfo", "--map", "--json", try server.uri(forExport: "disk"))
            let block = MemorySource.block
            let entries = try JSONDecoder().decode([Entry].self, from: Data(text.utf8))
            let expected = [
                Entry(offset: 0, length: 2 * block, type: 3), Entry(offset: 2 * block, length: 3 * block, type: 0),
                Entry(offset: 5 * block, length: 2 * block, type: 3),
                Entry(offset: 7 * block, length: 3 * block + 1024, type: 0),
            ]
            #expect(entries == expected)
        }
    }

    @Test(arguments: [
        ["--connections=1"], ["--connections=4", "--requests=64"], ["--synchronous"], ["--request-size=33554432"],
    ])
    func nbdcopyCopiesEveryByte(_ options: [String]) async throws {
        let source = MemorySource.sparse(blocks: 600)
        try await serving(source) { server, directory in
            try Tool.run("nbdcopy", arguments: options + [try server.uri(forExport: "disk"), directory("copy.raw")])
            #expect(isEqual(try directory.read("copy.raw"), source.bytes))
        }
    }

    @Test func qemuImgReadsComparesAndConverts() async throws {
        let source = MemorySource.sparse()
        try await serving(source) { server, directory in
            let uri = try server.uri(forExport: "disk")
            let raw = try directory.write(source.bytes, to: "same.raw")
            #expect(try Tool.run("qemu-img", "info", "-f", "raw", uri).contains("\(source.size) bytes"))
            try Tool.run("qemu-img", "compare", "-f", "raw", "-F", "raw", uri, raw)
            try Tool.run("qemu-img", "convert", "-f", "raw", "-O", "raw", uri, directory("converted.raw"))
            #expect(isEqual(try directory.read("converted.raw"), source.bytes))
            let other = try directory.write([1] + source.bytes.dropFirst(), to: "other.raw")
            #expect(throws: Tool.Failure.self) {
                try Tool.run("qemu-img", "compare", "-f", "raw", "-F", "raw", uri, other)
            }
        }
    }

    @Test func overlaysWriteAboveTheExport() async throws {
        let source = MemorySource.sparse()
        try await serving(source) { server, directory in
            let uri = try server.uri(forExport: "disk")
            let overlay = directory("overlay.qcow2")
            try Tool.run("qemu-img", "create", "-q", "-f", "qcow2", "-b", uri, "-F", "raw", overlay)
            try Tool.run("qemu-io", "-c", "write -P 7 130k 5k", "-c", "read -P 7 130k 5k", overlay)
            var expected = source.bytes
            expected.replaceSubrange(130 << 10..<135 << 10, with: [UInt8](repeating: 7, count: 5 << 10))
            try Tool.run("qemu-img", "convert", "-O", "raw", overlay, directory("whole.raw"))
            #expect(isEqual(try directory.read("whole.raw"), expected))
        }
    }

    @Test func writesAreRefused() async throws {
        let source = MemorySource.sparse()
        try await serving(source) { server, _ in
            let uri = try server.uri(forExport: "disk")
            let error = #expect(throws: Tool.Failure.self) {
                try Tool.run("qemu-io", "-f", "raw", "-c", "write 0 512", uri)
            }
            #expect(error?.description.contains("Permission denied") == true)
            try Tool.run("qemu-io", "-r", "-f", "raw", "-c", "read -P 0 0 64k", "-c", "flush", uri)
        }
    }

    @Test func namesAreEscapedInAddresses() async throws {
        let directory = try TemporaryDirectory()
        let names = ["disk é 1", "a/b?c=d&e#f%", "plain"]
        let server = try await NBDServer.start(
            exports: names.enumerated().map {
                NBDExport(name: $1, source: MemorySource([UInt8](repeating: UInt8($0), count: 512)))
            },
            socketPath: directory("s o c k"))
        for (index, name) in names.enumerated() {
            let uri = try server.uri(forExport: name)
            try Tool.run("qemu-io", "-r", "-f", "raw", "-c", "read -P \(index) 0 512", uri)
            #expect(try Tool.run("nbdinfo", "--size", uri) == "512\n")
        }
        let list = try Tool.run("nbdinfo", "--list", "nbd+unix:///?socket=\(directory("s%20o%20c%20k"))")
        #expect(list.contains("a/b?c=d&e#f%"))
        let error = #expect(throws: BlockServiceError.self) { try server.uri(forExport: "other") }
        #expect(error?.code == .noSuchExport)
        await server.stop()
    }

    @Test func clientsWorkSideBySide() async throws {
        let source = MemorySource.sparse(blocks: 400)
        try await serving(source) { server, directory in
            let uri = try server.uri(forExport: "disk")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<6 {
                    group.addTask {
                        try Tool.run("nbdcopy", uri, directory("copy\(index).raw"))
                        #expect(isEqual(try directory.read("copy\(index).raw"), source.bytes))
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}

import BlockService
import Foundation
import Testing

@Suite struct SocketTests {
    private let exports = [NBDExport(name: "disk", source: MemorySource([]))]

    @Test func socketIsItsOwnersAlone() async throws {
        try await serving(MemorySource([])) { server, _ in
            let attributes = try FileManager.default.attributesOfItem(atPath: server.socketPath)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            #expect(attributes[.type] as? FileAttributeType == .typeSocket)
        }
    }

    @Test func pathsThatCannotBeUsedAreNamed() async throws {
        let directory = try TemporaryDirectory()
        _ = try directory.write([], to: "taken")
        let cases: [(String, BlockServiceError.Code)] = [
            (directory("taken"), .pathExists), (directory("missing/nbd.sock"), .cannotListen),
            (directory(String(repeating: "x", count: 108)), .pathTooLong), ("", .pathTooLong),
        ]
        for (path, code) in cases {
            let error = await #expect(throws: BlockServiceError.self) {
                _ = try await NBDServer.start(exports: exports, socketPath: path)
            }
            #expect(error?.code == code)
            #expect(path.isEmpty || error?.description.contains(path) == true)
        }
        #expect(FileManager.default.fileExists(atPath: directory("taken")))
    }

    /// In a directory that others may write to, they could put a socket of theirs in the place of ours.
    @Test(arguments: [0o770, 0o707, 0o722, 0o1777]) func directoriesOfOthersAreRefused(_ mode: Int) async throws {
        let directory = try TemporaryDirectory()
        let open = directory("open")
        try FileManager.default.createDirectory(atPath: open, withIntermediateDirectories: true)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: open)
        let error = await #expect(throws: BlockServiceError.self) {
            _ = try await NBDServer.start(exports: exports, socketPath: open + "/nbd.sock")
        }
        #expect(error?.code == .unsafeDirectory && error?.description.contains(open) == true)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: open)
        await (try NBDServer.start(exports: exports, socketPath: open + "/nbd.sock")).stop()
    }

    @Test func longestPathWorks() async throws {
        let directory = try TemporaryDirectory()
        let path = directory(String(repeating: "x", count: 107 - directory.path.utf8.count - 1))
        let server = try await NBDServer.start(exports: exports, socketPath: path)
        try RawClient(path: path).enter("disk")
        await server.stop()
    }

    @Test func exportNamesAreChecked() async throws {
        let directory = try TemporaryDirectory()
        let source = MemorySource([])
        for names in [["a", "a"], [String(repeating: "n", count: 4097)], ["a\0b"]] {
            let error = await #expect(throws: BlockServiceError.self) {
                _ = try await NBDServer.start(
                    exports: names.map { NBDExport(name: $0, source: source) }, socketPath: directory("nbd.sock"))
            }
            #expect(error?.code == .invalidExport)
        }
    }
}

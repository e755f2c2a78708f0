import Foundation
import ImageRecipe
import Testing

@Suite struct CPIOWriterTests {
    private func sample() throws -> FileTree {
        var tree = FileTree()
        try tree.insert(.characterDevice(mode: 0o600, major: 5, minor: 1), at: "/dev/console")
        try tree.insert(.file(mode: 0o755, .bytes(Array("#!/bin/sh\n".utf8))), at: "/init")
        try tree.insert(.link(target: "busybox"), at: "/bin/sh")
        try tree.insert(.directory(mode: 0o1777), at: "/tmp")
        return tree
    }

    @Test func aHeaderHasTheFieldsOfNewc() throws {
        let directory = try TemporaryDirectory()
        var tree = FileTree()
        try tree.insert(.file(mode: 0o640, .bytes(Array("hello".utf8))), at: "/ab")
        try CPIOWriter.write(tree, to: directory.path + "/a.cpio")
        let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: directory.path + "/a.cpio")))
        let header =
            "070701" + "00000001" + "000081A0" + "00000000" + "00000000" + "00000001" + "00000000" + "00000005"
            + "00000000" + "00000000" + "00000000" + "00000000" + "00000003" + "00000000" + "ab\0"
        // 110 bytes of header and 3 of name, padded to 116; the data padded to 124.
        #expect(Array(bytes[0..<113]) == Array(header.utf8))
        #expect(Array(bytes[113..<124]) == [0, 0, 0] + Array("hello".utf8) + [0, 0, 0])
        #expect(bytes[124...].starts(with: Array("07070100000000".utf8)))
        #expect(bytes.count == 512)
    }

    @Test func cpioReadsTheArchive() throws {
        let directory = try TemporaryDirectory()
        let archive = directory.path + "/a.cpio"
        try CPIOWriter.write(try sample(), to: archive)
        let (status, text) = try run(["sh", "-c", "cpio -itv --quiet < \(archive)"], in: directory)
        #expect(status == 0)
        let lines = text.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        #expect(
            lines == [
                "drwxr-xr-x 2 root root 0 Jan 1 1970 bin",
                "lrwxrwxrwx 1 root root 7 Jan 1 1970 bin/sh -> busybox",
                "drwxr-xr-x 2 root root 0 Jan 1 1970 dev",
                "crw------- 1 root root 5, 1 Jan 1 1970 dev/console",
                "-rwxr-xr-x 1 root root 10 Jan 1 1970 init",
                "drwxrwxrwt 2 root root 0 Jan 1 1970 tmp",
            ])
    }

    @Test func equalTreesGiveEqualBytes() throws {
        let directory = try TemporaryDirectory()
        for name in ["a", "b"] { try CPIOWriter.write(try sample(), to: directory.path + "/" + name) }
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: directory.path + "/a"))
                == Data(contentsOf: URL(fileURLWithPath: directory.path + "/b")))
    }

    @Test func aSourceThatIsGoneIsAnError() throws {
        let directory = try TemporaryDirectory()
        var tree = FileTree()
        try tree.insert(.file(mode: 0o644, .file(directory.path + "/none")), at: "/a")
        let error = #expect(throws: RecipeError.self) { try CPIOWriter.write(tree, to: directory.path + "/a.cpio") }
        #expect(error?.code == .missingSource)
    }

    @Test func anArchiveThatCannotBeWrittenIsAnError() throws {
        let tree = try sample()
        let error = #expect(throws: RecipeError.self) { try CPIOWriter.write(tree, to: "/dev/full") }
        #expect(error?.code == .cannotWrite)
    }
}

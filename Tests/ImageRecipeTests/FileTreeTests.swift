import Foundation
import ImageRecipe
import Testing

@Suite struct FileTreeTests {
    @Test func directoriesAboveAnEntryAppear() throws {
        var tree = FileTree()
        try tree.insert(.file(mode: 0o644, .bytes([1])), at: "/a/b/c")
        #expect(tree.sorted.map(\.path) == ["/a", "/a/b", "/a/b/c"])
        #expect(tree.entries["/a/b"] == .directory(mode: 0o755))
    }

    @Test func aLaterEntryReplacesAnEarlierOne() throws {
        var tree = FileTree()
        try tree.insert(.link(target: "x"), at: "/a")
        try tree.insert(.file(mode: 0o600, .bytes([])), at: "/a")
        #expect(tree.entries["/a"] == .file(mode: 0o600, .bytes([])))
        try tree.insert(.directory(mode: 0o755), at: "/d")
        try tree.insert(.file(mode: 0o600, .bytes([])), at: "/d/e")
        try tree.insert(.directory(mode: 0o700), at: "/d")
        #expect(tree.entries.count == 3)
    }

    @Test(arguments: ["", "/", "a", "/a/", "//a", "/a/./b", "/../a", "/a\0b"])
    func otherPathsAreRefused(path: String) {
        var tree = FileTree()
        #expect(throws: RecipeError.self) { try tree.insert(.link(target: "x"), at: path) }
    }

    @Test func filesAndDirectoriesDoNotReplaceEachOther() throws {
        var tree = FileTree()
        try tree.insert(.link(target: "x"), at: "/a")
        #expect(throws: RecipeError.self) { try tree.insert(.link(target: "x"), at: "/a/b") }
        try tree.insert(.directory(mode: 0o755), at: "/d")
        #expect(throws: RecipeError.self) { try tree.insert(.link(target: "x"), at: "/d") }
    }

    @Test func directoriesOfTheMachineAreCopiedWhole() throws {
        let directory = try TemporaryDirectory()
        let script = try directory.write("#!/bin/sh", to: "source/sub/script")
        try directory.write("text", to: "source/text")
        try directory.write("doc", to: "source/doc/x")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script)
        try FileManager.default.createSymbolicLink(
            atPath: directory.path + "/source/link", withDestinationPath: "text")
        var tree = FileTree()
        try tree.insert(copyOf: directory.path + "/source", at: "/here") { $0 == "/here/doc" }
        #expect(tree.sorted.map(\.path) == ["/here", "/here/link", "/here/sub", "/here/sub/script", "/here/text"])
        #expect(tree.entries["/here/sub/script"] == .file(mode: 0o755, .file(script)))
        #expect(tree.entries["/here/link"] == .link(target: "text"))
        #expect(throws: RecipeError.self) { try tree.insert(copyOf: directory.path + "/none", at: "/none") }
    }
}

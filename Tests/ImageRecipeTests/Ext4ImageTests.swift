import Foundation
import ImageRecipe
import Testing

@Suite struct Ext4ImageTests {
    private let place = RecipeError.Place(file: "r.yaml", line: 3)

    private func sample() throws -> FileTree {
        var tree = FileTree()
        try tree.insert(.file(mode: 0o4750, .bytes(Array("hello\n".utf8))), at: "/sub dir/file")
        try tree.insert(.link(target: "sub dir/file"), at: "/link")
        try tree.insert(.directory(mode: 0o1777), at: "/tmp")
        return tree
    }

    @Test func theFileSystemHoldsTheTree() throws {
        let directory = try TemporaryDirectory()
        let disk = directory.path + "/disk.raw"
        try Ext4Image(scratch: directory.path).write(
            try sample(), sizeMiB: 4, label: "data", identity: "x/0", to: disk, at: place)
        let (status, report) = try run(["e2fsck", "-fn", disk], in: directory)
        #expect(status == 0, "\(report)")
        let (_, file) = try run(["debugfs", "-R", "stat \"/sub dir/file\"", disk], in: directory)
        #expect(file.contains("Mode:  04750"))
        #expect(file.contains("User:     0   Group:     0"))
        #expect(file.contains("Sat Jan  1 00:00:00 2000"))
        let (_, text) = try run(["debugfs", "-R", "cat \"/sub dir/file\"", disk], in: directory)
        #expect(text.contains("hello\n"))
        let (_, link) = try run(["debugfs", "-R", "stat /link", disk], in: directory)
        #expect(link.contains("Fast link dest: \"sub dir/file\""))
        let (_, label) = try run(["e2label", disk], in: directory)
        #expect(label == "data\n")
        let size = try FileManager.default.attributesOfItem(atPath: disk)[.size] as? NSNumber
        #expect(size?.intValue == 4 << 20)
    }

    @Test func equalTreesGiveEqualBytes() throws {
        let directory = try TemporaryDirectory()
        for name in ["a", "b"] {
            try Ext4Image(scratch: directory.path).write(
                try sample(), sizeMiB: 4, label: nil, identity: "x/0", to: directory.path + "/" + name, at: place)
        }
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: directory.path + "/a"))
                == Data(contentsOf: URL(fileURLWithPath: directory.path + "/b")))
    }

    @Test func contentThatDoesNotFitIsAnError() throws {
        let directory = try TemporaryDirectory()
        var tree = FileTree()
        try tree.insert(.file(mode: 0o644, .bytes(Array(repeating: 7, count: 3 << 20))), at: "/big")
        let error = #expect(throws: RecipeError.self) {
            try Ext4Image(scratch: directory.path).write(
                tree, sizeMiB: 2, label: nil, identity: "x/0", to: directory.path + "/d", at: place)
        }
        #expect(error?.code == .contentRefused)
        #expect(error?.place == place)
    }

    @Test func uuidsAreWellFormedAndDiffer() {
        let uuids = (0..<100).map { Ext4Image.uuid(of: "name/\($0)") }
        #expect(Set(uuids).count == 100)
        for uuid in uuids {
            #expect(UUID(uuidString: uuid) != nil)
            #expect(uuid.split(separator: "-")[2].first == "8")
            #expect("89ab".contains(uuid.split(separator: "-")[3].prefix(1)))
        }
    }
}

import Foundation
import GuestFiles
import TestSupport
import Testing

/// Real file systems, made and changed by e2fsprogs.
@Suite struct Ext4DifferenceTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory("files") }

    private func makeTree() throws -> String {
        let root = directory("tree")
        let files = FileManager.default
        try files.createDirectory(atPath: root + "/etc/deep/er", withIntermediateDirectories: true)
        try files.createDirectory(atPath: root + "/bin", withIntermediateDirectories: true)
        var generator = SeededGenerator(seed: 5)
        try Data(generator.bytes(300_000)).write(to: URL(fileURLWithPath: root + "/bin/program"))
        try Data("Stemma\n".utf8).write(to: URL(fileURLWithPath: root + "/etc/name"))
        try Data("old\n".utf8).write(to: URL(fileURLWithPath: root + "/etc/deep/er/file"))
        try Data("stays\n".utf8).write(to: URL(fileURLWithPath: root + "/etc/stays"))
        try files.createSymbolicLink(atPath: root + "/link", withDestinationPath: "etc/name")
        for number in 0..<300 {
            try Data("entry \(number)".utf8).write(to: URL(fileURLWithPath: root + "/bin/tool-\(number)"))
        }
        return root
    }

    private func makeImage(_ name: String, _ options: [String] = []) throws -> String {
        let image = directory(name)
        try Tool.run("mke2fs", ["-q", "-t", "ext4", "-d", try makeTree()] + options + [image, "32M"])
        return image
    }

    /// Runs commands of debugfs, which writes to the image.
    private func change(_ image: String, _ commands: [String]) throws {
        let script = try directory.write(Array((commands.joined(separator: "\n") + "\n").utf8), to: "script")
        try Tool.run("debugfs", ["-w", "-f", script, image])
    }

    private func copy(_ image: String, as name: String) throws -> String {
        try Tool.run("cp", ["--sparse=always", image, directory(name)])
        return directory(name)
    }

    private func open(_ path: String) throws -> Ext4FileSystem { try Ext4FileSystem(try FileReader(path)) }

    private func difference(
        _ old: String, _ new: String, withRanges: Bool = true
    ) throws -> [String: FileDifference.Change] {
        let ranges = withRanges ? try FileReader.changedRanges(old, new) : nil
        let changes = try FileDifference(from: open(old), to: open(new), changed: ranges).changes
        return Dictionary(uniqueKeysWithValues: changes.map { ($0.path, $0) })
    }

    @Test func listsWhatMke2fsPutIn() throws {
        let files = try open(makeImage("a")).files()
        #expect(files["/bin/program"]?.size == 300_000)
        #expect(files["/link"]?.kind == .symlink)
        #expect(files["/etc/deep/er"]?.kind == .directory)
        let others = files.keys.filter { !$0.contains("tool") }.sorted()
        let expected = [
            "/bin", "/bin/program", "/etc", "/etc/deep", "/etc/deep/er", "/etc/deep/er/file", "/etc/name", "/etc/stays",
            "/link", "/lost+found",
        ]
        #expect(others == expected)
        #expect(files.count == 310)
    }

    @Test func equalVersionsHaveNoDifference() throws {
        let image = try makeImage("a")
        #expect(try difference(image, copy(image, as: "b")).isEmpty)
    }

    @Test(arguments: [true, false]) func tellsEveryKindOfChange(withRanges: Bool) throws {
        let old = try makeImage("a")
        let new = try copy(old, as: "b")
        try directory.write(Array("another text\n".utf8), to: "content")
        try change(
            new,
            [
                "rm /bin/tool-7", "cd /etc", "write \(directory("content")) added", "rm name",
                "write \(directory("content")) name", "ln /etc/deep/er/file /etc/moved", "unlink /etc/deep/er/file",
                "set_inode_field /bin/tool-9 mode 0100755", "mkdir /etc/new",
            ])
        let changes = try difference(old, new, withRanges: withRanges)
        #expect(changes["/bin/tool-7"]?.kind == .removed)
        #expect(changes["/etc/added"]?.kind == .added)
        #expect(changes["/etc/added"]?.newSize == 13)
        #expect(changes["/etc/name"]?.kind == .modified)
        #expect(changes["/etc/name"]?.oldSize == 7)
        #expect(changes["/etc/moved"]?.kind == .renamed)
        #expect(changes["/etc/moved"]?.oldPath == "/etc/deep/er/file")
        #expect(changes["/bin/tool-9"]?.kind == .attributes)
        #expect(changes["/etc/new"]?.type == "directory")
        #expect(changes["/etc/stays"] == nil)
        #expect(changes["/bin/program"] == nil)
        #expect(changes.count == 6, "\(changes.keys.sorted())")
    }

    @Test func seesBytesChangedInPlaceWithTheSameTime() throws {
        let old = try makeImage("a", ["-b", "1024"])
        let new = try copy(old, as: "b")
        // As a database does through mmap: a block of the file, nothing of the inode.
        let block = try Tool.run("debugfs", ["-R", "bmap /bin/program 40", old])
        let number = try #require(
            block.split(whereSeparator: \.isWhitespace).last.flatMap { UInt64($0) }, "debugfs printed: \(block)")
        try Tool.run(
            "dd", ["if=/dev/zero", "of=\(new)", "bs=1024", "seek=\(number)", "count=1", "conv=notrunc"])
        let kinds = try difference(old, new).mapValues(\.kind)
        #expect(kinds == ["/bin/program": .modified])
    }

    @Test func replaysAJournalAsE2fsckDoes() throws {
        let old = try makeImage("a", ["-b", "4096"])
        let new = try copy(old, as: "b")
        // The inode table's block of the root directory and a directory block go through the journal.
        let changed = try copy(old, as: "c")
        try change(changed, ["set_inode_field /etc/stays size 2", "set_inode_field /bin/tool-1 mode 0100700"])
        let ranges = try FileReader.changedRanges(old, changed, granularity: 4096)
        var blocks: [String] = []
        for range in ranges {
            for block in range.lowerBound / 4096..<(range.upperBound + 4095) / 4096 where block != 0 {
                blocks.append("\(block)")
            }
        }
        try #require(!blocks.isEmpty)
        let contents = directory("blocks")
        try directory.write([], to: "blocks")
        for (index, block) in blocks.enumerated() {
            try Tool.run(
                "dd",
                [
                    "if=\(changed)", "of=\(contents)", "bs=4096", "skip=\(block)", "seek=\(index)", "count=1",
                    "conv=notrunc",
                ])
        }
        try change(new, ["jo", "jw -b \(blocks.joined(separator: ",")) \(contents)", "jc"])

        let replayed = try open(new)
        #expect(replayed.replayedTransactions == 1)
        #expect(try replayed.files()["/etc/stays"]?.size == 2)
        let byTool = try copy(new, as: "d")
        try Tool.run("e2fsck", ["-E", "journal_only", "-y", byTool])
        #expect(try open(byTool).files() == replayed.files())
        let kinds = try difference(old, new).mapValues(\.kind)
        #expect(kinds == ["/etc/stays": .modified, "/bin/tool-1": .attributes])
    }

    @Test func damagedFileSystemsNeverTrap() throws {
        let image = try makeImage("a")
        let original = try directory.read("a")
        var generator = SeededGenerator(seed: 77)
        for _ in 0..<60 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...40, using: &generator) {
                // Most of the metadata is at the front.
                let limit = Bool.random(using: &generator) ? 4096 : 1 << 20
                bytes[Int.random(in: 1024..<limit, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            let damaged = try directory.write(bytes, to: "damaged")
            do {
                let changes = try FileDifference(
                    from: open(image), to: open(damaged), changed: FileReader.changedRanges(image, damaged)
                ).changes
                #expect(changes.count < 10_000)
            } catch let error as GuestFilesError {
                #expect(!error.message.isEmpty)
            }
        }
    }
}

/// A file as a disk.
struct FileReader: DiskReader {
    let data: Data
    var size: UInt64 { UInt64(data.count) }

    init(_ path: String) throws { data = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped) }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        let start = data.startIndex + Int(offset)
        data.copyBytes(to: buffer, from: start..<start + buffer.count)
    }

    static func changedRanges(_ old: String, _ new: String, granularity: Int = 65_536) throws -> [Range<UInt64>] {
        let left = try FileReader(old).data
        let right = try FileReader(new).data
        return stride(from: 0, to: left.count, by: granularity).compactMap { start in
            let end = min(start + granularity, left.count)
            return left[start..<end] == right[start..<end] ? nil : UInt64(start)..<UInt64(end)
        }
    }
}

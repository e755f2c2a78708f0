import Foundation
import ImageRecipe
import Testing

/// From a tar archive, with files placed over it, to an ext4 file system.
@Suite struct RootFileSystemTests {
    /// An archive of a small tree, as mmdebstrap's tar writes it.
    private func archive(in directory: TemporaryDirectory) throws -> String {
        let long = String(repeating: "long-", count: 30)
        let script = """
            mkdir -p t/usr/lib t/etc t/home/joe t/\(long)/\(long) && cd t && ln -s usr/lib lib &&
            echo hello > etc/motd && ln etc/motd home/joe/motd && ln -s ../etc/motd home/link &&
            seq 100000 > usr/lib/numbers && : > etc/empty && chmod 4755 usr/lib/numbers &&
            echo x > \(long)/\(long)/file && mkfifo etc/pipe &&
            for i in $(seq 700); do echo $i > usr/lib/a-file-with-a-long-name-so-that-the-directory-grows-$i; done &&
            tar --format=pax --sort=name --numeric-owner --owner=1234 --group=70000 --mtime=@1700000000 -cf ../t.tar .
            """
        let (status, text) = try run(["sh", "-c", "cd \(directory.path) && " + script], in: directory)
        #expect(status == 0, "\(text)")
        return directory.path + "/t.tar"
    }

    private func makeDisk(_ system: RootFileSystem, at path: String, in directory: TemporaryDirectory) throws {
        let start = 1 << 20
        let (status, text) = try run(
            ["sh", "-c", "truncate -s 40M \(path) && mke2fs -q -F -t ext4 -E offset=\(start) \(path) 39M"], in: directory)
        #expect(status == 0, "\(text)")
        var disk = try Ext4FileSystem.open(path: path, offset: UInt64(start), time: 1_700_000_000)
        try system.write(to: &disk, time: 1_600_000_000)
        try disk.close()
    }

    private func debug(_ command: String, _ disk: String, in directory: TemporaryDirectory) throws -> String {
        try run(["debugfs", "-R", command, disk + "?offset=1048576"], in: directory).1
    }

    @Test func theArchiveIsReadWithLongNamesLinksAndOwners() throws {
        let directory = try TemporaryDirectory()
        let entries = try TarArchive(path: archive(in: directory)).entries
        let file = try #require(entries["/usr/lib/numbers"])
        #expect(file.mode == 0o4755)
        #expect(file.owner == 1234)
        #expect(file.group == 70000)
        #expect(file.modified == 1_700_000_000)
        if case .file(_, let size) = file.kind { #expect(size == 588_895) } else { Issue.record("no file") }
        #expect(entries["/lib"]?.kind == .symbolicLink(target: "usr/lib"))
        #expect(entries["/home/joe/motd"]?.kind == .hardLink(path: "/etc/motd"))
        #expect(entries["/etc/pipe"]?.kind == .pipe)
        let long = String(repeating: "long-", count: 30)
        #expect(entries["/\(long)/\(long)/file"] != nil)
        #expect(entries["/"]?.kind == .directory)
    }

    @Test func theFileSystemIsSoundAndHoldsBoth() throws {
        let directory = try TemporaryDirectory()
        var system = RootFileSystem(try TarArchive(path: archive(in: directory)))
        var tree = FileTree()
        try tree.insert(.file(mode: 0o600, .bytes(Array("placed\n".utf8))), at: "/lib/placed")
        try tree.insert(.file(mode: 0o644, .bytes(Array("other\n".utf8))), at: "/etc/empty")
        try tree.insert(.link(target: "/etc/empty"), at: "/etc/pipe")
        try system.place(tree)
        let disk = directory.path + "/disk.raw"
        try makeDisk(system, at: disk, in: directory)
        let (status, report) = try run(["e2fsck", "-fn", disk + "?offset=1048576"], in: directory)
        #expect(status == 0, "\(report)")
        #expect(try debug("cat /usr/lib/placed", disk, in: directory).contains("placed\n"))
        #expect(try debug("cat /etc/empty", disk, in: directory).contains("other\n"))
        #expect(try debug("stat /etc/pipe", disk, in: directory).contains("Fast link dest: \"/etc/empty\""))
        #expect(try debug("stat /lib", disk, in: directory).contains("Fast link dest: \"usr/lib\""))
        #expect(try debug("cat /usr/lib/a-file-with-a-long-name-so-that-the-directory-grows-699", disk, in: directory).contains("699"))
        let file = try debug("stat /usr/lib/numbers", disk, in: directory)
        #expect(file.contains("Mode:  04755"))
        #expect(file.contains("User:  1234   Group: 70000"))
        #expect(file.contains("mtime: 0x6553f100"))
        #expect(try debug("stat /home/joe/motd", disk, in: directory).contains("Links: 2"))
        // Every byte of a file that is larger than a block.
        _ = try debug("dump /usr/lib/numbers \(directory.path)/numbers", disk, in: directory)
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: directory.path + "/numbers"))
                == Data(contentsOf: URL(fileURLWithPath: directory.path + "/t/usr/lib/numbers")))
    }

    @Test func equalTreesGiveEqualFileSystems() throws {
        let directory = try TemporaryDirectory()
        let system = RootFileSystem(try TarArchive(path: archive(in: directory)))
        let base = directory.path + "/base"
        let (status, text) = try run(
            ["sh", "-c", "truncate -s 40M \(base) && mke2fs -q -F -t ext4 \(base)"], in: directory)
        #expect(status == 0, "\(text)")
        for name in ["a", "b"] {
            let path = directory.path + "/" + name
            try FileManager.default.copyItem(atPath: base, toPath: path)
            var disk = try Ext4FileSystem.open(path: path, offset: 0, time: 1_700_000_000)
            try system.write(to: &disk, time: 1_600_000_000)
            try disk.close()
        }
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: directory.path + "/a"))
                == Data(contentsOf: URL(fileURLWithPath: directory.path + "/b")))
    }

    @Test func whatDoesNotFitIsAnErrorWithAdvice() throws {
        let directory = try TemporaryDirectory()
        var system = RootFileSystem(try TarArchive(path: archive(in: directory)))
        var tree = FileTree()
        try tree.insert(.file(mode: 0o600, .bytes([UInt8](repeating: 1, count: 60 << 20))), at: "/big")
        try system.place(tree)
        let error = #expect(throws: RecipeError.self) {
            try makeDisk(system, at: directory.path + "/disk.raw", in: directory)
        }
        #expect(error?.code == .contentRefused)
        #expect(error?.message.contains("raise 'size'") == true)
    }

    @Test func aDirectoryOfTheSystemIsNotReplacedByAFile() throws {
        let directory = try TemporaryDirectory()
        var system = RootFileSystem(try TarArchive(path: archive(in: directory)))
        var tree = FileTree()
        try tree.insert(.file(mode: 0o600, .bytes([1])), at: "/usr")
        #expect(throws: RecipeError.self) { try system.place(tree) }
    }

    @Test func mutatedArchivesThrowAndNeverTrap() throws {
        let directory = try TemporaryDirectory()
        let script = "cd \(directory.path) && mkdir s && echo 1 > s/$(printf 'a%.0s' $(seq 150)) && ln -s x s/l && tar --format=pax -cf s.tar s"
        #expect(try run(["sh", "-c", script], in: directory).0 == 0)
        let original = [UInt8](try Data(contentsOf: URL(fileURLWithPath: directory.path + "/s.tar")))
        var generator = SeededGenerator(state: 5)
        let path = directory.path + "/mutated.tar"
        for round in 0..<2000 {
            var bytes = mutated(original, by: &generator)
            // Half of them with right checksums, so that the fields behind it are reached.
            if round.isMultiple(of: 2) { Self.repairChecksums(&bytes) }
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            do throws(RecipeError) {
                _ = try TarArchive(path: path)
            } catch {
                #expect(error.code == .unreadable)
            }
        }
    }

    private static func repairChecksums(_ bytes: inout [UInt8]) {
        for start in stride(from: 0, to: bytes.count - 511, by: 512) where bytes[start + 257] == UInt8(ascii: "u") {
            for index in 148..<156 { bytes[start + index] = 0x20 }
            let sum = bytes[start..<start + 512].reduce(0) { $0 + Int($1) }
            let digits = String(sum, radix: 8)
            let field = String(repeating: "0", count: 6 - digits.count) + digits + "\0 "
            bytes.replaceSubrange(start + 148..<start + 156, with: Array(field.utf8))
        }
    }
}

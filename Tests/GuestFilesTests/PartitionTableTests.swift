import Foundation
import GuestFiles
import TestSupport
import Testing

/// Tables written by sfdisk.
@Suite struct PartitionTableTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory("partitions") }

    private func disk(_ script: String) throws -> FileReader {
        let path = directory("disk")
        try Tool.run("truncate", ["-s", "64M", path])
        try directory.write(Array(script.utf8), to: "script")
        try Tool.run("sh", ["-c", "sfdisk -q \(path) < \(directory("script"))"])
        return try FileReader(path)
    }

    @Test func readsGUIDPartitions() throws {
        let table = try PartitionTable(
            of: disk("label: gpt\nstart=2048, size=4096\nstart=8192, size=65536, type=linux\n"))
        #expect(table.partitions.map(\.number) == [1, 2])
        let offsets = table.partitions.map { $0.offset / 512 }
        let lengths = table.partitions.map { $0.length / 512 }
        #expect(offsets == [2048, 8192])
        #expect(lengths == [4096, 65536])
    }

    @Test func readsPrimaryAndLogicalPartitions() throws {
        let table = try PartitionTable(
            of: disk(
                "label: dos\nstart=2048, size=4096\nstart=8192, size=100000, type=5\nstart=10240, size=2048\nstart=16384, size=4096\n"
            ))
        #expect(table.partitions.map(\.number) == [1, 5, 6])
        let offsets = table.partitions.map { $0.offset / 512 }
        #expect(offsets == [2048, 10240, 16384])
    }

    @Test func findsAFileSystemOnTheWholeDiskAndInAPartition() throws {
        let whole = directory("whole")
        try Tool.run("mke2fs", ["-q", "-t", "ext4", whole, "16M"])
        let table = try PartitionTable(of: FileReader(whole))
        #expect(table.partitions.count == 1)
        #expect(table.partitions.first?.number == nil)
        #expect(table.partitions.first?.content == .ext4)

        let parts = directory("disk")
        _ = try disk("label: gpt\nstart=2048, size=32768\n")
        try Tool.run("dd", ["if=\(whole)", "of=\(parts)", "bs=1M", "seek=1", "conv=notrunc"])
        let found = try PartitionTable(of: FileReader(parts))
        #expect(found.partitions.map(\.content) == [.ext4])
        let partition = try #require(found.partitions.first)
        let system = try Ext4FileSystem(
            PartitionReader(FileReader(parts), offset: partition.offset, length: partition.length))
        #expect(try system.files().keys.sorted() == ["/lost+found"])
    }

    @Test func anEmptyDiskIsOneUnknownPartition() throws {
        let path = try directory.write([UInt8](repeating: 0, count: 4096), to: "empty")
        #expect(try PartitionTable(of: FileReader(path)).partitions.map(\.content) == [.unknown])
    }

    @Test func damagedTablesNeverTrap() throws {
        let original = try disk("label: gpt\nstart=2048, size=4096\n").data
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<2000 {
            var bytes = [UInt8](original.prefix(20_000))
            for _ in 0..<Int.random(in: 1...30, using: &generator) {
                bytes[Int.random(in: 0..<2048, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            let table = try PartitionTable(of: BytesReader(bytes: bytes))
            #expect(table.partitions.allSatisfy { $0.offset <= 20_000 && $0.length <= 20_000 })
        }
    }
}

private struct BytesReader: DiskReader {
    let bytes: [UInt8]
    var size: UInt64 { UInt64(bytes.count) }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws { copy(Int(offset), buffer) }

    /// Not inlined; see Tests/check-machine-code.
    @inline(never)
    private func copy(_ offset: Int, _ buffer: UnsafeMutableRawBufferPointer) {
        buffer.copyBytes(from: bytes[offset..<offset + buffer.count])
    }
}

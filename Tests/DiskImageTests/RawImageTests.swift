import DiskImage
import Foundation
import Testing

@Suite struct RawImageTests {
    @Test func holesAreZeroExtents() throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk.raw")
        try Tool.run("truncate", ["-s", "4M", path])
        try Tool.qemuIO(path, format: "raw", ["write -P 3 1M 128k", "write -P 4 4032k 64k"])
        let image = try RawImage(path: path)
        try expectContents(of: image, equal: directory.read("disk.raw"))
        let ranges: [Range<UInt64>] = [1 << 20..<(1 << 20) + (128 << 10), 4032 << 10..<4 << 20]
        #expect(try dataRanges(of: image) == ranges)
        #expect(try image.extents(from: 0, length: 4096).map(\.kind) == [.zero])
        #expect(try image.extents(from: (1 << 20) + 7, length: 9).map(\.kind) == [.data])
    }

    @Test func sizeIsRoundedUpToASector() throws {
        let directory = try TemporaryDirectory()
        let image = try RawImage(path: directory.write([UInt8](repeating: 9, count: 1000), to: "disk.raw"))
        try expectContents(
            of: image, equal: [UInt8](repeating: 9, count: 1000) + [UInt8](repeating: 0, count: 24))
    }

    @Test func emptyFileIsAnEmptyDisk() throws {
        let directory = try TemporaryDirectory()
        let image = try DiskImages.open(path: directory.write([], to: "disk.raw"))
        #expect(image.virtualSize == 0)
        #expect(try image.extents(from: 0, length: 0).isEmpty)
    }

    @Test func probingIsByMagicAndCanBeOverruled() throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk")
        try Tool.qemuImg("create", "-q", "-f", "qcow2", path, "1M")
        #expect(try DiskImages.probe(path: path) == .qcow2)
        #expect(try DiskImages.open(path: path).virtualSize == 1 << 20)
        #expect(try DiskImages.open(path: path, format: .raw).bytes(at: 0, count: 2) == [0x51, 0x46])
        let raw = try directory.write([0x51, 0x46], to: "short")
        #expect(try DiskImages.probe(path: raw) == .raw)
        let error = #expect(throws: DiskImageError.self) { try DiskImages.open(path: raw, format: .qcow2) }
        #expect(error?.code == .truncated)
    }

    @Test func directoriesFIFOsAndMissingFilesAreRefused() throws {
        let directory = try TemporaryDirectory()
        try Tool.run("mkfifo", [directory("fifo")])
        for path in [directory.path, directory("missing"), directory("fifo"), "/dev/null"] {
            let error = #expect(throws: DiskImageError.self) { try DiskImages.open(path: path) }
            #expect(error?.code == .cannotOpen)
            #expect(error?.message.contains(path) == true)
        }
    }
}

import DiskImage
import Foundation
import Glibc
import Synchronization
import Testing

/// Sparse raw files.
@Suite struct RawWriterTests {
    private func allocated(_ path: String) throws -> Int {
        var status = stat()
        try #require(stat(path, &status) == 0)
        return Int(status.st_blocks) * 512
    }

    @Test(arguments: [512, 4096, 65_536, 3 << 20]) func diskIsWrittenSparsely(_ unit: Int) throws {
        let directory = try TemporaryDirectory()
        let path = directory("new.raw")
        let image = MemoryImage(seed: UInt64(unit), size: (21 << 20) + 512, unit: unit)
        var reported: [UInt64] = []
        let written = try RawWriter.write(image, to: path) { reported.append($0) }
        #expect(try isEqual(directory.read("new.raw"), image.bytes))
        #expect(reported.last == image.virtualSize)
        #expect(try directory.read("new.raw").count == image.bytes.count)
        // Nothing but blocks that hold something.
        let needed =
            stride(from: 0, to: image.bytes.count, by: 4096).filter {
                !isZero(image.bytes, in: $0..<min($0 + 4096, image.bytes.count))
            }.count * 4096
        #expect(try allocated(path) <= needed + 65_536 && written <= needed)
        try Tool.run(
            "qemu-img", ["compare", "-f", "raw", "-F", "raw", path, directory.write(image.bytes, to: "other")])
    }

    @Test func qcow2AndBackWithZerosInside() throws {
        let directory = try TemporaryDirectory()
        let image = MemoryImage(seed: 2, size: 8 << 20, unit: 4096)
        try Qcow2Writer.write(image, to: directory("a.qcow2"))
        try RawWriter.write(DiskImages.open(path: directory("a.qcow2")), to: directory("a.raw"))
        #expect(try isEqual(directory.read("a.raw"), image.bytes))
    }

    @Test func largeSparseDiskIsQuick() throws {
        let directory = try TemporaryDirectory()
        _ = try Qcow2Writer(path: directory("a.qcow2"), virtualSize: 1 << 42).finish()
        let written = try RawWriter.write(DiskImages.open(path: directory("a.qcow2")), to: directory("a.raw"))
        #expect(try written == 0 && allocated(directory("a.raw")) < 65_536)
    }

    @Test func piecesFromSeveralThreads() throws {
        let directory = try TemporaryDirectory()
        let writer = try RawWriter(path: directory("a.raw"), virtualSize: 1_000_000)
        var random = SeededGenerator(seed: 3)
        let bytes = random.bytes(1_000_000)
        let failures = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: 100) { index in
            bytes.withUnsafeBytes {
                let part = UnsafeRawBufferPointer(rebasing: $0[index * 10_000..<(index + 1) * 10_000])
                if (try? writer.write(part, at: UInt64(index) * 10_000)) == nil {
                    failures.add(1, ordering: .relaxed)
                }
            }
        }
        #expect(failures.load(ordering: .relaxed) == 0)
        let error = #expect(throws: DiskImageError.self) {
            try bytes.withUnsafeBytes { try writer.write($0, at: 1) }
        }
        #expect(error?.code == .outOfRange)
        try writer.finish()
        #expect(try directory.read("a.raw") == bytes)
    }
}

import DiskImage
import Testing

/// Images of every shape, byte by byte against QEMU's own reading.
@Suite struct Qcow2ContentsTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        var options: String
        var clusterSize: Int
        var size: Int
        var testDescription: String { options }

        init(_ options: String, cluster: Int, size: Int) {
            self.options = "\(options),cluster_size=\(cluster)"
            clusterSize = cluster
            self.size = size
        }
    }

    static let shapes = [
        Shape("compat=0.10", cluster: 512, size: 1 << 20),
        Shape("compat=0.10", cluster: 65_536, size: (5 << 20) + 512),
        Shape("compat=1.1", cluster: 512, size: (1 << 20) + 1536),
        Shape("compat=1.1", cluster: 4096, size: 3 << 20),
        Shape("compat=1.1", cluster: 65_536, size: (7 << 20) + 4096),
        Shape("compat=1.1", cluster: 2 << 20, size: 21 << 20),
        Shape("compat=1.1,compression_type=zstd", cluster: 512, size: 1 << 20),
        Shape("compat=1.1,compression_type=zstd", cluster: 65_536, size: (7 << 20) + 512),
        Shape("compat=1.1,compression_type=zstd", cluster: 2 << 20, size: 20 << 20),
        Shape("compat=1.1,extended_l2=on", cluster: 16_384, size: (5 << 20) + 512),
        Shape("compat=1.1,extended_l2=on", cluster: 65_536, size: 9 << 20),
        Shape("compat=1.1,extended_l2=on,compression_type=zstd", cluster: 2 << 20, size: 20 << 20),
        Shape("compat=1.1,lazy_refcounts=on,refcount_bits=1", cluster: 65_536, size: 4 << 20),
        Shape("compat=1.1,preallocation=metadata", cluster: 65_536, size: 4 << 20),
    ]

    @Test(arguments: shapes) func scriptedWrites(_ shape: Shape) throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk.qcow2")
        try Tool.qemuImg("create", "-q", "-f", "qcow2", "-o", shape.options, path, "\(shape.size)")
        for seed in UInt64(1)...3 {
            let script = WriteScript(
                seed: seed, size: shape.size, clusterSize: shape.clusterSize,
                compresses: seed == 1 && !shape.options.contains("preallocation"))
            try Tool.qemuIO(path, script.commands)
            let image = try DiskImages.open(path: path)
            try expectContents(of: image, equal: Tool.contents(of: path))
            #expect(try dataRanges(of: image) == joined(Tool.dataRanges(of: path)))
        }
    }

    @Test(arguments: shapes.filter { $0.size < 8 << 20 && !$0.options.contains("preallocation") })
    func wholeDiskCompressed(_ shape: Shape) throws {
        let directory = try TemporaryDirectory()
        var random = SeededGenerator(seed: 4)
        // Half of it compresses, half of it does not, some of it is zero.
        var bytes = random.bytes(shape.size / 3)
        bytes += (0..<shape.size / 3).map { UInt8(truncatingIfNeeded: $0 / 100) }
        bytes += [UInt8](repeating: 0, count: shape.size - bytes.count)
        let raw = try directory.write(bytes, to: "disk.raw")
        let path = directory("disk.qcow2")
        try Tool.qemuImg("convert", "-c", "-f", "raw", "-O", "qcow2", "-o", shape.options, raw, path)
        try expectContents(of: DiskImages.open(path: path), equal: bytes)
    }

    @Test func headerFieldsAreAnswered() throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk.qcow2")
        try Tool.qemuImg("create", "-q", "-f", "qcow2", "-o", "compat=0.10,cluster_size=4096", path, "10M")
        let image = try Qcow2Image(path: path)
        #expect(image.version == 2)
        #expect(image.clusterSize == 4096)
        #expect(image.virtualSize == 10 << 20)
        #expect(image.backingFile == nil && image.backingFormat == nil)
        #expect(image.snapshots.isEmpty && !image.isDirty && !image.isMarkedCorrupt)
    }

    @Test func sparseTerabytesAreWalkedByTables() throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk.qcow2")
        try Tool.qemuImg("create", "-q", "-f", "qcow2", path, "8T")
        try Tool.qemuIO(path, ["write -P 7 100G 64k", "write -P 8 7T 64k"])
        let image = try DiskImages.open(path: path)
        let extents = try image.extents(from: 0, length: image.virtualSize)
        #expect(extents.map(\.kind) == [.unallocated, .data, .unallocated, .data, .unallocated])
        let offsets: [UInt64] = [0, 100 << 30, (100 << 30) + 65_536, 7 << 40, (7 << 40) + 65_536]
        #expect(extents.map(\.offset) == offsets)
        #expect(try image.bytes(at: (7 << 40) - 1, count: 3) == [0, 8, 8])
    }

    @Test func windowedWalkAnswersTheSameRanges() throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk.qcow2")
        try Tool.qemuImg("create", "-q", "-f", "qcow2", path, "1G")
        try Tool.qemuIO(path, ["write -P 7 200M 100M", "write -P 8 700M 64k", "write -z 900M 1M"])
        let image = try DiskImages.open(path: path)
        var ranges: [Range<UInt64>] = []
        try image.forEachExtent { if $0.kind == .data { ranges.append($0.offset..<$0.end) } }
        #expect(try joined(ranges) == dataRanges(of: image))
        #expect(throws: DiskImageError.self) { try image.forEachExtent(from: 1, length: 1 << 30) { _ in } }
    }

    @Test func rangesOutsideTheDiskAreRefused() throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk.qcow2")
        try Tool.qemuImg("create", "-q", "-f", "qcow2", path, "1M")
        let image = try DiskImages.open(path: path)
        for (offset, count) in [(UInt64(1 << 20), 1), ((1 << 20) - 1, 2), (.max, 1), (.max - 1, 8)] {
            let error = #expect(throws: DiskImageError.self) { try image.bytes(at: offset, count: count) }
            #expect(error?.code == .outOfRange)
            let other = #expect(throws: DiskImageError.self) {
                try image.extents(from: offset, length: UInt64(count))
            }
            #expect(other?.code == .outOfRange)
        }
        #expect(try image.extents(from: 1 << 20, length: 0).isEmpty)
    }
}

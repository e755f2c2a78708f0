import DiskImage
import Foundation
import Testing

/// Files of the writer, as `qemu-img` and the reader see them.
@Suite struct Qcow2WriterTests {
    static let compressions: [Qcow2WriteOptions.Compression] = [.none, .zlib(), .zstd()]

    private func options(
        _ compression: Qcow2WriteOptions.Compression = .none, clusterSize: Int = 65_536
    ) -> Qcow2WriteOptions {
        var options = Qcow2WriteOptions()
        options.compression = compression
        options.clusterSize = clusterSize
        return options
    }

    /// No leak, no error, and the contents by QEMU's reading and by ours.
    private func expectSound(_ path: String, contents: [UInt8]) throws {
        try Tool.run("qemu-img", ["check", "-f", "qcow2", path])
        #expect(try isEqual(Tool.contents(of: path), contents))
        try expectContents(of: DiskImages.open(path: path, format: .qcow2), equal: contents)
    }

    @Test(arguments: compressions, [512, 4096, 65_536, 2 << 20])
    func disksAreWrittenAsTheyAre(_ compression: Qcow2WriteOptions.Compression, _ clusterSize: Int) throws {
        let directory = try TemporaryDirectory()
        let path = directory("new.qcow2")
        // Units that are no clusters, and an end inside a cluster.
        let size = clusterSize < 4096 ? 700 << 10 : (9 << 20) + 1536
        let image = MemoryImage(seed: UInt64(clusterSize), size: size, unit: 3072)
        let report = try Qcow2Writer.write(image, to: path, options: options(compression, clusterSize: clusterSize))
        try expectSound(path, contents: image.bytes)
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.size] as? UInt64 == report.fileSize)
        #expect((report.compressedClusters > 0) == (compression != .none))
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["new.qcow2"])
    }

    @Test(arguments: compressions) func theSameInputGivesTheSameFile(
        _ compression: Qcow2WriteOptions.Compression
    ) throws {
        let directory = try TemporaryDirectory()
        let image = MemoryImage(seed: 3, size: 20 << 20, unit: 65_536)
        for threads in [1, 7] {
            var options = options(compression)
            options.threads = threads
            try Qcow2Writer.write(image, to: directory("\(threads)"), options: options)
        }
        #expect(try directory.read("1") == directory.read("7"))
    }

    @Test func emptyAndTinyDisks() throws {
        let directory = try TemporaryDirectory()
        for size in [0, 512, 65_536, 65_537] {
            let path = directory("\(size).qcow2")
            let bytes = [UInt8](repeating: 1, count: size)
            try Qcow2Writer.write(RawImage(path: directory.write(bytes, to: "raw")), to: path)
            try expectSound(path, contents: bytes + [UInt8](repeating: 0, count: (512 - size % 512) % 512))
        }
        // No data at all, and more than QEMU's largest L1 table would map with small clusters.
        let path = directory("large.qcow2")
        _ = try Qcow2Writer(path: path, virtualSize: 1 << 50).finish()
        try Tool.run("qemu-img", ["check", path])
        let image = try Qcow2Image(path: path)
        #expect(image.virtualSize == 1 << 50)
        var options = Qcow2WriteOptions()
        options.clusterSize = 512
        for (size, clusters) in [
            (UInt64(1) << 50, 512), (1 << 20, 1000), (1 << 20, 4 << 20), (1 << 20, 0), (.max, 65_536),
        ] {
            options.clusterSize = clusters
            let error = #expect(throws: DiskImageError.self) {
                _ = try Qcow2Writer(path: directory("none"), virtualSize: size, options: options)
            }
            #expect(error?.code == .unsupported)
        }
    }

    /// Incompressible and compressible clusters side by side: packing, and clusters that cross borders.
    @Test(arguments: [Qcow2WriteOptions.Compression.zlib(level: 1), .zstd(level: 1)])
    func compressedClustersArePacked(_ compression: Qcow2WriteOptions.Compression) throws {
        let directory = try TemporaryDirectory()
        let path = directory("new.qcow2")
        let image = MemoryImage(seed: 5, size: 48 << 20, unit: 65_536, kinds: [.data])
        let report = try Qcow2Writer.write(image, to: path, options: options(compression))
        try expectSound(path, contents: image.bytes)
        #expect(report.plainClusters > 50 && report.compressedClusters > 50)
        // Little is lost between plain and compressed clusters.
        let used = report.plainClusters * 65_536 + report.compressedBytes
        #expect(report.fileSize < used + used / 8 + 10 * 65_536)
        // QEMU goes on writing in such a file.
        try Tool.qemuIO(path, ["write -P 9 1M 3M", "write -P 8 0 1000k"])
        try Tool.run("qemu-img", ["check", path])
    }

    @Test(arguments: compressions) func layersOverEachOther(_ compression: Qcow2WriteOptions.Compression) throws {
        let directory = try TemporaryDirectory()
        let path = directory("new.qcow2")
        let size = 5 << 20
        var contents = [UInt8](repeating: 0, count: size)
        var writer = try Qcow2Writer(path: path, virtualSize: UInt64(size), options: options(compression))
        for seed in UInt64(1)...4 {
            // Units smaller than clusters, and a layer that ends before the disk does.
            let layer = MemoryImage(
                seed: seed, size: seed == 3 ? (4 << 20) + 1024 : size, unit: seed == 4 ? 65_536 : 5120)
            contents.replaceSubrange(
                0..<layer.bytes.count, with: layer.over(Array(contents[..<layer.bytes.count])))
            try writer.write(layer)
        }
        _ = try writer.finish()
        // Clusters of earlier layers stay behind without references.
        #expect(try isEqual(Tool.contents(of: path), contents))
        try Tool.run("qemu-img", ["check", path])
        try expectContents(of: DiskImages.open(path: path), equal: contents)
    }

    @Test(arguments: [DiskExtent.Kind.zero, .data, .unallocated])
    func shorterLayersLeaveTheRestOfTheirLastCluster(_ kind: DiskExtent.Kind) throws {
        let directory = try TemporaryDirectory()
        let path = directory("new.qcow2")
        let below = MemoryImage(seed: 11, size: 1 << 20, unit: 4096, kinds: [.data])
        var contents = below.bytes
        var writer = try Qcow2Writer(path: path, virtualSize: 1 << 20)
        try writer.write(below)
        for size in [1536, 70_000, 655_872, (1 << 20) - 512] {
            let layer = MemoryImage(seed: 12, size: size, unit: 1024, kinds: [kind])
            contents.replaceSubrange(0..<size, with: layer.over(Array(contents[..<size])))
            try writer.write(layer)
        }
        _ = try writer.finish()
        try expectSound(path, contents: contents)
    }

    @Test func zerosHideABackingFile() throws {
        let directory = try TemporaryDirectory()
        let size = 6 << 20
        var random = SeededGenerator(seed: 8)
        let base = try directory.write(random.bytes(5 << 20), to: "base.raw")
        let baseImage = try DiskImages.open(path: base, format: .raw)
        let below = try directory.read("base.raw") + [UInt8](repeating: 0, count: 1 << 20)
        for (unit, image) in [(65_536, nil), (3584, baseImage)] as [(Int, (any DiskImage)?)] {
            let path = directory("\(unit).qcow2")
            let layer = MemoryImage(seed: 4, size: size, unit: unit)
            var options = options()
            options.backing = Qcow2WriteOptions.Backing(file: "base.raw", format: "raw", image: image)
            try Qcow2Writer.write(layer, to: path, options: options)
            try expectSound(path, contents: layer.over(below))
            let layerRead = try Qcow2Image(path: path).activeLayer()
            #expect(try layerRead.extents(from: 0, length: UInt64(size)).contains { $0.kind == .zero })
            #expect(
                try unit < 65_536
                    || layerRead.extents(from: 0, length: UInt64(size)).contains { $0.kind == .unallocated })
        }
        var options = options()
        options.backing = Qcow2WriteOptions.Backing(file: "base.raw", format: "raw")
        let error = #expect(throws: DiskImageError.self) {
            try Qcow2Writer.write(
                MemoryImage(seed: 4, size: size, unit: 512), to: directory("none"), options: options)
        }
        #expect(error?.code == .backingUnavailable)
        options.backing?.file = String(repeating: "x", count: 1024)
        #expect(throws: DiskImageError.self) {
            _ = try Qcow2Writer(path: directory("none"), virtualSize: 1, options: options).finish()
        }
        #expect(!FileManager.default.fileExists(atPath: directory("none")))
    }
}

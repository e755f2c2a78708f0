import DiskImage
import Foundation
import Testing

@Suite struct BackingChainTests {
    /// raw (3 MiB) ← compressed v2 (5 MiB) ← extended L2 (8 MiB) ← v3 (6 MiB), in two directories.
    private func makeChain(in directory: TemporaryDirectory) throws -> String {
        try FileManager.default.createDirectory(atPath: directory("bases"), withIntermediateDirectories: true)
        var random = SeededGenerator(seed: 9)
        _ = try directory.write(random.bytes(3 << 20), to: "bases/base.raw")
        for (name, options, backing, format, size) in [
            ("bases/one.qcow2", "compat=0.10,cluster_size=4096", "base.raw", "raw", 5 << 20),
            ("bases/two.qcow2", "extended_l2=on,cluster_size=65536", "one.qcow2", "qcow2", 8 << 20),
            ("top.qcow2", "compression_type=zstd,cluster_size=32768", "bases/two.qcow2", "qcow2", 6 << 20),
        ] {
            try Tool.qemuImg(
                "create", "-q", "-f", "qcow2", "-o", options, "-b", backing, "-F", format, directory(name), "\(size)")
            let script = WriteScript(seed: UInt64(size), size: size, clusterSize: 65_536, count: 25, compresses: true)
            try Tool.qemuIO(directory(name), script.commands)
        }
        return directory("top.qcow2")
    }

    @Test func wholeChainReadsAsQEMUReadsIt() throws {
        let directory = try TemporaryDirectory()
        let path = try makeChain(in: directory)
        let image = try DiskImages.open(path: path)
        try expectContents(of: image, equal: Tool.contents(of: path))
        #expect(try dataRanges(of: image) == joined(Tool.dataRanges(of: path)))
    }

    @Test func layerAloneSaysWhatItAllocates() throws {
        let directory = try TemporaryDirectory()
        _ = try directory.write([UInt8](repeating: 1, count: 1 << 20), to: "base.raw")
        let path = directory("top.qcow2")
        try Tool.qemuImg("create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", path)
        try Tool.qemuIO(path, ["write -P 2 128k 64k", "write -z 256k 64k"])
        let image = try Qcow2Image(path: path)
        #expect(image.backingFile == "base.raw" && image.backingFormat == "raw")
        let layer = try image.activeLayer()
        let kinds = try layer.extents(from: 0, length: layer.virtualSize)
        #expect(kinds.map(\.kind) == [.unallocated, .data, .unallocated, .zero, .unallocated])
        let offsets: [UInt64] = [0, 128 << 10, 192 << 10, 256 << 10, 320 << 10]
        #expect(kinds.map(\.offset) == offsets)
        #expect(try layer.bytes(at: 0, count: 2) == [0, 0])
        #expect(try image.activeView().bytes(at: 0, count: 2) == [1, 1])
    }

    @Test(arguments: ["nbd+unix:///disk?socket=/nowhere", "json:{\"driver\":\"nbd\"}", "nbd://127.0.0.1:1/x"])
    func remoteBackingIsNamedAndNeverOpened(_ backing: String) throws {
        let directory = try TemporaryDirectory()
        let path = directory("overlay.qcow2")
        try Tool.qemuImg("create", "-q", "-u", "-f", "qcow2", "-b", backing, "-F", "raw", path, "4M")
        let image = try Qcow2Image(path: path)
        #expect(image.backingFile == backing)
        #expect(try image.activeLayer().extents(from: 0, length: 4 << 20).map(\.kind) == [.unallocated])
        let error = #expect(throws: DiskImageError.self) { try DiskImages.open(path: path) }
        #expect(error?.code == .backingUnavailable)
        #expect(error?.message.contains(backing) == true)
    }

    @Test func absoluteAndFileNamesResolve() throws {
        let directory = try TemporaryDirectory()
        let base = try directory.write([UInt8](repeating: 3, count: 65_536), to: "base with: colon.raw")
        for backing in [base, "file:\(base)", "./base with: colon.raw"] {
            let path = directory("top.qcow2")
            try Tool.qemuImg("create", "-q", "-u", "-f", "qcow2", "-b", backing, "-F", "raw", path, "64k")
            #expect(try DiskImages.open(path: path).bytes(at: 0, count: 1) == [3], "\(backing)")
        }
    }

    @Test func backingWithoutFormatIsProbed() throws {
        let directory = try TemporaryDirectory()
        try Tool.qemuImg("create", "-q", "-f", "qcow2", directory("base.qcow2"), "64k")
        try Tool.qemuIO(directory("base.qcow2"), ["write -P 5 0 64k"])
        let path = directory("top.qcow2")
        try Tool.qemuImg(
            "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "-o", "compat=0.10", path, "64k")
        var bytes = try directory.read("top.qcow2")
        // Turn the format extension into an unknown one.
        let at = try #require(bytes.firstRange(of: [0xe2, 0x79, 0x2a, 0xca]))
        bytes.replaceSubrange(at, with: [0x11, 0x22, 0x33, 0x44])
        let image = try DiskImages.open(path: directory.write(bytes, to: "noformat.qcow2"))
        #expect(try image.bytes(at: 0, count: 1) == [5])
    }

    @Test func missingBackingNamesBothFiles() throws {
        let directory = try TemporaryDirectory()
        let path = directory("top.qcow2")
        try Tool.qemuImg("create", "-q", "-u", "-f", "qcow2", "-b", "gone.raw", "-F", "raw", path, "64k")
        let error = #expect(throws: DiskImageError.self) { try DiskImages.open(path: path) }
        #expect(error?.code == .backingUnavailable)
        #expect(error?.description.contains("gone.raw") == true && error?.description.contains(path) == true)
    }

    @Test func unknownBackingFormatIsRefused() throws {
        let directory = try TemporaryDirectory()
        _ = try directory.write([1], to: "base.qed")
        let path = directory("top.qcow2")
        try Tool.qemuImg("create", "-q", "-u", "-f", "qcow2", "-b", "base.qed", "-F", "qed", path, "64k")
        let error = #expect(throws: DiskImageError.self) { try DiskImages.open(path: path) }
        #expect(error?.code == .unsupported)
    }

    @Test func loopsAreRefused() throws {
        let directory = try TemporaryDirectory()
        for (name, backing) in [("a", "b"), ("b", "c"), ("c", "b"), ("self", "./self")] {
            try Tool.qemuImg("create", "-q", "-u", "-f", "qcow2", "-b", backing, "-F", "qcow2", directory(name), "64k")
        }
        for name in ["a", "self"] {
            let error = #expect(throws: DiskImageError.self) { try DiskImages.open(path: directory(name)) }
            #expect(error?.code == .backingLoop)
        }
    }

    @Test func chainsAreLimited() throws {
        let directory = try TemporaryDirectory()
        try Tool.qemuImg("create", "-q", "-u", "-f", "qcow2", "-b", "NAME", "-F", "qcow2", directory("0000"), "64k")
        let template = try directory.read("0000")
        let at = try #require(template.firstRange(of: Array("NAME".utf8)))
        func name(_ index: Int) -> String { String("000\(index)".suffix(4)) }
        for index in 0..<300 {
            var bytes = template
            bytes.replaceSubrange(at, with: Array(name(index + 1).utf8))
            _ = try directory.write(bytes, to: name(index))
        }
        _ = try directory.write([UInt8](repeating: 0, count: 65_536), to: name(300))
        let error = #expect(throws: DiskImageError.self) { try DiskImages.open(path: directory(name(0))) }
        #expect(error?.code == .backingLoop)
        // The last link is a raw file that its header calls qcow2.
        let other = #expect(throws: DiskImageError.self) { try DiskImages.open(path: directory(name(150))) }
        #expect(other?.code == .wrongFormat)
    }
}

import DiskImage
import Foundation
import Glibc
import Synchronization
import Testing

/// Formats that QEMU reads for us, made by `qemu-img` from a pattern.
@Suite struct ForeignImageTests {
    static let formats: [(DiskImages.Format, String)] = [
        (.vmdk, "subformat=monolithicSparse"), (.vmdk, "subformat=streamOptimized"),
        (.vmdk, "subformat=monolithicFlat"),
        (.vmdk, "subformat=twoGbMaxExtentSparse"), (.vdi, "static=off"), (.vdi, "static=on"),
        (.vhdx, "subformat=dynamic"), (.vhdx, "subformat=fixed"), (.vpc, "subformat=dynamic,force_size=on"),
        (.vpc, "subformat=fixed,force_size=on"), (.parallels, ""),
    ]

    /// A pattern with long holes, so that formats with blocks of 32 MiB have some too.
    private static func pattern() -> [UInt8] {
        let small = MemoryImage(seed: 31, size: 6 << 20, unit: 65_536, kinds: [.data, .zero])
        return small.bytes + [UInt8](repeating: 0, count: 70 << 20) + small.bytes.prefix(2 << 20)
    }

    private static func make(
        _ format: DiskImages.Format, _ options: String, in directory: TemporaryDirectory, from bytes: [UInt8]
    ) throws -> String {
        // QEMU cannot name a vmdk's extents with quotation marks.
        let name = format == .vmdk ? "it's a disk, or not" : "it's a \"disk\", or not\\"
        let path = directory("\(name).\(format.rawValue)")
        let raw = try directory.write(bytes, to: "pattern.raw")
        try Tool.run(
            "qemu-img",
            ["convert", "-f", "raw", "-O", format.rawValue] + (options.isEmpty ? [] : ["-o", options]) + [raw, path])
        return path
    }

    @Test(arguments: formats) func imageReadsAsQEMUReadsIt(_ format: DiskImages.Format, _ options: String) throws {
        let directory = try TemporaryDirectory()
        let bytes = Self.pattern()
        let path = try Self.make(format, options, in: directory, from: bytes)
        #expect(try DiskImages.probe(path: path) == format)
        let image = try DiskImages.open(path: path)
        // Some formats round the size up to a geometry.
        let size = Int(image.virtualSize)
        try #require(size >= bytes.count && size < bytes.count + (64 << 20))
        let expected = bytes + [UInt8](repeating: 0, count: size - bytes.count)
        try expectContents(of: image, equal: expected)
        let nonzero = try Tool.nonzeroRanges(of: path, format: format.rawValue)
        #expect(try dataRanges(of: image) == joined(nonzero))
        // A way out: both writers take it.
        try Qcow2Writer.write(image, to: directory("copy.qcow2"))
        try Tool.run(
            "qemu-img", ["compare", "-f", format.rawValue, "-F", "qcow2", path, directory("copy.qcow2")])
    }

    @Test func severalThreadsReadAtOnce() throws {
        let directory = try TemporaryDirectory()
        let bytes = MemoryImage(seed: 5, size: 40 << 20, unit: 65_536, kinds: [.data]).bytes
        let image = try DiskImages.open(
            path: Self.make(.vmdk, "subformat=streamOptimized", in: directory, from: bytes))
        let wrong = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: 60) { index in
            var random = SeededGenerator(seed: UInt64(index))
            let offset = Int.random(in: 0..<38 << 20, using: &random)
            let count = Int.random(in: 1..<2 << 20, using: &random)
            let found = try? image.bytes(at: UInt64(offset), count: count)
            if found.map({ isEqual($0, bytes, at: offset) }) != true { wrong.add(1, ordering: .relaxed) }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
        for range in [(image.virtualSize, 1), (UInt64.max, 1), (0, Int(image.virtualSize) + 1)] {
            let error = #expect(throws: DiskImageError.self) { try image.bytes(at: range.0, count: range.1) }
            #expect(error?.code == .outOfRange)
        }
    }

    /// Whether a program runs whose arguments contain a text.
    private static func isRunning(_ text: String) throws -> Bool {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").contains { name in
            guard Int(name) != nil, let line = FileManager.default.contents(atPath: "/proc/\(name)/cmdline") else {
                return false
            }
            let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            return words.first?.hasSuffix("qemu-nbd") == true && words.contains { $0.contains(text) }
        }
    }

    @Test func serverEndsWithItsImage() throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk.vdi")
        try Tool.qemuImg("create", "-q", "-f", "vdi", path, "8M")
        do {
            let image = try DiskImages.open(path: path)
            #expect(try Self.isRunning(path))
            #expect(try image.bytes(at: 0, count: 10) == [UInt8](repeating: 0, count: 10))
        }
        #expect(try !Self.isRunning(path))
    }

    @Test func serverEndsWithAKilledOwner() async throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk.vdi")
        try Tool.qemuImg("create", "-q", "-f", "vdi", path, "8M")
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let image = try DiskImages.open(path: path)
            _ = try image.bytes(at: 0, count: 10)
            let isRunning = try ForeignImageTests.isRunning(path)
            try #require(isRunning)
            kill(getpid(), SIGKILL)
        }
        // It notices within a moment.
        for _ in 0..<6_000 where try Self.isRunning(path) { usleep(10_000) }
        #expect(try !Self.isRunning(path))
    }

    @Test func refusedImagesCarryTheWordsOfQEMU() throws {
        let directory = try TemporaryDirectory()
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        bytes.replaceSubrange(0..<8, with: "vhdxfile".utf8)
        let path = try directory.write(bytes, to: "broken.vhdx")
        for format in [nil, DiskImages.Format.vhdx, .vdi, .parallels] {
            let error = #expect(throws: DiskImageError.self) { try DiskImages.open(path: path, format: format) }
            #expect(error?.code == .toolFailed)
            #expect(error?.message.contains(path) == true)
            #expect(error?.cause?.isEmpty == false)
        }
        for format in [DiskImages.Format.vmdk, .vpc] {
            let error = #expect(throws: DiskImageError.self) { try DiskImages.open(path: path, format: format) }
            #expect(error?.code == .wrongFormat)
        }
        #expect(try !Self.isRunning(path))
    }

    @Test(arguments: formats.map(\.0)) func rawIsRawWhateverItHolds(_ format: DiskImages.Format) throws {
        let directory = try TemporaryDirectory()
        let options = format == .vpc ? "subformat=fixed,force_size=on" : ""
        let path = try Self.make(
            format, options, in: directory, from: MemoryImage(seed: 1, size: 2 << 20, unit: 4096, kinds: [.data]).bytes)
        let contents = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        let image = try DiskImages.open(path: path, format: .raw)
        #expect(try isEqual(contents, image.bytes(at: 0, count: Int(image.virtualSize))))
        #expect(try DiskImages.probe(path: path) == format)
    }

    @Test func aDifferencingVHDIsRefused() throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk.vhd")
        try Tool.qemuImg("create", "-q", "-f", "vpc", path, "8M")
        var bytes = try directory.read("disk.vhd")
        bytes[63] = 4
        let error = #expect(throws: DiskImageError.self) {
            try DiskImages.open(path: directory.write(bytes, to: "disk.vhd"))
        }
        #expect(error?.code == .unsupported)
    }
}

extension Tool {
    /// Ranges that QEMU does not call zeros.
    static func nonzeroRanges(of path: String, format: String) throws -> [Range<UInt64>] {
        struct Entry: Decodable {
            var start: UInt64
            var length: UInt64
            var zero: Bool
        }
        let json = try run("qemu-img", ["map", "--output=json", "-f", format, path])
        let entries = try JSONDecoder().decode([Entry].self, from: Data(json.utf8))
        return entries.filter { !$0.zero }.map { $0.start..<$0.start + $0.length }
    }
}

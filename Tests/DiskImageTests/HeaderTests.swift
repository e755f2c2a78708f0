import DiskImage
import Testing

/// What the header may say, field by field.
@Suite struct HeaderTests {
    struct Patch: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var offset: Int
        var bytes: [UInt8]
        var code: DiskImageError.Code
        /// Must occur in the message.
        var word: String

        init(_ name: String, at offset: Int, _ bytes: [UInt8], _ code: DiskImageError.Code, _ word: String) {
            testDescription = name
            self.offset = offset
            self.bytes = bytes
            self.code = code
            self.word = word
        }
    }

    static let patches = [
        Patch("magic", at: 0, [0], .wrongFormat, "magic"),
        Patch("version 1", at: 7, [1], .unsupported, "version 1"),
        Patch("backing name outside", at: 8, [0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 9], .corrupt, "backing file name"),
        Patch("cluster_bits 8", at: 23, [8], .corrupt, "cluster_bits"),
        Patch("cluster_bits 64", at: 23, [64], .corrupt, "cluster_bits"),
        Patch("size", at: 24, [0x7f], .corrupt, "L1 table"),
        Patch("LUKS", at: 35, [2], .unsupported, "encrypted"),
        Patch("l1_size huge", at: 36, [0x7f], .corrupt, "L1 table"),
        Patch("l1_size too small", at: 36, [0, 0, 0, 0], .corrupt, "cover"),
        Patch("l1_size beyond the end", at: 36, [0, 0x3f, 0, 0], .truncated, "L1 table"),
        Patch("l1_table_offset beyond the end", at: 40, [0x10], .truncated, "L1 table"),
        Patch("l1_table_offset unaligned", at: 47, [8], .corrupt, "l1_table_offset"),
        Patch("refcount table beyond the end", at: 48, [0x10], .truncated, "refcount table"),
        Patch("refcount_table_clusters", at: 56, [0x10], .corrupt, "refcount table"),
        Patch("snapshots", at: 60, [0, 1, 0, 1], .corrupt, "snapshots"),
        Patch("snapshot table beyond the end", at: 60, [0, 0, 0, 1, 0, 0, 1], .truncated, "snapshot table"),
        Patch("external data file", at: 79, [4], .unsupported, "data file"),
        Patch("unknown feature", at: 72, [0x80], .unsupported, "bit 63"),
        Patch("compression without its bit", at: 104, [1], .corrupt, "compression"),
        Patch("compression 7", at: 104, [7], .unsupported, "compression type 7"),
        Patch("refcount_order", at: 99, [7], .corrupt, "refcount_order"),
        Patch("header_length 96", at: 103, [96], .corrupt, "header_length"),
    ]

    @Test(arguments: patches) func damagedFieldsAreNamed(_ patch: Patch) throws {
        let directory = try TemporaryDirectory()
        try Tool.qemuImg("create", "-q", "-f", "qcow2", directory("disk.qcow2"), "10M")
        var bytes = try directory.read("disk.qcow2")
        bytes.replaceSubrange(patch.offset..<patch.offset + patch.bytes.count, with: patch.bytes)
        let path = try directory.write(bytes, to: "patched.qcow2")
        let error = #expect(throws: DiskImageError.self) { try Qcow2Image(path: path) }
        #expect(error?.code == patch.code)
        let message = error?.message ?? ""
        #expect(message.contains(patch.word) && message.contains(path), "\(message)")
    }

    @Test func externalDataFilesAreRefused() throws {
        let directory = try TemporaryDirectory()
        try Tool.qemuImg(
            "create", "-q", "-f", "qcow2", "-o", "data_file=\(directory("data.raw"))", directory("disk.qcow2"), "1M")
        let error = #expect(throws: DiskImageError.self) { try DiskImages.open(path: directory("disk.qcow2")) }
        #expect(error?.code == .unsupported)
    }

    @Test func dirtyAndCorruptMarksAreAnswered() throws {
        let directory = try TemporaryDirectory()
        try Tool.qemuImg("create", "-q", "-f", "qcow2", directory("disk.qcow2"), "1M")
        var bytes = try directory.read("disk.qcow2")
        bytes[79] = 3
        let image = try Qcow2Image(path: directory.write(bytes, to: "marked.qcow2"))
        #expect(image.isDirty && image.isMarkedCorrupt)
    }

    @Test func oneL2TableForTwoL1EntriesIsRefused() throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk.qcow2")
        try Tool.qemuImg("create", "-q", "-f", "qcow2", "-o", "cluster_size=512", path, "128k")
        try Tool.qemuIO(path, ["write 0 512"])
        var bytes = try directory.read("disk.qcow2")
        let l1 = bytes[40..<48].reduce(0) { $0 << 8 | Int($1) }
        bytes.replaceSubrange(l1 + 8..<l1 + 16, with: Array(bytes[l1..<l1 + 8]))
        let error = #expect(throws: DiskImageError.self) {
            try DiskImages.open(path: directory.write(bytes, to: "twice.qcow2"))
        }
        #expect(error?.code == .corrupt)
    }
}

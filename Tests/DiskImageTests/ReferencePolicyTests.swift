import DiskImage
import Foundation
import Testing

/// Images that name other files of the machine.
@Suite struct ReferencePolicyTests {
    private let secret = "top secret, of another user"

    /// A directory with an image directory inside, and a file outside of that.
    private func makePlace() throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: directory("images/below"), withIntermediateDirectories: true)
        _ = try directory.write(Array(secret.utf8) + [UInt8](repeating: 0, count: 4096), to: "secret")
        _ = try directory.write([UInt8](repeating: 5, count: 8192), to: "images/below/flat")
        _ = try directory.write([UInt8](repeating: 6, count: 8192), to: "images/flat")
        try FileManager.default.createSymbolicLink(atPath: directory("images/link"), withDestinationPath: "../secret")
        return directory
    }

    private func descriptor(_ lines: String, parent: String = "") -> [UInt8] {
        let text = """
            # Disk DescriptorFile
            version=1
            CID=11111111
            parentCID=ffffffff
            \(parent)createType="twoGbMaxExtentFlat"
            \(lines)
            ddb.adapterType = "ide"

            """
        return Array(text.utf8)
    }

    private func code(_ bytes: [UInt8], in directory: TemporaryDirectory, _ policy: ReferencePolicy) throws
        -> DiskImageError.Code?
    {
        let path = try directory.write(bytes, to: "images/disk.vmdk")
        do throws(DiskImageError) {
            let image = try DiskImages.open(path: path, references: policy)
            _ = try image.bytes(at: 0, count: 512)
            return nil
        } catch { return error.code }
    }

    @Test func flatExtentsStayInTheDirectory() throws {
        let directory = try makePlace()
        for name in ["flat", "below/flat", directory("images/flat"), "../images/flat"] {
            let bytes = descriptor("RW 8 FLAT \"\(name)\" 0")
            #expect(try code(bytes, in: directory, .sameDirectory) == nil)
            #expect(try code(bytes, in: directory, .none) == .forbiddenReference)
        }
        let outside = [
            "RW 8 FLAT \"../secret\" 0", "RW 8 FLAT \"\(directory("secret"))\" 0", "RW 8 FLAT \"link\" 0",
            "RW 8 FLAT \"below/../../secret\" 0", "RW\n8\nFLAT\n\"../secret\" 0", "RW 8 FLAT\"../secret\"",
            "RW\t8\t\u{b}FLAT   \"../secret", "x=\"\nRW 8 FLAT \"../secret\" 0", "RW 8 VMFS \"../secret\"",
            "RW 4 FLAT \"flat\" 0\nRW 4 FLAT \"../secret\" 0", " \t RW +8 SPARSE \"../secret\"",
        ]
        for lines in outside {
            #expect(try code(descriptor(lines), in: directory, .sameDirectory) == .forbiddenReference, "\(lines)")
        }
        #expect(try code(descriptor(outside[0]), in: directory, .anywhere) == nil)
        for name in ["nbd:localhost:1", "json:{}", "http://example.invalid/x", "file:../secret", "file:flat"] {
            for policy in [ReferencePolicy.sameDirectory, .anywhere] {
                let found = try code(descriptor("RW 8 FLAT \"\(name)\" 0"), in: directory, policy)
                #expect(found == .backingUnavailable || found == .forbiddenReference, "\(name)")
            }
        }
        #expect(try code(descriptor("RW 8 FLAT \"missing\" 0"), in: directory, .sameDirectory) == .backingUnavailable)
        let long = String(repeating: "./", count: 300) + "../secret"
        #expect(try code(descriptor("RW 8 FLAT \"\(long)\" 0"), in: directory, .anywhere) == .corrupt)
    }

    /// Open files that were deleted, as the memory of guests is: where such a name leads cannot be told.
    @Test func filesWithoutANameAreRefused() throws {
        let directory = try makePlace()
        let gone = try directory.write([UInt8](repeating: 7, count: 8192), to: "gone")
        let file = try #require(FileHandle(forReadingAtPath: gone))
        try FileManager.default.removeItem(atPath: gone)
        let name = "/proc/self/fd/\(file.fileDescriptor)"
        let path = directory("images/top.qcow2")
        try Tool.qemuImg("create", "-q", "-u", "-f", "qcow2", "-b", name, "-F", "raw", path, "8192")
        for policy in [ReferencePolicy.sameDirectory, .anywhere] {
            let error = #expect(throws: DiskImageError.self) { try DiskImages.open(path: path, references: policy) }
            #expect(error?.code == .backingUnavailable)
            #expect(error?.message.contains("put it in place") == true)
            #expect(try code(descriptor("RW 8 FLAT \"\(name)\" 0"), in: directory, policy) == .backingUnavailable)
        }
    }

    @Test func parentsAreChecked() throws {
        let directory = try makePlace()
        try Tool.qemuImg("create", "-q", "-f", "vmdk", directory("images/base.vmdk"), "4M")
        try Tool.qemuIO(directory("images/base.vmdk"), format: "vmdk", ["write -P 3 0 64k"])
        let child = directory("images/child.vmdk")
        try Tool.qemuImg("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk", child)
        try Tool.qemuIO(child, format: "vmdk", ["write -P 4 64k 64k"])
        let image = try DiskImages.open(path: child)
        #expect(try image.bytes(at: 65_534, count: 4) == [3, 3, 4, 4])
        #expect(throws: DiskImageError.self) { try DiskImages.open(path: child, references: .none) }

        var bytes = try directory.read("images/child.vmdk")
        let name = try #require(bytes.firstRange(of: Array("base.vmdk".utf8)))
        bytes.replaceSubrange(name, with: Array("../secret".utf8))
        _ = try directory.write(bytes, to: "images/child.vmdk")
        let error = #expect(throws: DiskImageError.self) { try DiskImages.open(path: child) }
        #expect(error?.code == .forbiddenReference)
        // A parent that is no vmdk would be probed by QEMU.
        let trusted = #expect(throws: DiskImageError.self) { try DiskImages.open(path: child, references: .anywhere) }
        #expect(trusted?.code == .wrongFormat)
        // A parent that names itself.
        bytes.replaceSubrange(name, with: Array("child.vmd".utf8))
        try FileManager.default.createSymbolicLink(
            atPath: directory("images/child.vmd"), withDestinationPath: "child.vmdk")
        _ = try directory.write(bytes, to: "images/child.vmdk")
        let loop = #expect(throws: DiskImageError.self) { try DiskImages.open(path: child) }
        #expect(loop?.code == .backingLoop)
    }

    @Test func sparseExtentsAreNoDescriptors() throws {
        let directory = try makePlace()
        try Tool.qemuImg("create", "-q", "-f", "vmdk", directory("images/extent.vmdk"), "4M")
        let bytes = descriptor("RW 8192 SPARSE \"extent.vmdk\"")
        #expect(try code(bytes, in: directory, .sameDirectory) == nil)
        // With a capacity of 0, QEMU takes an extent, or the file itself, for one more descriptor.
        var extent = try directory.read("images/extent.vmdk")
        for index in 12..<20 { extent[index] = 0 }
        _ = try directory.write(extent, to: "images/extent.vmdk")
        #expect(try code(bytes, in: directory, .anywhere) == .corrupt)
        #expect(try code(extent, in: directory, .anywhere) == .corrupt)
    }

    @Test func backingFilesOfQcow2() throws {
        let directory = try makePlace()
        let path = directory("images/top.qcow2")
        for (name, isInside) in [("../secret", false), (directory("secret"), false), ("link", false), ("flat", true)] {
            try? FileManager.default.removeItem(atPath: path)
            try Tool.qemuImg("create", "-q", "-u", "-f", "qcow2", "-b", name, "-F", "raw", path, "1M")
            let error: DiskImageError?
            do throws(DiskImageError) {
                _ = try DiskImages.open(path: path)
                error = nil
            } catch let caught { error = caught }
            #expect(error?.code == (isInside ? nil : .forbiddenReference))
            let image = try DiskImages.open(path: path, references: .anywhere)
            #expect(try image.bytes(at: 0, count: 3) == (isInside ? [6, 6, 6] : Array(secret.utf8.prefix(3))))
            let none = #expect(throws: DiskImageError.self) { try DiskImages.open(path: path, references: .none) }
            #expect(none?.code == .forbiddenReference)
        }
        // A foreign format at the bottom of a chain.
        try FileManager.default.removeItem(atPath: path)
        try Tool.qemuImg("convert", "-f", "raw", "-O", "vdi", directory("images/flat"), directory("images/base.vdi"))
        try Tool.qemuImg("create", "-q", "-f", "qcow2", "-b", "base.vdi", "-F", "vdi", path)
        try Tool.qemuIO(path, ["write -P 1 0 1k"])
        #expect(try DiskImages.open(path: path).bytes(at: 1023, count: 2) == [1, 6])
    }
}

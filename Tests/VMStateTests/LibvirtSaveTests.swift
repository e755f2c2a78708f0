import Foundation
import Testing
import VMState

/// Files of `virsh save`.
@Suite struct LibvirtSaveTests {
    private let domain = "<domain type='kvm'>\n  <name>guest</name>\n</domain>"
    private let cookie = "<qemusavecookie><cpu mode='custom'><model>EPYC</model></cpu></qemusavecookie>"

    private func number(_ value: Int, swapped: Bool = false) -> [UInt8] {
        let value = UInt32(value)
        return withUnsafeBytes(of: swapped ? value.bigEndian : value.littleEndian) { Array($0) }
    }

    /// A file as libvirt writes it, made by hand.
    private func file(
        _ stream: [UInt8], compression: Int = 0, version: Int = 2, swapped: Bool = false, cookieOffset: Int? = nil
    ) -> [UInt8] {
        var texts = Array(domain.utf8) + [0]
        let offset = cookieOffset ?? texts.count
        texts += Array(cookie.utf8) + [0] + [UInt8](repeating: 0, count: 65_536)
        var bytes = Array("LibvirtQemudSave".utf8)
        for field in [version, texts.count, 1, compression, offset] { bytes += number(field, swapped: swapped) }
        bytes += [UInt8](repeating: 0, count: 92 - bytes.count)
        return bytes + texts + stream
    }

    private func open(_ bytes: [UInt8]) throws -> SnapshotSource {
        let directory = try TemporaryDirectory()
        try Data(bytes).write(to: URL(fileURLWithPath: directory["file.save"]))
        return try SnapshotSource(path: directory["file.save"])
    }

    private func stream() throws -> [UInt8] { try FixtureCase.pc.fixture().stream }

    private func isEqual(_ source: SnapshotSource, _ stream: [UInt8]) throws -> Bool {
        try source.bytes(at: 0, length: Int(source.count)) == stream
    }

    @Test(arguments: [false, true]) func texts(swapped: Bool) throws {
        let stream = try stream()
        let source = try open(file(stream, swapped: swapped))
        let header = try #require(source.libvirt)
        #expect(header.domain == domain)
        #expect(header.cookie == cookie)
        #expect(header.wasRunning)
        #expect(header.compression == .none)
        #expect(try isEqual(source, stream))
    }

    /// What packs a file, by libvirt's number; lzop and zstd are only there when their packages are.
    @Test(arguments: [(1, "gzip"), (2, "bzip2"), (3, "xz"), (4, "lzop"), (5, "zstd")])
    func packed(number: Int, program: String) throws {
        let stream = try stream()
        let directory = try TemporaryDirectory()
        try Data(stream).write(to: URL(fileURLWithPath: directory["stream"]))
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/\(program)") else {
            // The other half of the promise: the error says what to install.
            let error = #expect(throws: VMStateError.self) { try open(file([0], compression: number)) }
            #expect(error?.description.contains(program) == true)
            return
        }
        try run("sh", "-c", "\(program) -c < \(directory["stream"]) > \(directory["packed"])")
        let packed = [UInt8](try Data(contentsOf: URL(fileURLWithPath: directory["packed"])))
        let source = try open(file(packed, compression: number))
        #expect(source.libvirt?.compression.name == program)
        #expect(try isEqual(source, stream))

        // Cut in the middle: the program's words, and where the stream begins.
        let error = #expect(throws: VMStateError.self) {
            try open(file(Array(packed[..<(packed.count / 2)]), compression: number))
        }
        #expect(error?.offset != nil)
        #expect(error?.cause?.isEmpty == false)
    }

    @Test(arguments: LibvirtSaveHeader.Compression.allCases.filter { $0 != .sparse && $0 != .lzop })
    func whatIsWrittenIsRead(compression: LibvirtSaveHeader.Compression) throws {
        let stream = try stream()
        let directory = try TemporaryDirectory()
        let header = LibvirtSaveHeader(wasRunning: false, compression: compression, domain: domain, cookie: cookie)
        var output = try LibvirtSaveOutput(path: directory["new.save"], header: header)
        try stream.withUnsafeBytes { try output.write($0) }
        // Until the end it is marked as unfinished.
        let early = #expect(throws: VMStateError.self) { try SnapshotSource(path: directory["new.save"]) }
        #expect(early?.code == .truncated)
        try output.finish()
        let source = try SnapshotSource(path: directory["new.save"])
        #expect(source.libvirt == header)
        #expect(try isEqual(source, stream))
        #expect(throws: VMStateError.self) { _ = try LibvirtSaveOutput(path: directory["new.save"], header: header) }
    }

    @Test func sparseCannotBeWritten() throws {
        let directory = try TemporaryDirectory()
        #expect(throws: VMStateError.self) {
            _ = try LibvirtSaveOutput(
                path: directory["new.save"], header: LibvirtSaveHeader(compression: .sparse, domain: domain))
        }
    }

    @Test func damagedHeadersAreRefusedWithTheirPlace() throws {
        let whole = file([1, 2, 3])
        func damaged(_ offset: Int, _ bytes: [UInt8]) -> VMStateError? {
            var copy = whole
            copy.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            return #expect(throws: VMStateError.self) { try open(copy) }
        }
        #expect(damaged(16, number(0))?.offset == 16)
        #expect(damaged(16, [3, 0, 0, 7])?.offset == 16)
        // The texts: empty, longer than the file, longer than any.
        #expect(damaged(20, number(0))?.offset == 20)
        #expect(damaged(20, number(1 << 20))?.code == .truncated)
        #expect(damaged(20, [255, 255, 255, 255])?.code == .limit)
        #expect(damaged(28, number(7))?.offset == 28)
        // The cookie: behind the texts, inside the domain's XML.
        #expect(damaged(32, number(1 << 20))?.offset == 32)
        #expect(damaged(32, number(3))?.offset == 32)
        #expect(damaged(92, [0xff])?.offset == 92)
        #expect(damaged(92 + domain.utf8.count, [0x41])?.code == .malformed)
        var part = whole
        part.replaceSubrange(0..<16, with: Array("LibvirtQemudPart".utf8))
        #expect(throws: VMStateError.self) { try open(part) }
        for length in 0..<(92 + 20) {
            #expect(throws: VMStateError.self) { try open(Array(whole[..<length])) }
        }
    }

    @Test func aSaveFileHasNoSnapshots() throws {
        let directory = try TemporaryDirectory()
        try Data(file([1])).write(to: URL(fileURLWithPath: directory["file.save"]))
        #expect(throws: VMStateError.self) { try SnapshotSource(path: directory["file.save"], snapshot: "x") }
    }
}

/// What stands before the stream in a file of `virsh save`: the header and the domain's XML.
///
/// The header is 92 bytes, in the byte order of the machine that wrote it (libvirt: src/qemu/qemu_saveimage.h); the table
/// is in the module's documentation.
package struct LibvirtSaveHeader: Sendable, Hashable {
    /// How the stream is compressed.
    package enum Compression: UInt32, Sendable, Hashable, CaseIterable {
        case none = 0
        case gzip = 1
        case bzip2 = 2
        case xz = 3
        case lzop = 4
        case zstd = 5
        /// Not compressed: a migration with the capability mapped-ram, whose pages lie at fixed places.
        case sparse = 6

        /// What users call it.
        package var name: String {
            switch self {
            case .none: "raw"
            case .gzip: "gzip"
            case .bzip2: "bzip2"
            case .xz: "xz"
            case .lzop: "lzop"
            case .zstd: "zstd"
            case .sparse: "sparse"
            }
        }

        /// The program that packs and unpacks it, as for libvirt; nil where none is needed.
        package var program: String? {
            switch self {
            case .none, .sparse: nil
            default: name
            }
        }

        /// The Debian package of the program.
        var package: String { self == .xz ? "xz-utils" : name }
    }

    /// Bytes of the header.
    static let size = 92
    /// Bytes of XML, cookie and padding that are accepted.
    static let textLimit = 16 << 20
    /// Zero bytes that libvirt leaves behind the texts, so that they can be edited in place.
    static let padding = 64 << 10
    static let magic = Array("LibvirtQemudSave".utf8)
    static let unfinishedMagic = Array("LibvirtQemudPart".utf8)
    private static let version: UInt32 = 2

    /// Whether the domain ran when it was saved.
    package var wasRunning: Bool
    package var compression: Compression
    /// The domain's XML.
    package var domain: String
    /// QEMU's driver notes more here, among it the CPU model as the guest saw it; nil if there is none.
    package var cookie: String?

    package init(wasRunning: Bool = true, compression: Compression = .none, domain: String, cookie: String? = nil) {
        self.wasRunning = wasRunning
        self.compression = compression
        self.domain = domain
        self.cookie = cookie
    }

    /// Reads the header at the beginning of a file.
    ///
    /// - Returns: the header, and the offset at which the stream begins.
    package static func read(from source: some ByteSource) throws(VMStateError) -> (LibvirtSaveHeader, UInt64) {
        let bytes = try source.bytes(at: 0, length: size)
        guard !bytes.starts(with: unfinishedMagic) else {
            throw VMStateError(
                .truncated,
                "an unfinished libvirt save file: libvirt marks it as complete at the end; save the domain again",
                offset: 0)
        }
        guard bytes.starts(with: magic) else {
            throw VMStateError(.malformed, "no libvirt save file", offset: 0)
        }
        func number(_ field: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[16 + field * 4 + $1]) << UInt32($1 * 8) }
        }
        // A machine of the other byte order wrote it when the version is out of reach.
        let isSwapped = number(0) > version
        func field(_ index: Int) -> UInt32 { isSwapped ? number(index).byteSwapped : number(index) }
        guard (1...version).contains(field(0)) else {
            throw VMStateError(
                .unsupported, "version \(field(0)) of libvirt's save file; 1 and 2 are known", offset: 16)
        }
        let length = field(1)
        guard length >= 2, length <= textLimit else {
            throw VMStateError(
                .limit, "the domain's XML has \(length) bytes; up to \(textLimit) are accepted", offset: 20)
        }
        guard let compression = Compression(rawValue: field(3)) else {
            throw VMStateError(
                .unsupported, "compression format \(field(3)) of libvirt's save file; known are 0 to 6", offset: 28)
        }
        let texts = try source.bytes(at: UInt64(size), length: Int(length))
        let domain = try text(in: texts, at: 0, "the domain's XML")
        let cookieOffset = field(4)
        var cookie: String?
        if cookieOffset > 0 {
            guard cookieOffset < length, Int(cookieOffset) > domain.utf8.count else {
                throw VMStateError(
                    .malformed, "libvirt's cookie is said to be at \(cookieOffset), the texts have \(length) bytes",
                    offset: 32)
            }
            cookie = try text(in: texts, at: Int(cookieOffset), "libvirt's cookie")
        }
        return (
            LibvirtSaveHeader(
                wasRunning: field(2) != 0, compression: compression, domain: domain, cookie: cookie),
            UInt64(size) + UInt64(length)
        )
    }

    /// A text that ends with a NUL.
    private static func text(in bytes: [UInt8], at offset: Int, _ what: String) throws(VMStateError) -> String {
        let place = UInt64(size + offset)
        guard let end = bytes[offset...].firstIndex(of: 0) else {
            throw VMStateError(.malformed, "\(what) has no end", offset: place)
        }
        guard let text = String(validating: bytes[offset..<end], as: UTF8.self) else {
            throw VMStateError(.malformed, "\(what) is no text", offset: place)
        }
        return text
    }

    /// Header and texts in this machine's byte order, for a file whose stream follows.
    ///
    /// - Parameter isFinished: libvirt takes a file for broken until it is told otherwise.
    package func bytes(isFinished: Bool = true) throws(VMStateError) -> [UInt8] {
        var texts = Array(domain.utf8) + [0]
        var cookieOffset = 0
        if let cookie {
            cookieOffset = texts.count
            texts += Array(cookie.utf8) + [0]
        }
        guard texts.filter({ $0 == 0 }).count == (cookie == nil ? 1 : 2) else {
            throw VMStateError(.malformed, "the domain's XML contains a NUL")
        }
        texts += [UInt8](repeating: 0, count: Self.padding)
        guard texts.count <= Self.textLimit else {
            throw VMStateError(.limit, "the domain's XML has more than \(Self.textLimit) bytes")
        }
        var bytes = isFinished ? Self.magic : Self.unfinishedMagic
        let fields = [
            Self.version, UInt32(texts.count), wasRunning ? 1 : 0, compression.rawValue, UInt32(cookieOffset),
        ]
        for index in 0..<(Self.size - 16) / 4 {
            let value = (index < fields.count ? fields[index] : 0).littleEndian
            bytes += (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32($0 * 8)) }
        }
        return bytes + texts
    }
}

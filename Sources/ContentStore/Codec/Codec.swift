import CLZ4
import CZstd
import Glibc

/// How the bytes of a frame are stored. The raw value is the byte in the frame's header.
package enum Codec: UInt8, Sendable, Hashable, CaseIterable {
    case raw = 0
    /// An LZ4 block: fast, for RAM and disks in use.
    case lz4 = 1
    /// A zstd frame: smaller, for disks.
    case zstd = 2
    /// The bytes themselves after a table with the CRC of each 4 KiB of them, so that a part can be read and checked alone.
    case pieces = 3

    var isCompressed: Bool {
        switch self {
        case .raw, .pieces: false
        case .lz4, .zstd: true
        }
    }
}

/// Which codec an ingest tries. What does not shrink by at least a sixteenth is stored raw.
package enum Compression: Sendable, Hashable {
    case none
    case lz4
    /// Level 1 (fast) to 19 (small).
    case zstd(level: Int32)
}

extension Compression {
    /// How many chunks of a disk, side by side in the guest, share a frame unless an ingest says otherwise.
    ///
    /// zstd finds more to match in four chunks than in one (5 % smaller, and a little faster); LZ4 looks back 64 KiB at most, and what
    /// is not compressed gains nothing.
    package var usualChunksPerFrame: Int {
        switch self {
        case .none, .lz4: 1
        case .zstd: 4
        }
    }

    /// Compresses into `target` if that saves at least a sixteenth.
    ///
    /// - Parameter context: tables of the compressors, used by one thread at a time; without them each call makes its own.
    /// - Returns: the codec and the number of bytes in `target`; nil when the bytes are better stored raw.
    func compress(
        _ plain: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, with context: CodecContext? = nil
    ) -> (codec: Codec, count: Int)? {
        let limit = plain.count - max(1, plain.count / 16)
        let room = min(limit, target.count)
        guard room > 0, let source = plain.baseAddress, let destination = target.baseAddress else { return nil }
        switch self {
        case .none:
            return nil
        case .lz4:
            guard let sourceCount = Int32(exactly: plain.count), let roomCount = Int32(exactly: room) else {
                return nil
            }
            let count = LZ4_compress_default(
                source.assumingMemoryBound(to: CChar.self), destination.assumingMemoryBound(to: CChar.self),
                sourceCount, roomCount)
            return count > 0 ? (.lz4, Int(count)) : nil
        case .zstd(let level):
            let count: Int
            if let compressor = context?.compressor {
                CodecContext.prepare(compressor, level: level)
                count = ZSTD_compress2(compressor, destination, room, source, plain.count)
            } else {
                count = ZSTD_compress(destination, room, source, plain.count, level)
            }
            return ZSTD_isError(count) == 0 && count > 0 ? (.zstd, count) : nil
        }
    }
}

extension Codec {
    /// Decodes exactly `plain.count` bytes; false when the stored bytes are not that.
    ///
    /// Both libraries stay inside the two buffers whatever the stored bytes are.
    ///
    /// - Parameter context: tables of the decompressors, used by one thread at a time; without them each call makes its own.
    func decode(
        _ stored: UnsafeRawBufferPointer, into plain: UnsafeMutableRawBufferPointer, with context: CodecContext? = nil
    ) -> Bool {
        guard let source = stored.baseAddress, let destination = plain.baseAddress else {
            return stored.isEmpty && plain.isEmpty
        }
        switch self {
        case .raw:
            guard stored.count == plain.count else { return false }
            memcpy(destination, source, plain.count)
            return true
        case .lz4:
            guard let storedCount = Int32(exactly: stored.count), let plainCount = Int32(exactly: plain.count) else {
                return false
            }
            let count = LZ4_decompress_safe(
                source.assumingMemoryBound(to: CChar.self), destination.assumingMemoryBound(to: CChar.self),
                storedCount, plainCount)
            return count == plainCount
        case .zstd:
            let count: Int
            if let decompressor = context?.decompressor {
                count = ZSTD_decompressDCtx(decompressor, destination, plain.count, source, stored.count)
            } else {
                count = ZSTD_decompress(destination, plain.count, source, stored.count)
            }
            return ZSTD_isError(count) == 0 && count == plain.count
        case .pieces:
            let table = PieceTable.size(plain: plain.count)
            guard stored.count == table + plain.count else { return false }
            memcpy(destination, source + table, plain.count)
            return true
        }
    }

    /// How many of the first bytes have to be decoded for the first `count` of `plainLength`; nil when it is no less work than all.
    func prefix(for count: Int, of plainLength: Int) -> Int? {
        switch self {
        case .raw, .pieces: nil
        case .lz4: count <= plainLength * 3 / 4 ? count : nil
        // zstd decodes blocks of 128 KiB.
        case .zstd: plainLength > 128 << 10 && count <= 128 << 10 ? count : nil
        }
    }

    /// Decodes the first bytes, as many as the buffer holds; false when the stored bytes do not begin like that, or when the decoder would
    /// need more memory than a frame has plain bytes, as a frame from elsewhere may: decoding it whole needs none.
    package func decodePrefix(
        _ stored: UnsafeRawBufferPointer, into plain: UnsafeMutableRawBufferPointer, with context: CodecContext
    ) -> Bool {
        guard let source = stored.baseAddress, let destination = plain.baseAddress else { return plain.isEmpty }
        switch self {
        case .raw, .pieces:
            return false
        case .lz4:
            guard let storedCount = Int32(exactly: stored.count), let plainCount = Int32(exactly: plain.count) else {
                return false
            }
            let count = LZ4_decompress_safe_partial(
                source.assumingMemoryBound(to: CChar.self), destination.assumingMemoryBound(to: CChar.self),
                storedCount, plainCount, plainCount)
            return count == plainCount
        case .zstd:
            guard let decompressor = context.decompressor else { return false }
            ZSTD_DCtx_reset(decompressor, ZSTD_reset_session_only)
            var input = ZSTD_inBuffer(src: source, size: stored.count, pos: 0)
            var output = ZSTD_outBuffer(dst: destination, size: plain.count, pos: 0)
            while output.pos < output.size {
                let before = (input.pos, output.pos)
                let result = ZSTD_decompressStream(decompressor, &output, &input)
                guard ZSTD_isError(result) == 0, (input.pos, output.pos) != before else { return false }
            }
            return true
        }
    }
}

/// The CRCs of the pieces of a frame that is not compressed: `u32` for each 4 KiB, and one of these. See <doc:Format#Packs>.
enum PieceTable {
    static let pieceSize = 4096

    static func size(plain count: Int) -> Int {
        4 * ((count + pieceSize - 1) / pieceSize + 1)
    }

    /// Writes the table of these bytes.
    static func write(_ plain: UnsafeRawBufferPointer, to table: UnsafeMutableRawBufferPointer) {
        var offset = 0
        for start in stride(from: 0, to: plain.count, by: pieceSize) {
            let crc = CRC32C.checksum(plain.part(start, min(pieceSize, plain.count - start)))
            table.storeBytes(of: crc.littleEndian, toByteOffset: offset, as: UInt32.self)
            offset += 4
        }
        let crc = CRC32C.checksum(UnsafeRawBufferPointer(table.part(0, offset)))
        table.storeBytes(of: crc.littleEndian, toByteOffset: offset, as: UInt32.self)
    }

    /// Whether a table is sound.
    static func isSound(_ table: UnsafeRawBufferPointer) -> Bool {
        table.bytes.integer(UInt32.self, at: table.count - 4) == CRC32C.checksum(table.part(0, table.count - 4))
    }

    /// Whether bytes that begin with piece `first`, and are whole pieces but for the last of all, have their CRCs.
    static func isSound(_ bytes: UnsafeRawBufferPointer, from first: Int, in table: UnsafeRawBufferPointer) -> Bool {
        var piece = first
        for start in stride(from: 0, to: bytes.count, by: pieceSize) {
            let crc = CRC32C.checksum(bytes.part(start, min(pieceSize, bytes.count - start)))
            guard table.bytes.integer(UInt32.self, at: 4 * piece) == crc else { return false }
            piece += 1
        }
        return true
    }
}

/// The tables of zstd, made when first needed and used again for every frame: making them takes longer than decoding 4 KiB.
///
/// `@unchecked Sendable`: it is used by one thread at a time, the one that took it from a ``Pool``.
package final class CodecContext: @unchecked Sendable {
    private var madeCompressor: OpaquePointer?
    private var madeDecompressor: OpaquePointer?
    /// The logarithm of the greatest window of zstd in bytes: 1 MiB, as many as a frame has plain bytes at most.
    private static let greatestWindowLog: Int32 = 20

    package init() {}

    /// nil when there is no memory for it.
    fileprivate var compressor: OpaquePointer? {
        if madeCompressor == nil { madeCompressor = ZSTD_createCCtx() }
        return madeCompressor
    }

    /// nil when there is no memory for it.
    fileprivate var decompressor: OpaquePointer? {
        if madeDecompressor == nil {
            madeDecompressor = ZSTD_createDCtx()
            // Else a frame may ask for 128 MiB, which the context keeps.
            if let madeDecompressor {
                ZSTD_DCtx_setParameter(madeDecompressor, ZSTD_d_windowLogMax, CodecContext.greatestWindowLog)
            }
        }
        return madeDecompressor
    }

    /// Sets the level, and at the lowest two the table and the shortest match, so that the table fits the fastest caches of a core. Measured
    /// on a disk of files in frames of 256 KiB, against the library's own choice: level 1 is 3 % faster and as small, level 2 is 5 % slower
    /// and 1.2 % smaller.
    fileprivate static func prepare(_ compressor: OpaquePointer, level: Int32) {
        ZSTD_CCtx_reset(compressor, ZSTD_reset_session_and_parameters)
        ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel, level)
        let table: (hashLog: Int32, minMatch: Int32)? =
            switch level {
            case 1: (13, 5)
            case 2: (14, 4)
            default: nil
            }
        if let table {
            ZSTD_CCtx_setParameter(compressor, ZSTD_c_hashLog, table.hashLog)
            ZSTD_CCtx_setParameter(compressor, ZSTD_c_minMatch, table.minMatch)
        }
    }

    deinit {
        // Both accept null.
        ZSTD_freeCCtx(madeCompressor)
        ZSTD_freeDCtx(madeDecompressor)
    }
}

import Glibc

extension RawSpan {
    /// The little-endian number at an offset, or nil when it does not lie within the span.
    func integer<Number: FixedWidthInteger & BitwiseCopyable>(_ type: Number.Type, at offset: Int) -> Number? {
        guard offset >= 0, offset <= byteCount - MemoryLayout<Number>.size else { return nil }
        return Number(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: type))
    }

    /// The digest at an offset, or nil when it does not lie within the span.
    func digest(at offset: Int) -> Digest? {
        guard offset >= 0, offset <= byteCount - Digest.byteCount else { return nil }
        return withUnsafeBytes { bytes in
            bytes.baseAddress.map { Digest(loadingFrom: $0 + offset) }
        }
    }

    /// Whether these bytes are at an offset.
    func has(_ magic: StaticString, at offset: Int) -> Bool {
        let count = magic.utf8CodeUnitCount
        guard offset >= 0, offset <= byteCount - count else { return false }
        return withUnsafeBytes { bytes in
            bytes.baseAddress.map { memcmp($0 + offset, magic.utf8Start, count) == 0 } ?? false
        }
    }
}

extension [UInt8] {
    mutating func append(_ magic: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: magic.utf8Start, count: magic.utf8CodeUnitCount))
    }

    /// The bytes in memory, for a body with typed errors.
    func withBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try withUnsafeBufferPointer { buffer throws(StoreError) in try body(UnsafeRawBufferPointer(buffer)) }
    }

    /// The bytes in memory, to be changed by a body with typed errors.
    mutating func withMutableBytes<Result>(
        _ body: (UnsafeMutableRawBufferPointer) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try withUnsafeMutableBufferPointer { buffer throws(StoreError) in
            try body(UnsafeMutableRawBufferPointer(buffer))
        }
    }

    /// Appends a number, little-endian.
    mutating func append(littleEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }

    /// Appends the 32 bytes of a digest.
    mutating func append(_ digest: Digest) {
        append(contentsOf: digest.bytes)
    }
}

extension UnsafeRawBufferPointer {
    /// Whether every byte is zero.
    var isZero: Bool {
        guard let base = baseAddress, count > 0 else { return true }
        if count < 16 { return allSatisfy { $0 == 0 } }
        // The first 8 bytes are zero and each byte equals the one 8 before it.
        guard base.loadUnaligned(as: UInt64.self) == 0 else { return false }
        return memcmp(base, base + 8, count - 8) == 0
    }

    /// Part of these bytes. The caller guarantees that it lies within.
    func part(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[offset..<offset + count])
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Part of these bytes. The caller guarantees that it lies within.
    func part(_ offset: Int, _ count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: self[offset..<offset + count])
    }
}

/// Memory of the C heap with one owner, for buffers that are handed to system calls and compressors.
final class ByteBuffer {
    let bytes: UnsafeMutableRawBufferPointer

    init(count: Int) {
        bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count, 1), alignment: 64)
    }

    deinit {
        bytes.deallocate()
    }
}

/// Memory of the C heap that becomes as large as it ever needed to be. Used by one thread at a time.
final class GrowingBuffer {
    private var buffer: ByteBuffer

    init(count: Int) {
        buffer = ByteBuffer(count: count)
    }

    /// So many bytes, of which the first `kept` are those that were there before. What was returned earlier is not valid any more.
    func bytes(_ count: Int, keeping kept: Int = 0) -> UnsafeMutableRawBufferPointer {
        if count > buffer.bytes.count {
            let larger = ByteBuffer(count: max(count, 2 * buffer.bytes.count))
            larger.bytes.part(0, kept).copyMemory(from: UnsafeRawBufferPointer(buffer.bytes.part(0, kept)))
            buffer = larger
        }
        return buffer.bytes.part(0, count)
    }
}

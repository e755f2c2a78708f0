import Glibc

/// Bytes from a guest with little-endian reads that are checked: every read beyond the end is nil.
struct ByteTable: Sendable {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var count: Int { bytes.count }

    func integer<Value: FixedWidthInteger & UnsignedInteger>(at offset: Int, as type: Value.Type = Value.self) -> Value?
    {
        let size = MemoryLayout<Value>.size
        guard offset >= 0, offset <= bytes.count - size else { return nil }
        // The bounds were checked above.
        return bytes.withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self)) }
    }

    func u16(_ offset: Int) -> UInt16? { integer(at: offset) }
    func u32(_ offset: Int) -> UInt32? { integer(at: offset) }
    func u64(_ offset: Int) -> UInt64? { integer(at: offset) }

    /// Length of the string at an offset up to its NUL; nil without one.
    func stringLength(at offset: Int) -> Int? {
        guard offset >= 0, offset < bytes.count else { return nil }
        return bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress, let end = memchr(base + offset, 0, buffer.count - offset) else {
                return nil
            }
            return UnsafeRawPointer(end) - (base + offset)
        }
    }

    /// The string at an offset up to its NUL.
    func string(at offset: Int) -> String? {
        guard let length = stringLength(at: offset) else { return nil }
        return String(decoding: bytes[offset..<offset + length], as: UTF8.self)
    }

    /// The string at an offset is `text`.
    func matches(_ text: [UInt8], at offset: Int) -> Bool {
        guard offset >= 0, offset <= bytes.count - text.count - 1, bytes[offset + text.count] == 0 else { return false }
        return bytes.withUnsafeBytes { buffer in
            text.withUnsafeBytes { wanted in
                guard let base = buffer.baseAddress, let other = wanted.baseAddress else { return text.isEmpty }
                return memcmp(base + offset, other, wanted.count) == 0
            }
        }
    }

    /// All places of a run of bytes, in order.
    func places(of pattern: [UInt8], limit: Int = 64) -> [Int] {
        guard let first = pattern.first else { return [] }
        var result: [Int] = []
        bytes.withUnsafeBytes { buffer in
            pattern.withUnsafeBytes { wanted in
                guard let base = buffer.baseAddress, let other = wanted.baseAddress else { return }
                var start = 0
                // Within the buffer: `start` grows, and what is compared ends before its end.
                while result.count < limit, start <= buffer.count - wanted.count,
                    let hit = memchr(base + start, Int32(first), buffer.count - wanted.count - start + 1)
                {
                    let place = UnsafeRawPointer(hit) - base
                    if memcmp(base + place, other, wanted.count) == 0 { result.append(place) }
                    start = place + 1
                }
            }
        }
        return result
    }
}

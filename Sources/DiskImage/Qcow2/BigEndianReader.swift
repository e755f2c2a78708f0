/// Reads big-endian fields one after the other; reading past the end throws.
struct BigEndianReader {
    private let bytes: [UInt8]
    /// Next byte to be read.
    private(set) var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var remaining: Int { bytes.count - position }

    /// The next field.
    ///
    /// - Throws: ``OutOfBytes`` when fewer bytes are left than the field has.
    mutating func next<Value: FixedWidthInteger>(_: Value.Type = Value.self) throws(OutOfBytes) -> Value {
        let size = Value.bitWidth / 8
        guard size <= remaining else { throw OutOfBytes() }
        var value: Value = 0
        for byte in bytes[position..<position + size] { value = (value << 8) | Value(truncatingIfNeeded: byte) }
        position += size
        return value
    }

    /// The next `count` bytes.
    mutating func next(count: Int) throws(OutOfBytes) -> ArraySlice<UInt8> {
        guard count >= 0, count <= remaining else { throw OutOfBytes() }
        defer { position += count }
        return bytes[position..<position + count]
    }

    /// Continues at an absolute position.
    mutating func seek(to position: Int) throws(OutOfBytes) {
        guard position >= 0, position <= bytes.count else { throw OutOfBytes() }
        self.position = position
    }

    struct OutOfBytes: Error {}
}

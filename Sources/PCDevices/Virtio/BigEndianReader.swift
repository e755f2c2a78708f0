/// Reads the big-endian integers of a part of a section that its description calls opaque.
struct BigEndianReader {
    let bytes: [UInt8]
    private(set) var position = 0
    private let section: String

    init(_ bytes: [UInt8], section: String) {
        self.bytes = bytes
        self.section = section
    }

    var remaining: Int { bytes.count - position }

    mutating func integer<Value: FixedWidthInteger & UnsignedInteger>(_ type: Value.Type = Value.self)
        throws(DeviceError) -> Value
    {
        try take(MemoryLayout<Value>.size).reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
    }

    /// The next bytes.
    mutating func take(_ count: Int) throws(DeviceError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= remaining else {
            throw DeviceError(
                .malformed, "section \(section) ends at byte \(bytes.count) inside a field; the stream is damaged")
        }
        defer { position += count }
        return bytes[position..<position + count]
    }

    /// Goes on at a position inside the bytes.
    mutating func seek(_ position: Int) throws(DeviceError) {
        guard position >= 0, position <= bytes.count else {
            throw DeviceError(.malformed, "section \(section) has no byte \(position); the stream is damaged")
        }
        self.position = position
    }
}

extension [UInt8] {
    /// Overwrites a big-endian integer; nothing happens outside of the array.
    mutating func put<Value: FixedWidthInteger & UnsignedInteger>(_ value: Value, at offset: Int) {
        let size = MemoryLayout<Value>.size
        guard offset >= 0, count - size >= offset else { return }
        for index in 0..<size {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> Value(8 * (size - 1 - index)))
        }
    }

    /// Appends a big-endian integer.
    mutating func append<Value: FixedWidthInteger & UnsignedInteger>(bigEndian value: Value) {
        for index in 0..<MemoryLayout<Value>.size {
            append(UInt8(truncatingIfNeeded: value >> Value(8 * (MemoryLayout<Value>.size - 1 - index))))
        }
    }
}

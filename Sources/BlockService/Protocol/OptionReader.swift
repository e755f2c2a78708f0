/// Takes the data of an option apart. All numbers are big-endian.
struct OptionReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var remaining: Int { bytes.count - position }

    mutating func integer<Number: FixedWidthInteger>(_: Number.Type) -> Number? {
        let size = Number.bitWidth / 8
        guard remaining >= size else { return nil }
        defer { position += size }
        return bytes[position..<position + size].reduce(0) { $0 << 8 | Number(truncatingIfNeeded: $1) }
    }

    /// A string after its u32 length; nil when it is incomplete or longer than the protocol's 4096 bytes.
    mutating func string() -> String? {
        guard let length = integer(UInt32.self), length <= NBDExport.maximumStringLength, Int(length) <= remaining
        else { return nil }
        defer { position += Int(length) }
        return String(decoding: bytes[position..<position + Int(length)], as: UTF8.self)
    }
}

extension [UInt8] {
    /// Appends a number in the protocol's byte order.
    mutating func append(big number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) }
    }
}

/// Puts big-endian fields one after the other.
struct BigEndianWriter {
    private(set) var bytes: [UInt8] = []

    mutating func put<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func put(_ text: some Collection<UInt8>) { bytes.append(contentsOf: text) }

    /// Adds zeros up to the next multiple of `unit`.
    mutating func align(to unit: Int) {
        while bytes.count % unit != 0 { bytes.append(0) }
    }
}

/// The guest-physical memory that a device reads and writes by itself (DMA).
///
/// An access to an address without RAM fails; whoever asked reports it the way the hardware would. No call traps.
package protocol PhysicalMemory: ~Copyable {
    /// Copies bytes out of RAM. False, and an unspecified target, when a byte of the range is not RAM.
    mutating func read(_ address: UInt64, into target: UnsafeMutableRawBufferPointer) -> Bool

    /// Copies bytes into RAM. False when a byte of the range is not RAM or cannot be written; what lies before it is written.
    mutating func write(_ address: UInt64, from source: UnsafeRawBufferPointer) -> Bool
}

extension PhysicalMemory where Self: ~Copyable {
    /// A little-endian integer; nil outside of RAM.
    package mutating func load<Value: FixedWidthInteger>(_ address: UInt64, as type: Value.Type = Value.self) -> Value?
    {
        var value = Value.zero
        let isRead = withUnsafeMutableBytes(of: &value) { read(address, into: $0) }
        return isRead ? Value(littleEndian: value) : nil
    }

    /// Writes a little-endian integer; false outside of RAM.
    package mutating func store<Value: FixedWidthInteger>(_ value: Value, at address: UInt64) -> Bool {
        var value = value.littleEndian
        return withUnsafeMutableBytes(of: &value) { write(address, from: UnsafeRawBufferPointer($0)) }
    }
}

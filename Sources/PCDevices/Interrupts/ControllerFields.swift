import VMState

/// The fields of an interrupt controller's section, with the errors of this module.
struct ControllerFields {
    private(set) var section: DeviceSection

    init(_ section: DeviceSection) { self.section = section }

    /// An integer field that fits the type.
    func value<Value: FixedWidthInteger>(_ path: String, as type: Value.Type = Value.self) throws(DeviceError) -> Value
    {
        let number = try reading { () throws(VMStateError) in try section.unsigned(path) }
        guard let value = Value(truncatingBits: number) else { throw unfit(path) }
        return value
    }

    /// An integer field, or nil when the section has none of that name.
    func optional<Value: FixedWidthInteger>(_ path: String, as type: Value.Type = Value.self) throws(DeviceError)
        -> Value?
    {
        section.contains(path) ? try value(path, as: type) : nil
    }

    /// An array of integers with exactly `count` elements.
    func values(_ path: String, count: Int) throws(DeviceError) -> [UInt64] {
        let values = try reading { () throws(VMStateError) in try section.unsignedArray(path) }
        guard values.count == count else { throw unfit(path) }
        return values
    }

    /// Overwrites an integer field. What does not fit the field's size loses its upper bits.
    mutating func set(_ path: String, _ value: UInt64) throws(DeviceError) {
        try writing { (section) throws(VMStateError) in
            let size = try section.place(path)?.range.count ?? 8
            let mask = size >= 8 ? UInt64.max : (1 << UInt64(8 * size)) - 1
            try section.set(path, to: value & mask)
        }
    }

    /// Overwrites a field that QEMU uses as a truth value, only when it changes its meaning: QEMU's own values are not
    /// all 1.
    mutating func set(_ path: String, _ flag: Bool) throws(DeviceError) {
        let old: UInt64 = try value(path)
        if (old != 0) != flag { try set(path, flag ? 1 : 0) }
    }

    /// Overwrites an array of 32-bit integers.
    mutating func set(_ path: String, _ values: [UInt32]) throws(DeviceError) {
        let bytes = values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
        try writing { (section) throws(VMStateError) in try section.set(path, toBytes: bytes) }
    }

    /// Overwrites an array of 64-bit integers.
    mutating func set(_ path: String, _ values: [UInt64]) throws(DeviceError) {
        let bytes = values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * $0)) } }
        try writing { (section) throws(VMStateError) in try section.set(path, toBytes: bytes) }
    }

    /// The error of a field with a value that QEMU never writes.
    func unfit(_ path: String) -> DeviceError {
        DeviceError(.malformed, "section \(section.name): the field \(path) has a value that QEMU never writes")
    }

    private func reading<Value>(_ body: () throws(VMStateError) -> Value) throws(DeviceError) -> Value {
        do throws(VMStateError) { return try body() } catch { throw Self.failure(error) }
    }

    private mutating func writing(_ body: (inout DeviceSection) throws(VMStateError) -> Void) throws(DeviceError) {
        do throws(VMStateError) { try body(&section) } catch { throw Self.failure(error) }
    }

    private static func failure(_ error: VMStateError) -> DeviceError {
        DeviceError(
            error.code == .unsupported ? .unsupported : .malformed,
            "the section of an interrupt controller cannot be used", cause: error.description)
    }
}

extension FixedWidthInteger {
    /// The value whose bits are the lower ones of `bits`; nil when upper bits are set that the type lacks.
    fileprivate init?(truncatingBits bits: UInt64) {
        guard Self.bitWidth >= 64 || bits >> UInt64(Self.bitWidth) == 0 else { return nil }
        self.init(truncatingIfNeeded: bits)
    }
}

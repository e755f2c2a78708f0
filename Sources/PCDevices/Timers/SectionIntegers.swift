import VMState

/// Integer fields of a section, with the errors of devices.
extension DeviceSection {
    /// A field that the device cannot do without.
    func integerField<Value: FixedWidthInteger>(_ path: String, as type: Value.Type = Value.self) throws(DeviceError)
        -> Value
    {
        do throws(VMStateError) {
            return Value(truncatingIfNeeded: try unsigned(path))
        } catch {
            throw DeviceError(
                .malformed, "section \(name) has no usable field \(path); the snapshot is damaged or of another device",
                cause: "\(error)")
        }
    }

    /// A field that older or newer versions of QEMU leave out.
    func integerField<Value: FixedWidthInteger>(_ path: String, default value: Value) -> Value {
        guard contains(path), let read = try? unsigned(path) else { return value }
        return Value(truncatingIfNeeded: read)
    }

    /// Overwrites a field that has to be there. The value is cut to the field's size.
    mutating func setIntegerField(_ path: String, to value: some FixedWidthInteger) throws(DeviceError) {
        do throws(VMStateError) {
            let size = try place(path)?.range.count ?? 8
            let mask = size >= 8 ? UInt64.max : (1 << UInt64(8 * size)) - 1
            try set(path, to: UInt64(truncatingIfNeeded: value) & mask)
        } catch {
            throw DeviceError(
                .malformed, "section \(name) has no usable field \(path); save into a section of the same device",
                cause: "\(error)")
        }
    }

    /// Overwrites a field if the section has it.
    mutating func setOptionalIntegerField(_ path: String, to value: some FixedWidthInteger) throws(DeviceError) {
        if contains(path) { try setIntegerField(path, to: value) }
    }

    /// The bytes of a buffer or an array of bytes, exactly `count` of them; nil if the section has no such field.
    func bufferField(_ path: String, count: Int) throws(DeviceError) -> [UInt8]? {
        guard contains(path) else { return nil }
        guard let bytes = try? bytes(path), bytes.count == count else {
            throw DeviceError(.malformed, "section \(name): field \(path) has not the \(count) bytes that QEMU writes")
        }
        return bytes
    }

    /// Overwrites the bytes of a buffer if the section has it.
    mutating func setOptionalBufferField(_ path: String, to bytes: [UInt8]) throws(DeviceError) {
        guard contains(path) else { return }
        do throws(VMStateError) {
            try set(path, toBytes: bytes)
        } catch {
            throw DeviceError(.malformed, "section \(name): field \(path) has another size", cause: "\(error)")
        }
    }
}

import VMState

/// The fields of a section in the layout of a real stream, by full paths.
struct FieldList {
    private var fields: [(name: String, bytes: [UInt8])] = []

    /// Big-endian integers of the width of the type.
    mutating func add<Value: FixedWidthInteger>(_ name: String, _ value: Value) {
        fields.append((name, withUnsafeBytes(of: value.bigEndian) { Array($0) }))
    }

    mutating func add(_ name: String, bytes: [UInt8]) { fields.append((name, bytes)) }

    func section(_ idstr: String, instance: UInt32 = 0, version: UInt32 = 3) -> DeviceSection {
        DeviceSection(idstr: idstr, instanceID: instance, versionID: version, fields: fields)
    }
}

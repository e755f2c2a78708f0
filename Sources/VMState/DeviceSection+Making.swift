extension DeviceSection {
    /// Makes a described section from a flat list of fields, for devices that no snapshot brought and for tests.
    ///
    /// - Parameter fields: full paths, as ``place(_:)`` takes them, and big-endian bytes, in order. Every field is one element.
    package init(idstr: String, instanceID: UInt32, versionID: UInt32, fields: [(name: String, bytes: [UInt8])]) {
        var layout = FieldLayout(fields: [], size: 0)
        for field in fields {
            layout.fields.append(
                FieldNode(
                    name: field.name, type: "buffer", offset: layout.size, elementSize: field.bytes.count, count: 1,
                    index: nil, children: []))
            layout.size += field.bytes.count
        }
        self.init(
            sectionID: 0, idstr: idstr, instanceID: instanceID, versionID: versionID,
            payload: fields.flatMap(\.bytes), layout: layout)
    }
}

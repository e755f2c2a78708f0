extension DeviceSection {
    /// Makes a section that belongs to no stream from its entry of a description (vmdesc) and its bytes.
    ///
    /// For states that are put together outside of QEMU, and for tests of devices.
    ///
    /// - Parameters:
    ///   - entry: the JSON object with the section's `name`, `instance_id`, `version` (0 without) and `fields`.
    ///   - payload: as many bytes as the entry describes.
    package init(description entry: String, payload: [UInt8], sectionID: UInt32 = 0) throws(VMStateError) {
        let described = try DeviceDescription(try JSONReader.parse(Array(entry.utf8)))
        guard described.size == payload.count, let version = UInt32(exactly: described.version ?? 0) else {
            throw VMStateError(
                .inconsistent, "the description covers \(described.size) bytes, the section has \(payload.count)",
                section: "\(described.name)#\(described.instanceID)")
        }
        self.init(
            sectionID: sectionID, idstr: described.name, instanceID: described.instanceID, versionID: version,
            payload: payload, layout: described.layout)
    }
}

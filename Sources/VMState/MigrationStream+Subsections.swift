/// A field of a subsection that is added to a section.
package struct SubsectionField: Sendable, Hashable {
    /// Name in the description.
    package var name: String
    /// QEMU's name of the type, for example `int32`.
    package var type: String
    /// The bytes, big-endian for integers.
    package var bytes: [UInt8]

    /// A signed integer of 32 bits.
    package static func int32(_ name: String, _ value: Int32) -> SubsectionField {
        SubsectionField(
            name: name, type: "int32", bytes: (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * Int32($0))) })
    }
}

extension MigrationStream {
    /// Takes a subsection out of a section, with its entry in the description.
    ///
    /// The section has to be described: without that nobody knows where its subsections are.
    package mutating func removeSubsection(
        _ name: String, of idstr: String, _ instanceID: UInt32 = 0
    ) throws(VMStateError) {
        let section = try existing(idstr, instanceID)
        let header = FieldLayout.subsectionHeaderSize(name)
        guard let place = try section.place(name), place.type == "subsection", place.range.lowerBound >= header else {
            throw VMStateError(.notFound, "the section has no such subsection", section: section.name, field: name)
        }
        let start = place.range.lowerBound - header
        let expected = [StreamFormat.SectionType.subsection.rawValue, UInt8(name.utf8.count)] + Array(name.utf8)
        guard section.payload[start..<place.range.lowerBound - 4].elementsEqual(expected) else {
            throw VMStateError(
                .inconsistent, "the bytes of the section do not have the subsection where the description says",
                section: section.name, field: name)
        }
        var payload = section.payload
        payload.removeSubrange(start..<place.range.upperBound)
        try description?.removeSubsection(name, of: idstr, instanceID)
        try exchange(section, payload: payload)
    }

    /// Appends a subsection to a section that is described.
    ///
    /// QEMU finds subsections by their names, so that their order does not matter.
    package mutating func appendSubsection(
        _ name: String, version: UInt32 = 1, fields: [SubsectionField], to idstr: String, _ instanceID: UInt32 = 0
    ) throws(VMStateError) {
        let section = try existing(idstr, instanceID)
        guard description?.device(idstr, instanceID) != nil, !section.contains(name), name.utf8.count < 256 else {
            throw VMStateError(
                .inconsistent, "a subsection can be added only to a described section that lacks it",
                section: section.name, field: name)
        }
        var payload = section.payload
        payload += [StreamFormat.SectionType.subsection.rawValue, UInt8(name.utf8.count)] + Array(name.utf8)
        payload += (0..<4).map { UInt8(truncatingIfNeeded: version >> (24 - 8 * UInt32($0))) }
        for field in fields { payload += field.bytes }
        let entries = fields.map { #"{"name": "\#($0.name)", "type": "\#($0.type)", "size": \#($0.bytes.count)}"# }
        try description?.appendSubsection(
            #"{"vmsd_name": "\#(name)", "version": \#(version), "fields": [\#(entries.joined(separator: ", "))]}"#,
            to: idstr, instanceID)
        try exchange(section, payload: payload)
    }

    private func existing(_ idstr: String, _ instanceID: UInt32) throws(VMStateError) -> DeviceSection {
        guard let section = device(idstr, instanceID) else {
            throw VMStateError(.notFound, "the stream has no such section", section: "\(idstr)#\(instanceID)")
        }
        return section
    }

    /// Gives a section other bytes, which the description fits already.
    private mutating func exchange(_ section: DeviceSection, payload: [UInt8]) throws(VMStateError) {
        let described = description?.device(section.idstr, section.instanceID)
        guard described == nil || described?.size == payload.count,
            let index = devices.firstIndex(where: {
                $0.idstr == section.idstr && $0.instanceID == section.instanceID
            })
        else {
            throw VMStateError(.inconsistent, "the description does not fit the edited section", section: section.name)
        }
        devices[index] = DeviceSection(
            sectionID: section.sectionID, idstr: section.idstr, instanceID: section.instanceID,
            versionID: section.versionID, payload: payload, layout: described?.layout)
    }
}

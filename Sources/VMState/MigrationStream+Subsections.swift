/// A field of a subsection that is added to a section.
package struct SubsectionField: Sendable, Hashable {
    /// Name in the description.
    package var name: String
    /// QEMU's name of the type, for example `int32`.
    package var type: String
    /// The bytes, big-endian for integers.
    package var bytes: [UInt8]
    /// Name of the format and fields of a structure.
    package var structure: Structure?

    /// What a field of the type `struct` consists of.
    package struct Structure: Sendable, Hashable {
        package var name: String
        package var fields: [SubsectionField]
    }

    package init(name: String, type: String, bytes: [UInt8]) {
        self.name = name
        self.type = type
        self.bytes = bytes
    }

    /// A structure of QEMU's format `format`, version 1.
    package static func structure(_ name: String, _ format: String, _ fields: [SubsectionField]) -> SubsectionField {
        var field = SubsectionField(name: name, type: "struct", bytes: fields.flatMap(\.bytes))
        field.structure = Structure(name: format, fields: fields)
        return field
    }

    /// Plain bytes.
    package static func buffer(_ name: String, _ bytes: [UInt8]) -> SubsectionField {
        SubsectionField(name: name, type: "buffer", bytes: bytes)
    }

    /// The field's JSON object in a description.
    fileprivate var entry: String {
        var inner = ""
        if let structure {
            let fields = structure.fields.map(\.entry).joined(separator: ", ")
            inner = #", "struct": {"vmsd_name": "\#(structure.name)", "version": 1, "fields": [\#(fields)]}"#
        }
        return #"{"name": "\#(name)", "type": "\#(type)"\#(inner), "size": \#(bytes.count)}"#
    }

    /// A signed integer of 32 bits.
    package static func int32(_ name: String, _ value: Int32) -> SubsectionField { integer(name, "int32", value) }

    /// An integer of QEMU's type `type`, as wide as `value`.
    package static func integer(_ name: String, _ type: String, _ value: some FixedWidthInteger) -> SubsectionField {
        SubsectionField(name: name, type: type, bytes: withUnsafeBytes(of: value.bigEndian) { Array($0) })
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
    /// - Parameter structure: the field of the section whose format the subsection belongs to; nil for the section's own format.
    package mutating func appendSubsection(
        _ name: String, version: UInt32 = 1, fields: [SubsectionField], to idstr: String, _ instanceID: UInt32 = 0,
        inside structure: String? = nil
    ) throws(VMStateError) {
        let section = try existing(idstr, instanceID)
        let path = structure.map { "\($0).\(name)" } ?? name
        guard description?.device(idstr, instanceID) != nil, !section.contains(path), name.utf8.count < 256 else {
            throw VMStateError(
                .inconsistent, "a subsection can be added only to a described section that lacks it",
                section: section.name, field: path)
        }
        var bytes = [StreamFormat.SectionType.subsection.rawValue, UInt8(name.utf8.count)] + Array(name.utf8)
        bytes += (0..<4).map { UInt8(truncatingIfNeeded: version >> (24 - 8 * UInt32($0))) }
        for field in fields { bytes += field.bytes }
        var payload = section.payload
        var end = payload.count
        if let structure {
            guard let place = try section.place(structure), place.count == 1 else {
                throw VMStateError(
                    .notFound, "the section has no such structure", section: section.name, field: structure)
            }
            end = place.range.upperBound
        }
        payload.insert(contentsOf: bytes, at: end)
        let entries = fields.map(\.entry).joined(separator: ", ")
        try description?.appendSubsection(
            #"{"vmsd_name": "\#(name)", "version": \#(version), "fields": [\#(entries)]}"#, byteCount: bytes.count,
            to: idstr, instanceID, inside: structure)
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

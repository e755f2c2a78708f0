extension VMDescription {
    /// Takes the entry of a device's subsection out of the text, with all that is nested in it.
    mutating func removeSubsection(_ name: String, of idstr: String, _ instanceID: UInt32) throws(VMStateError) {
        let device = try node(of: idstr, instanceID)
        guard let list = device.member("subsections")?.elements,
            let index = list.firstIndex(where: { $0.member("vmsd_name")?.string == name })
        else {
            throw VMStateError(
                .notFound, "the description has no subsection \(name)", section: "\(idstr)#\(instanceID)")
        }
        let range =
            if index + 1 < list.count {
                list[index].range.lowerBound..<list[index + 1].range.lowerBound
            } else if index > 0 {
                list[index - 1].range.upperBound..<list[index].range.upperBound
            } else {
                list[index].range
            }
        var edited = text
        edited.removeSubrange(range)
        self = try VMDescription(text: edited)
    }

    /// Puts the JSON object of a subsection of `byteCount` bytes behind those that a device, or a structure in it, has.
    mutating func appendSubsection(
        _ object: String, byteCount: Int, to idstr: String, _ instanceID: UInt32, inside structure: String? = nil
    ) throws(VMStateError) {
        var owner = try node(of: idstr, instanceID)
        var edited = text
        if let structure {
            let field = owner.member("fields")?.elements?.first { $0.member("name")?.string == structure }
            guard let field, let inner = field.member("struct"), let size = field.lastMember("size"),
                let number = size.integer, size.range.lowerBound > inner.range.upperBound
            else {
                throw VMStateError(
                    .notFound, "the description has no structure \(structure)", section: "\(idstr)#\(instanceID)")
            }
            // The size stands behind the structure, whose place in the text stays.
            edited.replaceSubrange(size.range, with: Array("\(number + Int64(byteCount))".utf8))
            owner = inner
        }
        if let list = owner.member("subsections"), let elements = list.elements {
            if let last = elements.last {
                edited.insert(contentsOf: Array(", \(object)".utf8), at: last.range.upperBound)
            } else {
                edited.insert(contentsOf: Array(object.utf8), at: list.range.lowerBound + 1)
            }
        } else {
            edited.insert(contentsOf: Array(", \"subsections\": [\(object)]".utf8), at: owner.range.upperBound - 1)
        }
        self = try VMDescription(text: edited)
    }

    /// The JSON object of a device.
    private func node(of idstr: String, _ instanceID: UInt32) throws(VMStateError) -> JSONNode {
        let elements = try JSONReader.parse(text).member("devices")?.elements ?? []
        let index = devices.firstIndex { $0.name == idstr && $0.instanceID == instanceID }
        guard let index, index < elements.count else {
            throw VMStateError(.notFound, "the description has no such section", section: "\(idstr)#\(instanceID)")
        }
        return elements[index]
    }
}

extension StreamParser {
    /// A FULL section; its type byte was taken.
    mutating func device(at place: UInt64) throws(VMStateError) {
        let id: UInt32 = try cursor.integer("a section header")
        let idstr = try cursor.shortString("a section's name")
        let instance: UInt32 = try cursor.integer("a section header")
        let version: UInt32 = try cursor.integer("a section header")
        let name = "\(idstr)#\(instance)"
        guard devices.count < limits.deviceSections else {
            throw VMStateError(.limit, "more than \(limits.deviceSections) device sections", offset: place)
        }
        guard usedIDs.insert(id).inserted else {
            throw VMStateError(.malformed, "the section number \(id) is used twice", offset: place, section: name)
        }
        guard !devices.contains(where: { $0.idstr == idstr && $0.instanceID == instance }) else {
            throw VMStateError(.malformed, "the section comes twice", offset: place, section: name)
        }
        let described = description?.device(idstr, instance)
        if let expected = described?.version, expected != Int64(version) {
            throw VMStateError(
                .inconsistent, "the section has version \(version), its description \(expected)",
                offset: place, section: name)
        }
        let layout = described?.layout ?? BuiltInLayout.layout(idstr, version: version)
        let length: Int
        if let described {
            length = described.size
        } else {
            length = try lengthByFooter(id, name, from: layout?.size ?? 0)
        }
        guard length <= limits.deviceBytes - deviceBytes else {
            throw VMStateError(
                .limit, "the device sections have more than \(limits.deviceBytes) bytes", offset: place, section: name)
        }
        deviceBytes += length
        let payload: [UInt8]
        do throws(VMStateError) {
            payload = try cursor.bytes(length, "a device section")
            try footer(id, name)
        } catch {
            throw error.inSection(name)
        }
        devices.append(
            DeviceSection(
                sectionID: id, idstr: idstr, instanceID: instance, versionID: version, payload: payload, layout: layout)
        )
    }

    /// Bytes up to the section's footer, searched for because nothing says how long the section is.
    private func lengthByFooter(_ id: UInt32, _ name: String, from minimum: Int) throws(VMStateError) -> Int {
        guard hasFooters == true else {
            throw VMStateError(
                .unsupported,
                "the stream has neither a description of this section nor footers; its length cannot be known",
                offset: cursor.offset, section: name)
        }
        let mark =
            [StreamFormat.SectionType.footer.rawValue] + (0..<4).map { UInt8(truncatingIfNeeded: id >> (24 - 8 * $0)) }
        var from = minimum
        // A real section contains hardly ever what looks like its own footer; the bound is for hostile streams.
        for _ in 0..<64 {
            guard let distance = try cursor.distance(to: mark, from: from, limit: limits.deviceBytes) else { break }
            if try isSectionBoundary(cursor.offset + UInt64(distance) + UInt64(mark.count)) { return distance }
            from = distance + 1
        }
        throw VMStateError(
            .malformed, "no footer of this section can be found; the stream is cut or damaged", offset: cursor.offset,
            section: name)
    }

    /// Whether a section header, or the end of the stream, stands at an offset.
    private func isSectionBoundary(_ offset: UInt64) throws(VMStateError) -> Bool {
        let available = cursor.end - min(offset, cursor.end)
        let bytes = try cursor.source.bytes(at: min(offset, cursor.end), length: Int(min(available, 300)))
        guard let first = bytes.first else { return false }
        switch StreamFormat.SectionType(rawValue: first) {
        case .endOfStream:
            return bytes.count == 1 || bytes[1] == StreamFormat.SectionType.description.rawValue
                || bytes.dropFirst().allSatisfy { $0 == 0 }
        case .full, .start:
            guard bytes.count > 6, bytes[5] > 0, bytes.count >= 6 + Int(bytes[5]) + 8 else { return false }
            return bytes[6..<6 + Int(bytes[5])].allSatisfy { $0 >= 0x20 && $0 < 0x7f }
        case .part, .end:
            guard let ram, bytes.count >= 5 else { return false }
            return bytes[1..<5].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } == ram.sectionID
        default:
            return false
        }
    }
}

/// One device section: its identity, its bytes, and the names of its fields.
package struct DeviceSection: Sendable, Hashable {
    /// Number of the section in the stream, repeated in its footer.
    package var sectionID: UInt32
    /// Name, for example `cpu` or `0000:00:02.0/vga`.
    package let idstr: String
    /// Which of several sections of that name (the CPU's number for `cpu`).
    package let instanceID: UInt32
    /// Version of the format.
    package let versionID: UInt32
    /// The bytes between header and footer.
    package private(set) var payload: [UInt8]
    /// The fields, or nil when neither the stream nor a built-in layout describes them.
    private let layout: FieldLayout?

    /// Makes a section. A layout that is larger than the payload is not used; a smaller one describes its beginning.
    init(
        sectionID: UInt32, idstr: String, instanceID: UInt32, versionID: UInt32, payload: [UInt8], layout: FieldLayout?
    ) {
        self.sectionID = sectionID
        self.idstr = idstr
        self.instanceID = instanceID
        self.versionID = versionID
        self.payload = payload
        if let layout, layout.size <= payload.count { self.layout = layout } else { self.layout = nil }
    }

    /// Name for messages: idstr and instance.
    package var name: String { "\(idstr)#\(instanceID)" }

    /// The field names are known.
    package var isDescribed: Bool { layout != nil }
}

extension DeviceSection {
    /// Where a field lies, or nil if there is none of that path. Throws if the path means several fields.
    package func place(_ path: String) throws(VMStateError) -> FieldPlace? {
        guard let layout else {
            throw VMStateError(
                .unsupported, "the stream has no description (vmdesc) of this section, its fields cannot be read",
                section: name, field: path)
        }
        let places = layout.places(path)
        guard places.count <= 1 else {
            throw VMStateError(
                .inconsistent, "the path means \(places.count) different fields", section: name, field: path)
        }
        // The layout is not larger than the payload, and no node reaches beyond its parent (see FieldLayout.init).
        return places.first
    }

    /// Whether a field (or a subsection, given by its name) is there.
    package func contains(_ path: String) -> Bool {
        guard let layout else { return false }
        return !layout.places(path).isEmpty
    }

    /// Full paths and places of all leaves, in order; nil without description.
    package func fields() -> [(path: String, place: FieldPlace)]? { layout?.leaves() }

    /// The bytes of a field.
    package func bytes(_ path: String) throws(VMStateError) -> [UInt8] {
        Array(payload[try existing(path).range])
    }

    /// An integer field of 1, 2, 4 or 8 bytes, zero-extended.
    package func unsigned(_ path: String) throws(VMStateError) -> UInt64 {
        let place = try integerPlace(path)
        return payload[place.range].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// An integer field of 1, 2, 4 or 8 bytes, sign-extended.
    package func signed(_ path: String) throws(VMStateError) -> Int64 {
        let place = try integerPlace(path)
        let value = payload[place.range].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let unused = UInt64(64 - 8 * place.range.count)
        return Int64(bitPattern: value << unused) >> Int64(unused)
    }

    /// All elements of an array of integers, zero-extended.
    package func unsignedArray(_ path: String) throws(VMStateError) -> [UInt64] {
        let place = try existing(path)
        guard [1, 2, 4, 8].contains(place.elementSize) else { throw notAnInteger(path, place) }
        return stride(from: place.range.lowerBound, to: place.range.upperBound, by: place.elementSize).map { start in
            payload[start..<start + place.elementSize].reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    /// Overwrites an integer field; the value has to fit its size.
    package mutating func set(_ path: String, to value: UInt64) throws(VMStateError) {
        let place = try integerPlace(path)
        let size = place.range.count
        guard size == 8 || value >> UInt64(8 * size) == 0 else {
            throw VMStateError(.limit, "the value \(value) does not fit \(size) bytes", section: name, field: path)
        }
        for (index, position) in place.range.enumerated() {
            payload[position] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (size - 1 - index)))
        }
    }

    /// Overwrites a signed integer field; the value has to fit its size.
    package mutating func set(_ path: String, toSigned value: Int64) throws(VMStateError) {
        let bits = 8 * (try integerPlace(path)).range.count
        guard bits == 64 || (value >= -(1 << Int64(bits - 1)) && value < 1 << Int64(bits - 1)) else {
            throw VMStateError(.limit, "the value \(value) does not fit \(bits / 8) bytes", section: name, field: path)
        }
        let mask = bits == 64 ? UInt64.max : (1 << UInt64(bits)) - 1
        try set(path, to: UInt64(bitPattern: value) & mask)
    }

    /// Overwrites the bytes of a field; the length has to be the same.
    package mutating func set(_ path: String, toBytes bytes: [UInt8]) throws(VMStateError) {
        let place = try existing(path)
        guard place.range.count == bytes.count else {
            throw VMStateError(
                .limit, "the field has \(place.range.count) bytes, not \(bytes.count)", section: name, field: path)
        }
        payload.replaceSubrange(place.range, with: bytes)
    }

    private func existing(_ path: String) throws(VMStateError) -> FieldPlace {
        guard let place = try place(path) else {
            throw VMStateError(.notFound, "the section has no such field", section: name, field: path)
        }
        return place
    }

    private func integerPlace(_ path: String) throws(VMStateError) -> FieldPlace {
        let place = try existing(path)
        guard place.count == 1, [1, 2, 4, 8].contains(place.range.count) else { throw notAnInteger(path, place) }
        return place
    }

    private func notAnInteger(_ path: String, _ place: FieldPlace) -> VMStateError {
        VMStateError(
            .inconsistent,
            "the field has \(place.range.count) bytes (\(place.count) x \(place.elementSize)), no integer",
            section: name, field: path)
    }
}

extension DeviceSection {
    /// A big-endian integer at a fixed offset, for layouts that are known; nil beyond the end.
    func integer<Value: FixedWidthInteger>(at offset: Int, as type: Value.Type = Value.self) -> Value? {
        let size = MemoryLayout<Value>.size
        guard offset >= 0, payload.count - size >= offset else { return nil }
        return payload[offset..<offset + size].reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
    }

    /// Overwrites an integer at a fixed offset, if it lies inside the payload.
    mutating func setInteger<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
        let size = MemoryLayout<Value>.size
        guard offset >= 0, payload.count - size >= offset else { return }
        for index in 0..<size {
            payload[offset + index] = UInt8(truncatingIfNeeded: value >> Value(8 * (size - 1 - index)))
        }
    }
}

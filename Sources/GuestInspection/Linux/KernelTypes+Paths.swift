extension KernelTypes {
    /// A place in a structure.
    package struct Field: Sendable, Hashable {
        /// Bytes from the beginning of the structure.
        package var offset: UInt64
        /// Bytes of the field; nil if its type has no size.
        package var size: Int?
        /// Its type.
        package var type: UInt32
    }

    /// A member of a structure by a path like `ops.send`, through anonymous structures and unions as C does.
    ///
    /// - Returns: nil if there is no such structure, or no such member, or it is a bit field; also if several structures of that name
    ///   (of different files) disagree.
    package func field(_ structure: String, _ path: String) -> Field? {
        let found = Set(
            types(.structure, named: structure).map { type in
                path.split(separator: ".").reduce(Field(offset: 0, size: nil, type: type) as Field?) { place, name in
                    place.flatMap { place in
                        member(String(name), of: place.type, depth: 8).map {
                            Field(offset: place.offset + $0.offset, size: $0.size, type: $0.type)
                        }
                    }
                }
            })
        guard found.count == 1, let only = found.first else {
            // The same structure, known to several files with other type numbers.
            let places = Set(found.compactMap { $0.map { [Int($0.offset), $0.size ?? -1] } })
            return places.count == 1 && !found.contains(nil) ? found.first ?? nil : nil
        }
        return only
    }

    /// Bytes of a structure by name; nil if structures of that name disagree.
    package func size(ofStructure name: String) -> Int? {
        let sizes = Set(types(.structure, named: name).map { size($0) })
        return sizes.count == 1 ? sizes.first ?? nil : nil
    }

    /// The value of an enumerator.
    package func enumerator(_ name: String, of enumeration: String) -> UInt64? {
        for type in types(.enumeration, named: enumeration) + types(.enumeration64, named: enumeration) {
            if let found = enumerators(type).first(where: { $0.name == name }) { return found.value }
        }
        return nil
    }

    private func member(_ name: String, of type: UInt32, depth: Int) -> Field? {
        guard depth > 0, let type = resolved(type) else { return nil }
        for member in members(type) {
            guard member.bitOffset % 8 == 0 else { continue }
            let offset = UInt64(member.bitOffset / 8)
            if member.name == name { return Field(offset: offset, size: size(member.type), type: member.type) }
            if member.name.isEmpty, let inner = self.member(name, of: member.type, depth: depth - 1) {
                return Field(offset: offset + inner.offset, size: inner.size, type: inner.type)
            }
        }
        return nil
    }
}

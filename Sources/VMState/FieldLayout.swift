/// One field of a section: where it lies and what it contains.
///
/// A node stands for `count` elements of `elementSize` bytes; `children` describe one element, with offsets from its
/// start.
struct FieldNode: Sendable, Hashable {
    var name: String
    /// QEMU's name of the type: `uint32`, `buffer`, `struct`, `timer`, ...
    var type: String
    /// From the start of the enclosing element.
    var offset: Int
    var elementSize: Int
    var count: Int
    /// The node is one element of an array whose elements have a node each.
    var index: Int?
    var children: [FieldNode]

    var size: Int { elementSize * count }
}

/// A place in a section's payload.
package struct FieldPlace: Sendable, Hashable {
    /// Bytes of the payload.
    package var range: Range<Int>
    /// QEMU's name of the type.
    package var type: String
    /// Number of elements, 1 for a field that is no array.
    package var count: Int
    /// Bytes of one element.
    package var elementSize: Int
}

/// The fields of a section.
struct FieldLayout: Sendable, Hashable {
    var fields: [FieldNode]
    /// Bytes that the fields and subsections cover.
    var size: Int

    /// All places that a path can mean; more than one if names collide.
    ///
    /// A field whose own name is the whole path wins over fields of structures: the i8254 has both a field
    /// "channels[0].next_transition_time" and structures "channels" with a field "next_transition_time".
    func places(_ path: String) -> [FieldPlace] {
        let exact = fields.filter { $0.name == path && $0.index == nil }
        if exact.count == 1 {
            let start = exact[0].offset
            return [
                FieldPlace(
                    range: start..<start + exact[0].size, type: exact[0].type, count: exact[0].count,
                    elementSize: exact[0].elementSize)
            ]
        }
        var found: [FieldPlace] = []
        Self.match(Array(path.utf8)[...], fields, base: 0, &found)
        return found
    }

    private static func match(_ path: ArraySlice<UInt8>, _ nodes: [FieldNode], base: Int, _ found: inout [FieldPlace]) {
        for node in nodes {
            guard path.starts(with: node.name.utf8) else { continue }
            var rest = path.dropFirst(node.name.utf8.count)
            var start = base + node.offset
            var count = node.count
            if let index = node.index {
                guard let (number, after) = element(rest), number == index else { continue }
                rest = after
            } else if let (number, after) = element(rest), node.count > 1, number < node.count {
                start += number * node.elementSize
                count = 1
                rest = after
            }
            if rest.isEmpty {
                found.append(
                    FieldPlace(
                        range: start..<start + count * node.elementSize, type: node.type, count: count,
                        elementSize: node.elementSize))
            } else if rest.first == UInt8(ascii: "."), count == 1 {
                match(rest.dropFirst(), node.children, base: start, &found)
            }
        }
    }

    /// Splits `[12]rest` into 12 and the rest.
    private static func element(_ path: ArraySlice<UInt8>) -> (Int, ArraySlice<UInt8>)? {
        guard path.first == UInt8(ascii: "["), let end = path.firstIndex(of: UInt8(ascii: "]")) else { return nil }
        let digits = path[path.index(after: path.startIndex)..<end]
        guard !digits.isEmpty, digits.count <= 9, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return (digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }, path[path.index(after: end)...])
    }

    /// Full paths of all leaves with their places, for listings and comparisons. Arrays of plain values are one entry.
    func leaves() -> [(path: String, place: FieldPlace)] {
        var list: [(path: String, place: FieldPlace)] = []
        func visit(_ nodes: [FieldNode], _ prefix: String, _ base: Int) {
            for node in nodes {
                let name = prefix + node.name + (node.index.map { "[\($0)]" } ?? "")
                if node.children.isEmpty {
                    let start = base + node.offset
                    list.append(
                        (
                            name,
                            FieldPlace(
                                range: start..<start + node.size, type: node.type, count: node.count,
                                elementSize: node.elementSize)
                        ))
                } else {
                    for number in 0..<node.count {
                        let path = node.count > 1 ? "\(name)[\(number)]." : "\(name)."
                        visit(node.children, path, base + node.offset + number * node.elementSize)
                    }
                }
            }
        }
        visit(fields, "", 0)
        return list
    }
}

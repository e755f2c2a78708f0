/// Reads a JSON text into nodes (RFC 8259, UTF-8), with bounded depth.
struct JSONReader {
    /// Deeper nesting is refused; descriptions of QEMU reach about 20.
    static let maximumDepth = 96

    private let text: [UInt8]
    private var position = 0

    /// Reads the one value that the text consists of.
    static func parse(_ text: [UInt8]) throws(VMStateError) -> JSONNode {
        var reader = JSONReader(text: text)
        reader.skipSpace()
        let node = try reader.value(depth: 0)
        reader.skipSpace()
        guard reader.position == text.count else { throw reader.failure("text after the end of the JSON value") }
        return node
    }

    private init(text: [UInt8]) { self.text = text }

    private func failure(_ what: String) -> VMStateError {
        VMStateError(.malformed, "the description (vmdesc JSON) is damaged at its byte \(position): \(what)")
    }

    private var next: UInt8? { position < text.count ? text[position] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { position += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        position += 1
        return true
    }

    private mutating func value(depth: Int) throws(VMStateError) -> JSONNode {
        guard depth < Self.maximumDepth else { throw failure("nested more than \(Self.maximumDepth) deep") }
        let start = position
        let value: JSONNode.Value
        switch next {
        case UInt8(ascii: "{"): value = try object(depth: depth)
        case UInt8(ascii: "["): value = try array(depth: depth)
        case UInt8(ascii: "\""): value = .string(try string())
        case UInt8(ascii: "t"): value = try word("true", .boolean(true))
        case UInt8(ascii: "f"): value = try word("false", .boolean(false))
        case UInt8(ascii: "n"): value = try word("null", .null)
        case .some(let byte) where byte == UInt8(ascii: "-") || isDigit(byte): value = try number()
        case .some: throw failure("a value was expected")
        case nil: throw failure("it ends too early")
        }
        return JSONNode(value: value, range: start..<position)
    }

    private mutating func object(depth: Int) throws(VMStateError) -> JSONNode.Value {
        position += 1
        var members: [JSONNode.Member] = []
        skipSpace()
        if take(UInt8(ascii: "}")) { return .object(members) }
        while true {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw failure("a key was expected") }
            let key = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw failure("':' was expected") }
            skipSpace()
            members.append(JSONNode.Member(key: key, value: try value(depth: depth + 1)))
            skipSpace()
            if take(UInt8(ascii: "}")) { return .object(members) }
            guard take(UInt8(ascii: ",")) else { throw failure("',' or '}' was expected") }
        }
    }

    private mutating func array(depth: Int) throws(VMStateError) -> JSONNode.Value {
        position += 1
        var nodes: [JSONNode] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return .array(nodes) }
        while true {
            skipSpace()
            nodes.append(try value(depth: depth + 1))
            skipSpace()
            if take(UInt8(ascii: "]")) { return .array(nodes) }
            guard take(UInt8(ascii: ",")) else { throw failure("',' or ']' was expected") }
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSONNode.Value) throws(VMStateError) -> JSONNode.Value {
        for byte in "\(word)".utf8 {
            guard take(byte) else { throw failure("an unknown word") }
        }
        return value
    }

    private func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    private mutating func number() throws(VMStateError) -> JSONNode.Value {
        let start = position
        while let byte = next, isDigit(byte) || "+-.eE".utf8.contains(byte) { position += 1 }
        let digits = String(decoding: text[start..<position], as: UTF8.self)
        if let number = Int64(digits) { return .integer(number) }
        guard Double(digits) != nil else { throw failure("'\(digits.prefix(40))' is not a number") }
        return .otherNumber
    }

    private mutating func string() throws(VMStateError) -> String {
        position += 1
        let start = position
        // Nearly all strings have no escapes: take the bytes as they are.
        while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
        if next == UInt8(ascii: "\"") {
            let plain = String(decoding: text[start..<position], as: UTF8.self)
            position += 1
            return plain
        }
        var units = Array(String(decoding: text[start..<position], as: UTF8.self).utf16)
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return String(decoding: units, as: UTF16.self)
            case UInt8(ascii: "\\"):
                position += 1
                units.append(try escape())
            case 0..<0x20:
                throw failure("a control character in a string")
            default:
                let run = position
                while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 {
                    position += 1
                }
                units.append(contentsOf: String(decoding: text[run..<position], as: UTF8.self).utf16)
            }
        }
        throw failure("a string without end")
    }

    private mutating func escape() throws(VMStateError) -> UInt16 {
        guard let byte = next else { throw failure("it ends in an escape") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return UInt16(byte)
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "f"): return 0x0c
        case UInt8(ascii: "n"): return 0x0a
        case UInt8(ascii: "r"): return 0x0d
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "u"):
            guard text.count - position >= 4 else { throw failure("it ends in an escape") }
            let digits = String(decoding: text[position..<position + 4], as: UTF8.self)
            guard digits.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
                let unit = UInt16(digits, radix: 16)
            else { throw failure("an escape with bad digits") }
            position += 4
            return unit
        default: throw failure("an unknown escape")
        }
    }
}

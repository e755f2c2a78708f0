/// The rules for names of refs, and the files they are kept in. See <doc:Format#Refs>.
enum RefName {
    static let maximumBytes = 200
    static let maximumFileBytes = 255

    /// The file name of a ref; throws when the name is not allowed.
    static func fileName(_ name: String) throws(StoreError) -> String {
        guard !name.isEmpty, name.utf8.count <= maximumBytes else {
            throw StoreError(.invalid, "the name of a ref has 1 to \(maximumBytes) bytes: \"\(name.prefix(80))\"")
        }
        guard name.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else {
            throw StoreError(.invalid, "the name of a ref has no control characters: \"\(name.debugDescription)\"")
        }
        let digits = Array("0123456789ABCDEF".utf8)
        var encoded: [UInt8] = []
        for byte in name.utf8 {
            let isLeadingDot = encoded.isEmpty && byte == UInt8(ascii: ".")
            if isPlain(byte), !isLeadingDot {
                encoded.append(byte)
            } else {
                encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        guard encoded.count <= maximumFileBytes else {
            throw StoreError(.invalid, "the name of a ref is too long for a file name: \"\(name)\"; use a shorter one")
        }
        return String(decoding: encoded, as: UTF8.self)
    }

    /// The ref that is kept in a file; nil for a file that holds none.
    static func name(inFile fileName: String) -> String? {
        var bytes: [UInt8] = []
        var rest = fileName.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), rest.count >= 2
                else { return nil }
                rest = rest.dropFirst(2)
                bytes.append(value)
            } else {
                bytes.append(byte)
            }
        }
        guard let name = String(validating: bytes, as: UTF8.self) else { return nil }
        // Only the one file that the name is written to counts.
        guard let canonical = try? RefName.fileName(name), canonical == fileName else { return nil }
        return name
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            return true
        default:
            return false
        }
    }
}

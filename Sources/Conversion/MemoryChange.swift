/// A change of a run of bytes in the guest's RAM.
package struct MemoryChange: Sendable, Hashable {
    /// Guest-physical address of the first byte.
    package var address: UInt64
    /// What the bytes are, for people: `steal time of cpu#1`.
    package var subject: String
    /// The bytes that were there.
    package var before: [UInt8]
    /// The bytes that are there now; as many.
    package var after: [UInt8]

    /// Makes a change.
    package init(address: UInt64, subject: String, before: [UInt8], after: [UInt8]) {
        self.address = address
        self.subject = subject
        self.before = before
        self.after = after
    }
}

/// As JSON, the address and the bytes are hexadecimal text; bytes are in the order of memory.
extension MemoryChange: Codable {
    private enum CodingKeys: String, CodingKey { case address, subject, before, after }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let text = try container.decode(String.self, forKey: .address)
        guard text.hasPrefix("0x"), let address = UInt64(text.dropFirst(2), radix: 16) else {
            throw DecodingError.dataCorruptedError(
                forKey: .address, in: container, debugDescription: "\"\(text)\" is no hexadecimal address")
        }
        func bytes(_ key: CodingKeys) throws -> [UInt8] {
            let digits = Array(try container.decode(String.self, forKey: key).utf8)
            let values = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
                UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16)
            }
            guard values.count * 2 == digits.count else {
                throw DecodingError.dataCorruptedError(
                    forKey: key, in: container, debugDescription: "no run of bytes in hexadecimal")
            }
            return values
        }
        self.init(
            address: address, subject: try container.decode(String.self, forKey: .subject), before: try bytes(.before),
            after: try bytes(.after))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(hex(address), forKey: .address)
        try container.encode(subject, forKey: .subject)
        try container.encode(Self.text(before), forKey: .before)
        try container.encode(Self.text(after), forKey: .after)
    }

    /// Bytes as hexadecimal digits, in the order of memory.
    package static func text(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

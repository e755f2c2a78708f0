/// The SHA-256 digest of an object's plain bytes: its name in the store.
///
/// 32 bytes, ordered as byte strings. As text: 64 lower-case hexadecimal digits.
package struct Digest: Hashable, Comparable, Sendable {
    /// The bytes as four numbers, most significant byte first, so that numbers compare as bytes do.
    let words: (UInt64, UInt64, UInt64, UInt64)

    /// The number of bytes of a digest.
    package static let byteCount = 32

    init(words: (UInt64, UInt64, UInt64, UInt64)) {
        self.words = words
    }

    /// Reads 32 bytes. The caller guarantees that they are there.
    init(loadingFrom pointer: UnsafeRawPointer) {
        words = (
            UInt64(bigEndian: pointer.loadUnaligned(as: UInt64.self)),
            UInt64(bigEndian: pointer.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
            UInt64(bigEndian: pointer.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
            UInt64(bigEndian: pointer.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
        )
    }

    /// Writes the 32 bytes. The caller guarantees the room.
    func store(to pointer: UnsafeMutableRawPointer) {
        pointer.storeBytes(of: words.0.bigEndian, as: UInt64.self)
        pointer.storeBytes(of: words.1.bigEndian, toByteOffset: 8, as: UInt64.self)
        pointer.storeBytes(of: words.2.bigEndian, toByteOffset: 16, as: UInt64.self)
        pointer.storeBytes(of: words.3.bigEndian, toByteOffset: 24, as: UInt64.self)
    }

    /// A digest from its 32 bytes; nil for any other number of bytes.
    package init?(bytes: some Sequence<UInt8>) {
        var words = [UInt64](repeating: 0, count: 4)
        var count = 0
        for byte in bytes {
            guard count < Digest.byteCount else { return nil }
            words[count / 8] = words[count / 8] << 8 | UInt64(byte)
            count += 1
        }
        guard count == Digest.byteCount else { return nil }
        self.init(words: (words[0], words[1], words[2], words[3]))
    }

    /// A digest from 64 hexadecimal digits, upper or lower case; nil for anything else.
    package init?(hex: some StringProtocol) {
        self.init(hexadecimal: hex.utf8)
    }

    /// A digest from the ASCII of 64 hexadecimal digits.
    init?(hexadecimal digits: some Sequence<UInt8>) {
        // Names of thousands of files are read at once: all 256 bits move up for each digit, and nothing is allocated.
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        var count = 0
        for character in digits {
            let digit: UInt8
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = character - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = character - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = character - UInt8(ascii: "A") + 10
            default: return nil
            }
            words.0 = words.0 << 4 | words.1 >> 60
            words.1 = words.1 << 4 | words.2 >> 60
            words.2 = words.2 << 4 | words.3 >> 60
            words.3 = words.3 << 4 | UInt64(digit)
            count += 1
            guard count <= 2 * Digest.byteCount else { return nil }
        }
        guard count == 2 * Digest.byteCount else { return nil }
        self.init(words: words)
    }

    /// The 32 bytes.
    package var bytes: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Digest.byteCount) { buffer, count in
            if let base = buffer.baseAddress { store(to: UnsafeMutableRawPointer(base)) }
            count = Digest.byteCount
        }
    }

    /// The digest as 64 lower-case hexadecimal digits.
    package var hex: String {
        String(unsafeUninitializedCapacity: 2 * Digest.byteCount) { buffer in
            func write(_ word: UInt64, at start: Int) {
                for position in 0..<16 {
                    let digit = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * position)) & 15
                    buffer[start + position] = digit + (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
                }
            }
            write(words.0, at: 0)
            write(words.1, at: 16)
            write(words.2, at: 32)
            write(words.3, at: 48)
            return 64
        }
    }

    /// The first 12 hexadecimal digits, for people.
    package var short: String { String(hex.prefix(12)) }

    package static func == (left: Digest, right: Digest) -> Bool {
        left.words == right.words
    }

    package static func < (left: Digest, right: Digest) -> Bool {
        left.words < right.words
    }

    package func hash(into hasher: inout Hasher) {
        // A digest is uniform already: one word of it is enough for a table.
        hasher.combine(words.0)
    }
}

extension Digest: CustomStringConvertible {
    package var description: String { hex }
}

extension Digest: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let digest = Digest(hex: text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "a digest is 64 hexadecimal digits, not \"\(text.prefix(80))\"")
        }
        self = digest
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }
}

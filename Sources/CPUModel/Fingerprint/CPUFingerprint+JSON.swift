import Foundation

/// The JSON form, described in the module's documentation.
extension CPUFingerprint: Codable {
    private enum Key: String, CodingKey {
        case format, source, complete, cpuid, msr
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        let format = try container.decode(Int.self, forKey: .format)
        guard format == 1 else {
            throw DecodingError.dataCorruptedError(
                forKey: .format, in: container, debugDescription: "form \(format) of a CPU fingerprint; this is form 1")
        }
        self.init(
            source: try container.decode(FingerprintSource.self, forKey: .source),
            isComplete: try container.decodeIfPresent(Bool.self, forKey: .complete) ?? false)
        for (leaf, registers) in try container.decodeIfPresent([String: [String: String]].self, forKey: .cpuid) ?? [:] {
            for (register, text) in registers {
                guard let word = FeatureWord("\(leaf).\(register)"), case .cpuid = word, let bits = Bits(text) else {
                    throw DecodingError.dataCorruptedError(
                        forKey: .cpuid, in: container, debugDescription: "'\(leaf)' '\(register)': '\(text)'")
                }
                set(word, bits: bits.value, known: bits.known & word.allBits)
            }
        }
        for (index, text) in try container.decodeIfPresent([String: String].self, forKey: .msr) ?? [:] {
            guard let word = FeatureWord("msr.\(index)"), let bits = Bits(text) else {
                throw DecodingError.dataCorruptedError(
                    forKey: .msr, in: container, debugDescription: "'\(index)': '\(text)'")
            }
            set(word, bits: bits.value, known: bits.known)
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(1, forKey: .format)
        try container.encode(source, forKey: .source)
        if isComplete { try container.encode(true, forKey: .complete) }
        var leaves: [String: [String: String]] = [:]
        var registers: [String: String] = [:]
        for (word, bits) in words where bits.known != 0 {
            switch word {
            case .cpuid(let leaf, let subleaf, let register):
                let name =
                    subleaf == 0
                    ? Self.hex(UInt64(leaf), 8) : "\(Self.hex(UInt64(leaf), 8)).\(String(subleaf, radix: 16))"
                leaves[name, default: [:]][register.rawValue] = bits.text(width: 8)
            case .msr(let index): registers[Self.hex(UInt64(index), 8)] = bits.text(width: 16)
            }
        }
        try container.encode(leaves, forKey: .cpuid)
        if !registers.isEmpty { try container.encode(registers, forKey: .msr) }
    }

    static func hex(_ value: UInt64, _ width: Int) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

extension CPUFingerprint.Bits {
    /// `VALUE` in hexadecimal, or `VALUE/MASK` where only the bits of the mask are known.
    fileprivate init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let first = parts.first, let value = UInt64(first, radix: 16), parts.count <= 2 else { return nil }
        guard parts.count == 2 else {
            self.init(value: value, known: .max)
            return
        }
        guard let known = UInt64(parts[1], radix: 16) else { return nil }
        self.init(value: value, known: known)
    }

    fileprivate func text(width: Int) -> String {
        let all: UInt64 = width == 16 ? .max : 0xffff_ffff
        let digits = CPUFingerprint.hex(value, width)
        return known == all ? digits : digits + "/" + CPUFingerprint.hex(known, width)
    }
}

extension CPUFingerprint {
    /// Reads the JSON form.
    ///
    /// - Returns: nil for JSON of another kind.
    /// - Throws: ``CPUModelError`` for a damaged fingerprint.
    package init?(json text: some StringProtocol, name: String) throws(CPUModelError) {
        let data = Data(text.utf8)
        // What has a form's number and a source is meant to be one.
        guard (try? JSONDecoder().decode(Head.self, from: data)) != nil else { return nil }
        do {
            self = try JSONDecoder().decode(CPUFingerprint.self, from: data)
        } catch {
            throw CPUModelError(.malformed, "\(name) is a damaged CPU fingerprint: \(error)")
        }
    }

    /// The JSON form with sorted keys: equal fingerprints give equal text.
    package var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }
}

/// What every fingerprint begins with.
private struct Head: Decodable {
    let format: Int
    let source: FingerprintSource
}

import Foundation

/// A property of a CPU in QEMU's answers.
package enum QEMUProperty: Sendable, Hashable, Decodable {
    case bool(Bool)
    case integer(UInt64)
    case text(String)
    case other

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(UInt64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else {
            self = .other
        }
    }

    var integer: UInt64? { if case .integer(let value) = self { value } else { nil } }
    var text: String? { if case .text(let value) = self { value } else { nil } }
}

/// The result of `query-cpu-model-expansion`: a model's name and all its properties (QEMU, qapi/machine-target.json).
package struct QEMUModelExpansion: Sendable, Decodable {
    /// A name with properties.
    package struct Model: Sendable, Decodable {
        package let name: String
        package let props: [String: QEMUProperty]?
    }
    package let model: Model
}

/// An entry of `query-cpu-definitions`: a model, and what the accelerator lacks of it.
package struct QEMUModelDefinition: Sendable, Decodable, Hashable {
    package let name: String
    package let unavailableFeatures: [String]?
    package let aliasOf: String?

    package init(name: String, unavailableFeatures: [String]?, aliasOf: String?) {
        self.name = name
        self.unavailableFeatures = unavailableFeatures
        self.aliasOf = aliasOf
    }

    private enum CodingKeys: String, CodingKey {
        case name
        case unavailableFeatures = "unavailable-features"
        case aliasOf = "alias-of"
    }
}

/// An entry of a CPU object's property `feature-words` (QEMU, qapi/machine-target.json, X86CPUFeatureWordInfo).
package struct QEMUFeatureWord: Sendable, Decodable, Hashable {
    package let leaf: UInt32
    package let subleaf: UInt32?
    package let register: String
    package let features: UInt32

    private enum CodingKeys: String, CodingKey {
        case leaf = "cpuid-input-eax"
        case subleaf = "cpuid-input-ecx"
        case register = "cpuid-register"
        case features
    }

    /// The place of the word; nil for a register of another name.
    package var word: FeatureWord? {
        CPUIDRegister(rawValue: register.lowercased()).map { .cpuid(leaf: leaf, subleaf: subleaf ?? 0, $0) }
    }
}

extension CPUFingerprint {
    /// Takes a model's properties: features by QEMU's names, vendor, signature, widths of addresses.
    ///
    /// The expansion tells what the model asks for; whether the accelerator provides it, `query-cpu-definitions` tells.
    package init(properties: [String: QEMUProperty], source: FingerprintSource) {
        self.init(source: source)
        for (name, value) in properties {
            guard case .bool(let isOn) = value else { continue }
            for feature in FeatureTable.standard.qemu(name) { set(feature.bit, to: isOn) }
        }
        takeNumbers(properties)
    }

    /// Takes the words of a CPU that QEMU runs, and the numbers among its other properties.
    package init(
        featureWords: [QEMUFeatureWord], properties: [String: QEMUProperty], source: FingerprintSource
    ) {
        self.init(source: source)
        let table = FeatureTable.standard
        for entry in featureWords {
            guard let word = entry.word else { continue }
            // What follows the operating system, and the number of CPUs, is not among QEMU's words.
            var known = word.allBits
            for index in 0..<32 where table[FeatureBit(word, index)]?.isDerived == true {
                known &= ~(1 << UInt64(index))
            }
            set(word, bits: UInt64(entry.features), known: known)
        }
        takeNumbers(properties)
    }

    private mutating func takeNumbers(_ properties: [String: QEMUProperty]) {
        if let vendor = properties["vendor"]?.text, vendor.utf8.count == 12 { setVendor(vendor) }
        if let family = properties["family"]?.integer, let model = properties["model"]?.integer,
            let stepping = properties["stepping"]?.integer, family < 0x110, model < 0x100, stepping < 0x10
        {
            signature = Signature(family: Int(family), model: Int(model), stepping: Int(stepping))
        }
        if let bits = properties["phys-bits"]?.integer, (32...52).contains(bits) {
            set(.cpuid(leaf: 0x8000_0008, subleaf: 0, .eax), bits: bits, known: 0xff)
        }
    }

    /// Reads the JSON text of an answer of QEMU's monitor: of `query-cpu-model-expansion`, of `query-cpu-definitions`, or of
    /// the property `feature-words`; with or without the surrounding `{"return": ...}`.
    ///
    /// - Parameter model: which definition to take from a list of them.
    /// - Throws: ``CPUModelError``.
    package init(
        qmp text: some StringProtocol, model: String? = nil, source: (FingerprintSource.Kind) -> FingerprintSource
    ) throws(CPUModelError) {
        let data = Data(text.utf8)
        if let expansion: QEMUModelExpansion = Self.decode(data), let properties = expansion.model.props {
            var origin = source(.expansion)
            origin.cpu = origin.cpu ?? expansion.model.name
            self.init(properties: properties, source: origin)
            return
        }
        if let words: [QEMUFeatureWord] = Self.decode(data), !words.isEmpty {
            self.init(featureWords: words, properties: [:], source: source(.monitor))
            return
        }
        guard let definitions: [QEMUModelDefinition] = Self.decode(data), !definitions.isEmpty else {
            throw CPUModelError(
                .malformed,
                "The JSON is no answer of QEMU about CPUs: query-cpu-model-expansion, query-cpu-definitions or "
                    + "feature-words.")
        }
        guard let model else {
            throw CPUModelError(
                .unknownName, "The text is a list of \(definitions.count) CPU models: name one, as in FILE#MODEL.")
        }
        guard let definition = definitions.first(where: { $0.name == model }) else {
            throw CPUModelError(.unknownName, "The list of CPU models has no '\(model)'.")
        }
        var origin = source(.definitions)
        origin.cpu = model
        self.init(unavailable: definition.unavailableFeatures ?? [], source: origin)
    }

    /// Notes what an accelerator lacks of a model: these bits are off, and nothing else is known.
    package init(unavailable names: [String], source: FingerprintSource) {
        self.init(source: source)
        for name in names {
            for feature in FeatureTable.standard.qemu(name) { set(feature.bit, to: false) }
        }
    }

    private static func decode<Value: Decodable>(_ data: Data) -> Value? {
        let decoder = JSONDecoder()
        return (try? decoder.decode(Value.self, from: data))
            ?? (try? decoder.decode(MonitorReply<Value>.self, from: data))?.result
    }
}

/// The frame of an answer.
private struct MonitorReply<Result: Decodable>: Decodable {
    let result: Result
    enum CodingKeys: String, CodingKey { case result = "return" }
}

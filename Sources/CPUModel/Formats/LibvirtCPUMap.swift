import Foundation

/// libvirt's own table of features and models, where it is installed (`/usr/share/libvirt/cpu_map`).
///
/// The files are internal to libvirt, so nothing depends on them: models that are not found here are asked of QEMU.
package struct LibvirtCPUMap: Sendable {
    /// A feature as libvirt knows it.
    package struct Feature: Sendable, Hashable {
        package let name: String
        package let bits: [FeatureBit]
        package let aliases: [String]
        package let isMigratable: Bool
    }

    /// A model: features on top of those of an ancestor.
    package struct Model: Sendable, Hashable {
        package let name: String
        package let vendor: String?
        package let signature: CPUFingerprint.Signature?
        package let features: Set<String>
    }

    package let features: [String: Feature]
    package let models: [String: Model]

    /// Where packages put it.
    package static let standardDirectory = "/usr/share/libvirt/cpu_map"

    /// Reads a directory.
    ///
    /// - Throws: ``CPUModelError`` when a file is missing or has another form.
    package init(directory: String = standardDirectory) throws(CPUModelError) {
        let index = try Self.element("index.xml", in: directory)
        guard let arch = index.all("arch").first(where: { $0.attributes["name"] == "x86" }) else {
            throw CPUModelError(.malformed, "\(directory)/index.xml has no table for x86.")
        }
        var features: [String: Feature] = [:]
        var models: [String: Model] = [:]
        // Models may be grouped.
        for include in arch.all("include") + arch.all("group").flatMap({ $0.all("include") }) {
            guard let file = include.attributes["filename"], !file.contains("/") else { continue }
            for child in try Self.element(file, in: directory).children {
                if child.name == "feature", let feature = Self.feature(child) { features[feature.name] = feature }
                if child.name == "model", let model = Self.model(child, ancestors: models) {
                    models[model.name] = model
                }
            }
        }
        guard !features.isEmpty, !models.isEmpty else {
            throw CPUModelError(.malformed, "\(directory) has no features or models of x86.")
        }
        self.features = features
        self.models = models
    }

    /// A model as a fingerprint: its features are on, all others of libvirt's table off.
    package func fingerprint(of name: String) -> CPUFingerprint? {
        guard let model = models[name] else { return nil }
        var result = CPUFingerprint(source: FingerprintSource(.domain, detail: "libvirt's model '\(name)'"))
        for feature in features.values {
            for bit in feature.bits { result.set(bit, to: model.features.contains(feature.name)) }
        }
        switch model.vendor {
        case "Intel": result.setVendor(CPUVendor.intel.rawValue)
        case "AMD": result.setVendor(CPUVendor.amd.rawValue)
        default: break
        }
        result.signature = model.signature
        return result
    }

    private static func element(_ file: String, in directory: String) throws(CPUModelError) -> XMLElement {
        guard let data = FileManager.default.contents(atPath: directory + "/" + file) else {
            throw CPUModelError(.unknownName, "\(directory)/\(file) cannot be read.")
        }
        return try XMLElement(parsing: String(decoding: data, as: UTF8.self))
    }

    private static func number(_ text: String?) -> UInt64? {
        guard let text else { return nil }
        return text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
    }

    private static func feature(_ element: XMLElement) -> Feature? {
        guard let name = element.attributes["name"] else { return nil }
        var bits: [FeatureBit] = []
        func add(_ word: FeatureWord, _ mask: UInt64, from base: Int = 0) {
            for index in 0..<32 where mask >> UInt64(index) & 1 == 1 { bits.append(FeatureBit(word, base + index)) }
        }
        for place in element.children {
            if place.name == "cpuid", let leaf = number(place.attributes["eax_in"]) {
                let subleaf = number(place.attributes["ecx_in"]) ?? 0
                for register in CPUIDRegister.allCases {
                    add(
                        .cpuid(
                            leaf: UInt32(truncatingIfNeeded: leaf), subleaf: UInt32(truncatingIfNeeded: subleaf),
                            register),
                        number(place.attributes[register.rawValue]) ?? 0)
                }
            } else if place.name == "msr", let index = number(place.attributes["index"]) {
                let word = FeatureWord.msr(UInt32(truncatingIfNeeded: index))
                add(word, number(place.attributes["eax"]) ?? 0)
                add(word, number(place.attributes["edx"]) ?? 0, from: 32)
            }
        }
        return Feature(
            name: name, bits: bits, aliases: element.all("alias").compactMap { $0.attributes["name"] },
            isMigratable: element.attributes["migratable"] != "no")
    }

    private static func model(_ element: XMLElement, ancestors: [String: Model]) -> Model? {
        guard let name = element.attributes["name"] else { return nil }
        let ancestor = element["model"]?.attributes["name"].flatMap { ancestors[$0] }
        var features = ancestor?.features ?? []
        for feature in element.all("feature") {
            guard let name = feature.attributes["name"] else { continue }
            if feature.attributes["removed"] == "yes" { features.remove(name) } else { features.insert(name) }
        }
        let signature = element["signature"].flatMap { signature -> CPUFingerprint.Signature? in
            guard let family = number(signature.attributes["family"]), let model = number(signature.attributes["model"])
            else { return nil }
            return CPUFingerprint.Signature(family: Int(clamping: family), model: Int(clamping: model), stepping: 0)
        }
        return Model(
            name: name, vendor: element["vendor"]?.attributes["name"] ?? ancestor?.vendor,
            signature: signature ?? ancestor?.signature, features: features)
    }
}

/// The CPU models of a QEMU with their features: what `-cpu` arguments are put together from.
package struct QEMUModelCatalog: Sendable, Hashable, Codable {
    /// Name and features of a versioned model.
    package struct Model: Sendable, Hashable, Codable {
        package let name: String
        package let fingerprint: CPUFingerprint

        package init(name: String, fingerprint: CPUFingerprint) {
            (self.name, self.fingerprint) = (name, fingerprint)
        }
    }

    package let models: [Model]
    /// QEMU's names of all features that its `-cpu` takes.
    package let featureNames: Set<String>
    /// Short names: `Haswell` for the version that QEMU takes by default.
    package let aliases: [String: String]

    package init(models: [Model], featureNames: Set<String>, aliases: [String: String]) {
        (self.models, self.featureNames, self.aliases) = (models, featureNames, aliases)
    }

    /// The features of a model by its name or short name.
    package subscript(name: String) -> CPUFingerprint? {
        models.first { $0.name == name || $0.name == aliases[name] }?.fingerprint
    }

    /// The name that QEMU takes for a feature; nil if this QEMU has none.
    package func argumentName(of feature: CPUFeature) -> String? {
        feature.qemu.first { featureNames.contains($0) }
    }

    /// What a `-cpu` argument asks for; nil for a model that is not in the catalog, such as `host`.
    package func fingerprint(of argument: CPUArgument) -> CPUFingerprint? {
        guard var result = self[argument.model] else { return nil }
        for option in argument.options {
            guard let isOn = option.isOn else { continue }
            for feature in FeatureTable.standard.qemu(option.name) { result.set(feature.bit, to: isOn) }
        }
        result.source.cpu = argument.description
        return result
    }
}

/// The most that several CPUs have in common, as an argument for QEMU's `-cpu`.
package struct CPUBaseline: Sendable {
    /// What all of them have.
    package let fingerprint: CPUFingerprint
    /// The argument.
    package let argument: CPUArgument
    /// Features that some of them have and the baseline leaves out, by QEMU's names.
    package let leftOut: [String]
    /// Features of which not everybody tells, left out as well.
    package let unknown: [String]

    /// Finds the best model, and what has to be added to it and taken from it.
    ///
    /// - Parameters:
    ///   - providers: what each host or target is able to give to a guest.
    ///   - catalog: the models to choose from.
    ///   - excluded: features that the guest shall not have although all provide them, by QEMU's names.
    /// - Throws: ``CPUModelError`` with `.impossible` for hosts of different vendors, or when nothing is in common.
    package init(
        of providers: [CPUFingerprint], catalog: QEMUModelCatalog, excluding excluded: Set<String> = []
    ) throws(CPUModelError) {
        guard let first = providers.first else {
            throw CPUModelError(.impossible, "A baseline needs at least one CPU.")
        }
        // A translator can take any vendor's name; under KVM a guest sees the host's.
        let vendors = Set(providers.filter { $0.source.accelerator != .tcg }.compactMap(\.vendor))
        guard vendors.count <= 1 else {
            throw CPUModelError(
                .impossible,
                "The CPUs are of different vendors (\(vendors.sorted().joined(separator: ", "))), and a guest under KVM sees "
                    + "the vendor of its host; there is no common model.")
        }
        var common = CPUFingerprint(source: FingerprintSource(.baseline))
        var leftOut: [String] = []
        var unknown: [String] = []
        let gates = Self.closedGates(providers, excluded: excluded)
        for feature in FeatureTable.standard.features where Self.isCounted(feature, closed: gates) {
            guard let name = catalog.argumentName(of: feature) else { continue }
            let states = providers.map { $0[feature.bit] }
            let isExcluded = !excluded.isDisjoint(with: feature.qemu)
            let isCommon = states.allSatisfy { $0 == true } && !isExcluded
            common.set(feature.bit, to: isCommon)
            if !isCommon, states.contains(true) {
                if states.contains(false) || isExcluded { leftOut.append(name) } else { unknown.append(name) }
            }
        }
        let vendor = vendors.first ?? first.vendor
        if let vendor { common.setVendor(vendor) }
        guard common["lm"] == true || common["sse2"] == true else {
            throw CPUModelError(
                .impossible, "The CPUs have not even SSE2 in common, or too little is known of one of them.")
        }
        argument = try Self.argument(for: common, vendor: vendor, catalog: catalog, closed: gates)
        common.source.cpu = argument.description
        fingerprint = common
        self.leftOut = leftOut.sorted()
        self.unknown = unknown.sorted()
    }

    /// Features that open a whole word: without them, QEMU leaves the word out.
    private static let gates: [(feature: String, word: @Sendable (FeatureWord) -> Bool)] = [
        ("vmx", { if case .msr(0x480...0x491) = $0 { true } else { false } }),
        ("svm", { if case .cpuid(0x8000_000a, _, _) = $0 { true } else { false } }),
        ("arch-capabilities", { $0 == .msr(0x10a) }), ("core-capability", { $0 == .msr(0xcf) }),
        ("pdcm", { $0 == .msr(0x345) }),
        ("sgx", { if case .cpuid(0x12, _, _) = $0 { true } else { false } }),
        ("intel-pt", { if case .cpuid(0x14, _, _) = $0 { true } else { false } }),
    ]

    /// The opening features that not all have.
    private static func closedGates(_ providers: [CPUFingerprint], excluded: Set<String>) -> Set<String> {
        Set(gates.map(\.feature).filter { name in excluded.contains(name) || providers.contains { $0[name] != true } })
    }

    /// Whether a bit is chosen by `-cpu` here: not what follows from the number of CPUs, not what a hypervisor says of itself,
    /// and not the parts of something that is left out as a whole.
    private static func isCounted(_ feature: CPUFeature, closed: Set<String>) -> Bool {
        if feature.isDerived || feature.group == .paravirtual || feature.name == "ht" { return false }
        return !gates.contains { closed.contains($0.feature) && $0.word(feature.bit.word) }
    }

    /// The model with the fewest changes that has exactly these features.
    static func argument(
        for features: CPUFingerprint, vendor: String?, catalog: QEMUModelCatalog, closed: Set<String> = []
    ) throws(CPUModelError) -> CPUArgument {
        var best: (cost: Int, name: String, removed: [String], added: [String])?
        for model in catalog.models {
            if let vendor, let own = model.fingerprint.vendor, own != vendor { continue }
            // What is 64-bit shall not be based on a 32-bit model: the number of address bits follows the model.
            if features["lm"] == true, model.fingerprint["lm"] != true { continue }
            var removed: [String] = []
            var added: [String] = []
            for feature in FeatureTable.standard.features where isCounted(feature, closed: closed) {
                guard let name = catalog.argumentName(of: feature), let wanted = features[feature.bit] else { continue }
                let has = model.fingerprint[feature.bit] ?? false
                if has && !wanted { removed.append(name) }
                if wanted && !has { added.append(name) }
            }
            let cost = removed.count + added.count
            // Of equal models the newer one, which comes later in the alphabet of versions.
            if let best, (best.cost, model.name) < (cost, best.name) || best.cost < cost { continue }
            best = (cost, model.name, removed, added)
        }
        guard let best else {
            throw CPUModelError(.impossible, "QEMU has no CPU model of the vendor '\(vendor ?? "")'.")
        }
        func unique(_ names: [String], _ value: String) -> [CPUArgument.Option] {
            var seen: Set<String> = []
            return names.filter { seen.insert($0).inserted }.map { CPUArgument.Option(name: $0, value: value) }
        }
        return CPUArgument(model: best.name, options: unique(best.removed, "off") + unique(best.added, "on"))
    }
}

import CPUModel

/// Between libvirt's `<cpu>` and QEMU's `-cpu`.
extension LibvirtCPU {
    /// The argument of `-cpu` for the same CPU.
    ///
    /// libvirt's and QEMU's models of a name differ in details, so features that the models differ in are written out where
    /// both are known.
    ///
    /// - Throws: ``CPUModelError`` when QEMU has no such model.
    package func argument(map: LibvirtCPUMap?, catalog: QEMUModelCatalog) throws(CPUModelError) -> CPUArgument {
        switch (mode, model) {
        case ("host-passthrough", _), ("host-model", nil): return CPUArgument(model: "host")
        case ("maximum", _): return CPUArgument(model: "max")
        case (_, nil): return CPUArgument(model: "qemu64")
        case (_, let model?):
            guard let own = catalog[model] else {
                throw CPUModelError(
                    .unknownName,
                    "QEMU has no CPU model '\(model)', which the domain names; choose one with --cpu.")
            }
            var options: [CPUArgument.Option] = []
            let theirs = map?.fingerprint(of: model)
            for feature in FeatureTable.standard.features where !feature.isDerived && feature.group != .paravirtual {
                guard let name = catalog.argumentName(of: feature), !name.hasPrefix("vmx-") else { continue }
                let has = own[feature.bit] ?? false
                let wanted: Bool
                if !feature.libvirt.allSatisfy({ !required.contains($0) }) {
                    wanted = true
                } else if !feature.libvirt.allSatisfy({ !disabled.contains($0) }) {
                    wanted = false
                } else if let state = theirs?[feature.bit] {
                    wanted = state
                } else {
                    continue
                }
                if wanted != has { options.append(.init(name: name, value: wanted ? "on" : "off")) }
            }
            return CPUArgument(model: model, options: options)
        }
    }

    /// The nearest model of libvirt for a fingerprint, with the features that it lacks and has in excess.
    ///
    /// - Parameter name: a model to take if libvirt has it, however far it is.
    package init(
        nearestTo fingerprint: CPUFingerprint, named name: String? = nil, map: LibvirtCPUMap
    ) throws(CPUModelError) {
        var best: (cost: Int, name: String, required: [String], disabled: [String])?
        let preferred = name.flatMap { map.models[$0] == nil ? nil : [$0] }
        for name in preferred ?? map.models.keys.sorted() {
            guard let model = map.fingerprint(of: name) else { continue }
            if preferred == nil, let vendor = fingerprint.vendor, let own = model.vendor, own != vendor { continue }
            var required: [String] = []
            var disabled: [String] = []
            for feature in FeatureTable.standard.features where !feature.isDerived {
                guard let word = feature.libvirt.first, let wanted = fingerprint[feature.bit],
                    let has = model[feature.bit]
                else { continue }
                if wanted && !has { required.append(word) }
                if has && !wanted { disabled.append(word) }
            }
            let cost = required.count + disabled.count
            if let best, best.cost <= cost { continue }
            best = (cost, name, required, disabled)
        }
        guard let best else { throw CPUModelError(.impossible, "libvirt has no CPU model of this vendor.") }
        self.init(model: best.name, required: best.required, disabled: best.disabled)
    }
}

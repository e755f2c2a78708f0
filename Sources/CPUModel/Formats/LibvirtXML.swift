/// A CPU in libvirt's XML: a model of libvirt's, and features that are added to or taken from it.
package struct LibvirtCPU: Sendable, Hashable {
    package var mode: String?
    package var model: String?
    package var vendor: String?
    /// Features that the CPU has (policy `require` or `force`, or none in a host's XML).
    package var required: [String]
    /// Features that it does not have (policy `disable` or `forbid`).
    package var disabled: [String]
    /// Kind of the document that it was found in.
    package var kind: FingerprintSource.Kind

    /// Finds the CPU in a domain's XML, in capabilities or domain capabilities, or in a `<cpu>` element alone.
    package init(xml: String) throws(CPUModelError) {
        let root = try XMLElement(parsing: xml)
        switch root.name {
        case "domain":
            guard let cpu = root["cpu"] else {
                throw CPUModelError(
                    .malformed, "The domain has no <cpu>: QEMU gives it the machine's default model, 'qemu64'.")
            }
            self.init(cpu, .domain)
        case "domainsnapshot":
            guard let cpu = root["domain"]?["cpu"] else {
                throw CPUModelError(.malformed, "The snapshot's domain has no <cpu>.")
            }
            self.init(cpu, .domain)
        case "capabilities":
            guard let cpu = root["host"]?["cpu"] else {
                throw CPUModelError(.malformed, "The capabilities have no <host><cpu>.")
            }
            self.init(cpu, .capabilities)
        case "domainCapabilities":
            guard let mode = root["cpu"]?.all("mode").first(where: { $0.attributes["name"] == "host-model" }),
                mode.attributes["supported"] == "yes"
            else { throw CPUModelError(.malformed, "The domain capabilities have no mode 'host-model'.") }
            self.init(mode, .capabilities)
        case "cpu": self.init(root, root["arch"] == nil ? .domain : .capabilities)
        default:
            throw CPUModelError(
                .unknownFormat,
                "The XML is a <\(root.name)>; give a domain, capabilities, domain capabilities or a <cpu> of libvirt.")
        }
    }

    /// Makes the CPU of a domain.
    package init(model: String, required: [String] = [], disabled: [String] = []) {
        mode = "custom"
        self.model = model
        (self.required, self.disabled) = (required, disabled)
        kind = .domain
    }

    private init(_ cpu: XMLElement, _ kind: FingerprintSource.Kind) {
        self.kind = kind
        mode = cpu.attributes["mode"]
        let name = cpu["model"]?.text
        model = name?.isEmpty == false ? name : nil
        vendor = cpu["vendor"]?.text
        required = []
        disabled = []
        for feature in cpu.all("feature") {
            guard let name = feature.attributes["name"] else { continue }
            switch feature.attributes["policy"] {
            case "disable", "forbid": disabled.append(name)
            case "optional": break
            default: required.append(name)
            }
        }
    }
}

extension CPUFingerprint {
    /// Makes a fingerprint of a CPU in libvirt's XML.
    ///
    /// - Parameter model: gives the features of a model by libvirt's name. Without them, only what the XML itself names is
    ///   known.
    package init(
        libvirt cpu: LibvirtCPU, source: FingerprintSource, model: (String) throws(CPUModelError) -> CPUFingerprint?
    ) throws(CPUModelError) {
        self.init(source: source)
        if let name = cpu.model {
            if let base = try model(name) {
                complete(from: base)
                isComplete = false
            } else {
                self.source.detail += (source.detail.isEmpty ? "" : "; ") + "features of the model '\(name)' unknown"
            }
        }
        let vendors = ["Intel": CPUVendor.intel.rawValue, "AMD": CPUVendor.amd.rawValue, "Hygon": "HygonGenuine"]
        if let vendor = cpu.vendor.flatMap({ vendors[$0] }) { setVendor(vendor) }
        for (names, isOn) in [(cpu.required, true), (cpu.disabled, false)] {
            for name in names {
                for feature in FeatureTable.standard.libvirt(name) { set(feature.bit, to: isOn) }
            }
        }
    }
}

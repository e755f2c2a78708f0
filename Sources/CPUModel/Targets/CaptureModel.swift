/// Whose CPU a guest sees.
package enum CPUVendor: String, Sendable, Hashable, Codable, CaseIterable {
    case intel = "GenuineIntel"
    case amd = "AuthenticAMD"

    /// The vendor of the first processor in the text of `/proc/cpuinfo`; nil for other vendors.
    package init?(cpuinfo: String) {
        for line in cpuinfo.split(separator: "\n") where line.hasPrefix("vendor_id") {
            guard let value = line.split(separator: ":").last else { return nil }
            self.init(rawValue: value.trimmingPrefix { $0 == " " || $0 == "\t" }.description)
            return
        }
        return nil
    }
}

/// A CPU that KVM and the target's TCG can both provide: what a guest has to be booted with under KVM so that its
/// snapshots need little or no conversion.
package struct CaptureModel: Sendable, Hashable {
    /// Model and features, without what differs between the two.
    package var argument: CPUArgument

    /// QEMU's name of the model.
    package var model: String { argument.model }

    /// A model that suits every host of a vendor, without having looked at the host.
    package init(vendor: CPUVendor, target: TargetProfile) {
        var removed: [String]
        let model: String
        switch vendor {
        case .intel:
            model = "Haswell-noTSX"
            removed = ["pcid", "invpcid"]
        case .amd:
            model = "EPYC-v1"
            removed = [
                "rdseed", "sha-ni", "fxsr-opt", "misalignsse", "3dnowprefetch", "osvw", "topoext", "nrip-save",
                "xsavec",
                "svm",
            ]
        }
        if !target.hasX2APIC { removed.append("x2apic") }
        if !target.hasTSCDeadline { removed.append("tsc-deadline") }
        argument = CPUArgument(model: model, options: removed.map { .init(name: $0, value: "off") })
    }

    /// Features that a guest shall not get used to although host and target may both have them: nesting and idling are
    /// another matter under each of them, XSAVE keeps PKRU and bounds in another place on AMD's processors than TCG, and
    /// Stemma's engine walks page tables of four levels.
    private static let unwanted: Set<String> = ["svm", "vmx", "monitor", "pku", "pks", "mpx", "la57"]

    /// The best model that this host's KVM and the target have in common.
    ///
    /// - Parameters:
    ///   - host: what KVM provides here.
    ///   - target: what shall resume the guest; its features must be known.
    /// - Throws: ``CPUModelError`` when nothing is in common, or the target's features are not known.
    package init(host: CPUFingerprint, target: TargetProfile, catalog: QEMUModelCatalog) throws(CPUModelError) {
        guard let features = target.features else {
            throw CPUModelError(.impossible, "It is not known what \(target.name) provides.")
        }
        var excluded = Self.unwanted
        if !target.hasX2APIC { excluded.insert("x2apic") }
        if !target.hasTSCDeadline { excluded.insert("tsc-deadline") }
        var argument = try CPUBaseline(of: [host, features], catalog: catalog, excluding: excluded).argument
        // KVM adds these to every model.
        for name in ["x2apic", "tsc-deadline"] where excluded.contains(name) {
            argument = argument.setting(name, to: "off")
        }
        self.argument = argument
    }

    /// The argument of `-cpu` for the run under KVM. What the host lacks, KVM leaves out with a warning.
    package var kvmArgument: String { argument.setting("kvm", to: "off").description }

    /// The argument of `-cpu` for the target. What the target lacks is an error at its start.
    package var targetArgument: String { argument.setting("enforce", to: "on").description }
}

extension CPUArgument {
    /// The argument with which TCG gives a guest what this one gave it under KVM: without what only KVM understands, and with
    /// `enforce`. Nil for models that stand for the host.
    package var forTranslator: CPUArgument? {
        guard !["host", "max"].contains(model) else { return nil }
        let paravirtual = Set(
            options.map(\.name).filter { $0.hasPrefix("kvm") || ["migratable", "host-phys-bits"].contains($0) })
        return without(paravirtual.union(["check"])).setting("enforce", to: "on")
    }
}

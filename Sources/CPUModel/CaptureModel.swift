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
package struct CaptureModel: Sendable, Hashable, Codable {
    /// QEMU's name of the model.
    package var model: String
    /// Features of the model that are switched off because the target lacks them.
    package var removedFeatures: [String]

    /// The model for a vendor and a target.
    package init(vendor: CPUVendor, target: TargetProfile) {
        switch vendor {
        case .intel:
            model = "Haswell-noTSX"
            removedFeatures = ["pcid", "invpcid"]
        case .amd:
            model = "EPYC-v1"
            removedFeatures = [
                "rdseed", "sha-ni", "fxsr-opt", "misalignsse", "3dnowprefetch", "osvw", "topoext", "nrip-save",
                "xsavec",
                "svm",
            ]
        }
        if !target.hasX2APIC { removedFeatures.append("x2apic") }
        if !target.hasTSCDeadline { removedFeatures.append("tsc-deadline") }
    }

    /// The argument of `-cpu` for the run under KVM. What the host lacks, KVM leaves out with a warning.
    package var kvmArgument: String { argument(["kvm=off"]) }

    /// The argument of `-cpu` for the target. What the target lacks is an error at its start.
    package var targetArgument: String { argument(["enforce"]) }

    private func argument(_ options: [String]) -> String {
        ([model] + removedFeatures.map { "-\($0)" } + options).joined(separator: ",")
    }
}

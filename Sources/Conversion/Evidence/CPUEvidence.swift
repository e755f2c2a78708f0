import CPUModel
import VMState

/// What is known of the CPU that the guest saw: the fingerprint if there is one, else the command line, else the registers.
struct CPUEvidence: Sendable {
    /// What is known of one feature.
    struct State: Sendable {
        let isOn: Bool
        let evidence: Finding.Evidence
    }

    private let context: CheckContext
    private let inferred: InferredFingerprint

    init(_ context: CheckContext) throws(VMStateError) {
        self.context = context
        inferred = try InferredFingerprint(context.stream, kernel: context.kernel)
    }

    /// Whether the guest's CPU had a feature, by QEMU's name; nil if that is not known.
    func state(of feature: String) -> State? {
        if let fingerprint = context.fingerprint, let isOn = fingerprint[feature] {
            return State(
                isOn: isOn,
                evidence: Finding.Evidence(
                    section: "fingerprint", field: feature, value: fingerprint.source.kind.rawValue))
        }
        if let launch = context.launch, launch.isCPUKnown,
            let setting = ResumeCPU(launch.cpu).setting(feature), ["on", "off"].contains(setting)
        {
            return State(
                isOn: setting == "on",
                evidence: Finding.Evidence(section: "command line", field: "-cpu", value: launch.cpu))
        }
        // Subsections and registers prove that something is there, never that it is not.
        guard inferred.fingerprint[feature] == true,
            let piece = inferred.evidence.first(where: { $0.feature == feature })
        else { return nil }
        let parts = piece.place.split(separator: " ", maxSplits: 1).map(String.init)
        return State(
            isOn: true,
            evidence: Finding.Evidence(section: parts[0], field: parts.last, value: "set"))
    }
}

extension CheckContext {
    /// Offset of a component in the guest's XSAVE area, if its CPU's fingerprint tells (CPUID leaf 0xD, EBX).
    func stateOffset(component: UInt32) -> UInt64? {
        guard let bits = fingerprint?[.cpuid(leaf: 0xd, subleaf: component, .ebx)], bits.known == 0xffff_ffff,
            bits.value != 0
        else { return nil }
        return bits.value
    }
}

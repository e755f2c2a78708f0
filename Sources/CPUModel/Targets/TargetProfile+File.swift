import Yams

/// A target that a user describes, as YAML or JSON (which is YAML).
///
/// ```yaml
/// name: my-emulator
/// base: qemu-tcg-7.2        # another target to start from
/// add: [x2apic, rdseed]     # features by QEMU's names, or places such as 7.0.ebx.18
/// remove: [3dnow]
/// x2apic-mode: true
/// machines: [pc-i440fx-7.2]
/// ```
extension TargetProfile {
    private struct Description: Decodable {
        let name: String
        let base: String?
        let features: CPUFingerprint?
        let add: [String]?
        let remove: [String]?
        let machines: [String]?
        let version: String?
        let x2apicMode: Bool?
        let tscDeadlineTimer: Bool?
        let kvmclock: Bool?
        let kvmHypercalls: Bool?

        enum CodingKeys: String, CodingKey, CaseIterable {
            case name, base, features, add, remove, machines, version, kvmclock
            case x2apicMode = "x2apic-mode"
            case tscDeadlineTimer = "tsc-deadline-timer"
            case kvmHypercalls = "kvm-hypercalls"
        }
    }

    /// Whether a text is a description of a target, and not of a CPU.
    package static func isDescription(_ text: String) -> Bool {
        guard let node = try? Yams.compose(yaml: text), let mapping = node.mapping else { return false }
        return mapping["name"] != nil && (mapping["base"] ?? mapping["add"] ?? mapping["machines"]) != nil
    }

    /// Reads a description.
    ///
    /// - Parameters:
    ///   - file: its name, for messages.
    ///   - known: the targets that `base` may name.
    /// - Throws: ``CPUModelError`` with the line of a key that does not exist or a value that means nothing.
    package init(description text: String, file: String, known: [TargetProfile]) throws(CPUModelError) {
        let description: Description
        do {
            if let node = try Yams.compose(yaml: text), let mapping = node.mapping {
                for key in mapping.keys {
                    let name = key.string ?? ""
                    guard Description.CodingKeys(rawValue: name) != nil else {
                        let names = Description.CodingKeys.allCases.map(\.rawValue).sorted().joined(separator: ", ")
                        throw CPUModelError(
                            .malformed,
                            "\(file), line \(key.mark?.line ?? 0): a target has no '\(name)'; it has \(names).")
                    }
                }
            }
            description = try YAMLDecoder().decode(Description.self, from: text)
        } catch let error as CPUModelError {
            throw error
        } catch {
            throw CPUModelError(.malformed, "\(file) is no description of a target: \(error)")
        }
        var profile: TargetProfile
        if let base = description.base {
            guard let found = known.first(where: { $0.name == base }) else {
                throw CPUModelError(
                    .unknownName,
                    "\(file): there is no target '\(base)' to start from; known are "
                        + known.map(\.name).joined(separator: ", ") + ".")
            }
            profile = found
        } else {
            profile = TargetProfile(
                name: description.name, version: QEMUVersion(0, 0), accelerator: .tcg, machineTypes: [],
                hasX2APIC: false,
                hasTSCDeadline: false, hasKVMClock: false, hasKVMHypercalls: false)
            profile.features = Self.features(file, "")
        }
        profile.name = description.name
        if let version = description.version {
            guard let number = QEMUVersion(text: version) else {
                throw CPUModelError(.malformed, "\(file): '\(version)' is no version of QEMU, such as '7.2'.")
            }
            profile.version = number
        }
        if let machines = description.machines { profile.machineTypes = Set(machines) }
        profile.hasX2APIC = description.x2apicMode ?? profile.hasX2APIC
        profile.hasTSCDeadline = description.tscDeadlineTimer ?? profile.hasTSCDeadline
        profile.hasKVMClock = description.kvmclock ?? profile.hasKVMClock
        profile.hasKVMHypercalls = description.kvmHypercalls ?? profile.hasKVMHypercalls
        var features = description.features ?? profile.features ?? Self.features(file, "")
        features.source = FingerprintSource(.profile, detail: file, accelerator: profile.accelerator)
        for (names, isOn) in [(description.add ?? [], true), (description.remove ?? [], false)] {
            for name in names {
                let bits =
                    FeatureTable.standard.features(named: name).map(\.bit) + [FeatureBit(name)].compactMap(\.self)
                guard !bits.isEmpty else {
                    throw CPUModelError(
                        .unknownName,
                        "\(file): there is no feature '\(name)'; use names of QEMU, or places such as 7.0.ebx.18.")
                }
                for bit in bits { features.set(bit, to: isOn) }
            }
        }
        profile.features = features
        self = profile
    }
}

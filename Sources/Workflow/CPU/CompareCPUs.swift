import CPUModel
import Hypervisor

extension Stemma {
    /// Everything about one CPU.
    package func describeCPU(_ operand: CPUOperand) async throws -> CPUDescription {
        CPUDescription(try await cpu(operand))
    }

    /// What a guest loses that goes from the first CPU to the second, and a CPU that both provide.
    package func compareCPUs(_ first: CPUOperand, _ second: CPUOperand) async throws -> CPUDifferenceReport {
        let (left, right) = (try await cpu(first), try await cpu(second))
        let difference = CPUDifference(from: left.fingerprint, to: right.fingerprint)
        var closing: String?
        var objection: String?
        var problem: String?
        if !difference.isHarmless {
            do {
                // What one side does not tell is no reason to leave it out: then the other side decides.
                var both = [left.fingerprint, right.fingerprint]
                both[0].complete(from: right.fingerprint)
                both[1].complete(from: left.fingerprint)
                var argument = try CPUBaseline(of: both, catalog: try await modelCatalog()).argument
                // KVM adds these to every model, so leaving them out is not enough.
                let lost = Set(difference.lost.map(\.name))
                for name in ["x2apic", "tsc-deadline"] where lost.contains(name) {
                    argument = argument.setting(name, to: "off")
                }
                if difference.lost.contains(where: { $0.group == FeatureGroup.paravirtual.title }) {
                    argument = argument.setting("kvm", to: "off")
                }
                let cpu = argument.description
                closing = cpu
                if right.fingerprint.source.accelerator == .tcg || left.fingerprint.source.accelerator == .tcg {
                    objection = try await installation().objection(to: cpu, accelerator: .tcg)
                }
            } catch let error as CPUModelError {
                problem = error.message
            }
        }
        return CPUDifferenceReport(
            first: .init(cpu: left.title, source: left.source), second: .init(cpu: right.title, source: right.source),
            difference: difference, closingCPU: closing, objection: objection, problem: problem)
    }

    /// The best CPU that all provide, checked by QEMU where one of them is an accelerator of this machine.
    package func baselineCPU(
        _ operands: [CPUOperand], excluding excluded: [String] = []
    ) async throws -> CPUBaselineReport {
        for name in excluded where FeatureTable.standard.qemu(name).isEmpty {
            throw WorkflowError(.usage, "QEMU has no CPU feature '\(name)'.")
        }
        var providers: [CPUFingerprint] = []
        for operand in operands { providers.append(try await cpu(operand).fingerprint) }
        let baseline = try CPUBaseline(
            of: providers, catalog: try await modelCatalog(), excluding: Set(excluded))
        let cpu = baseline.argument.description
        var checks: [String: String] = [:]
        let installation = try installation()
        for operand in operands {
            let accelerator: LaunchOptions.Accelerator
            switch operand {
            case .model(let own, _): accelerator = own
            case .target(TargetNames.installed): accelerator = .tcg
            default: continue
            }
            checks[operand.description] = try await installation.objection(to: cpu, accelerator: accelerator) ?? ""
        }
        return CPUBaselineReport(
            cpus: operands.map(\.description), cpu: cpu, leftOut: baseline.leftOut, unknown: baseline.unknown,
            checks: checks)
    }

    /// What a feature is: by a name of QEMU, libvirt or Linux, or by its place such as `7.0.ebx.5`.
    package func explainFeature(_ text: String) async throws -> [FeatureExplanation] {
        let table = FeatureTable.standard
        var bits = table.features(named: text).map(\.bit)
        if bits.isEmpty, let bit = FeatureBit(text) { bits = [bit] }
        guard !bits.isEmpty else {
            let near = table.features.map(\.name).filter { $0.contains(text.lowercased()) }
            throw WorkflowError(
                .missing,
                "There is no CPU feature '\(text)'. Names of QEMU, libvirt and Linux are known, and places such as "
                    + "7.0.ebx.5 or msr.10a.0." + (near.isEmpty ? "" : " Similar: \(near.joined(separator: ", ")).")
            )
        }
        let targets = try await targets()
        return bits.map { bit in
            let feature = table[bit]
            let meaning = feature.map(FeatureMeaning.ofLosing) ?? .unnamed
            var states: [String: Bool] = [:]
            for target in targets { states[target.name] = target.features?[bit] }
            return FeatureExplanation(
                name: table.name(of: bit), bit: bit.description, group: feature?.group.title ?? "a bit without a name",
                qemu: feature?.qemu ?? [], libvirt: feature?.libvirt ?? [], linux: feature?.linux,
                effect: meaning.effect, risk: meaning.risk, targets: states)
        }
    }
}

import CPUModel
import ContentStore
import Conversion
import Foundation
import Hypervisor
import Lineage
import Machine
import VMState

/// Finds out what CPUs are, from whatever names them.
extension Stemma {
    /// The CPU that an operand names.
    package func cpu(_ operand: CPUOperand) async throws -> KnownCPU {
        let fingerprint: CPUFingerprint
        switch operand {
        case .model(let accelerator, let cpu): fingerprint = try await probe(cpu, accelerator)
        case .host:
            guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8) else {
                throw WorkflowError(.missing, "/proc/cpuinfo cannot be read.")
            }
            fingerprint = try CPUFingerprint(cpuinfo: text, source: FingerprintSource(.cpuinfo, detail: "this machine"))
        case .target(let name):
            let target = try await target(named: name)
            guard let features = target.features else {
                throw WorkflowError(.missing, "What the target '\(name)' provides is not written down.")
            }
            fingerprint = features
        case .file(let path, let model): fingerprint = try await self.fingerprint(file: path, model: model)
        case .reference(let reference): fingerprint = try await self.fingerprint(of: reference)
        }
        return KnownCPU(title: operand.description, fingerprint: fingerprint)
    }

    /// Runs the probe guest on a CPU. What TCG gives depends on nothing but QEMU, so that is remembered by QEMU's digest; what
    /// KVM gives also depends on the kernel and its modules.
    func probe(_ cpu: String, _ accelerator: LaunchOptions.Accelerator) async throws -> CPUFingerprint {
        let installation = try installation()
        func run() async throws -> CPUFingerprint {
            progress.step("asking \(accelerator.rawValue):\(cpu) with the probe guest")
            return try await CPUProbe(installation).run(cpu: cpu, accelerator: accelerator)
        }
        guard accelerator == .tcg else { return try await run() }
        return try await remembered("probe-\(cpu)", of: installation, run)
    }

    /// The models of the installed QEMU.
    func modelCatalog() async throws -> QEMUModelCatalog {
        let installation = try installation()
        return try await remembered("models", of: installation) { try await installation.modelCatalog() }
    }

    /// What an accelerator of the installed QEMU is able to give to a guest.
    func capabilities(of accelerator: LaunchOptions.Accelerator) async throws -> CPUFingerprint {
        let installation = try installation()
        guard accelerator == .tcg else { return try await installation.capabilities(of: accelerator) }
        return try await remembered("capabilities", of: installation) {
            try await installation.capabilities(of: accelerator)
        }
    }

    /// Something that depends on QEMU's program alone, from the cache, or found out and put there.
    func remembered<Value: Codable>(
        _ what: String, of installation: QEMUInstallation, _ find: () async throws -> Value
    ) async throws -> Value {
        guard let program = ProgramDigest.of(installation.system) else { return try await find() }
        let key = Digest(of: Array(installation.system.utf8) + Array(what.utf8) + program.bytes)
        let path = home.cache + "/cpu/" + String(key.hex.prefix(32)) + ".json"
        if let data = FileManager.default.contents(atPath: path),
            let value = try? JSONDecoder().decode(Value.self, from: data)
        {
            return value
        }
        let value = try await find()
        // A cache that cannot be written, for example because the home is read-only, is no error.
        try? FileManager.default.createDirectory(atPath: home.cache + "/cpu", withIntermediateDirectories: true)
        try? JSONEncoder().encode(value).write(to: URL(fileURLWithPath: path), options: .atomic)
        return value
    }

    // MARK: Files

    private func fingerprint(file path: String, model: String?) async throws -> CPUFingerprint {
        // A line says what a file in /proc holds; files of other kinds are not read without bounds.
        guard let handle = FileHandle(forReadingAtPath: path), let data = try? handle.read(upToCount: 16 << 20) else {
            throw WorkflowError(.missing, "\(path) cannot be read.")
        }
        let text = String(decoding: data, as: UTF8.self)
        if TargetProfile.isDescription(text) {
            let target = try TargetProfile(description: text, file: path, known: try await targets())
            guard let features = target.features else { throw WorkflowError(.malformed, "\(path) names no features.") }
            return features
        }
        let map = try? LibvirtCPUMap()
        let catalog = map == nil ? try? await modelCatalog() : nil
        return try FingerprintText(text, name: path, model: model).fingerprint { name throws(CPUModelError) in
            map?.fingerprint(of: name) ?? catalog?[name]
        }
    }

    // MARK: Snapshots and VMs

    private func fingerprint(of reference: Reference) async throws -> CPUFingerprint {
        let origin = try catalogue.resolve(reference)
        guard reference.snapshot != nil else {
            if (try? runs.running(name: reference.vm.text)) != nil {
                let machine = try await runs.connect(name: reference.vm.text)
                let fingerprint: CPUFingerprint
                do {
                    fingerprint = try await machine.monitor.cpuFingerprint(
                        cpu: machine.monitor.configuration.cpu, accelerator: machine.record.accelerator ?? .tcg)
                } catch {
                    await machine.disconnect()
                    throw error
                }
                await machine.disconnect()
                return fingerprint
            }
            let configuration = try configuration(of: origin.commit, named: reference.description)
            let needsKVM = ["host"].contains(CPUArgument(configuration.cpu).model)
            return try await probe(configuration.cpu, needsKVM ? .kvm : .tcg)
        }
        if let recorded = try recordedFingerprint(of: origin.commit) { return recorded }
        return try await inferredFingerprint(of: origin)
    }

    /// What was recorded when a snapshot was saved.
    func recordedFingerprint(of commit: Commit) throws -> CPUFingerprint? {
        guard let digest = commit.fingerprint else { return nil }
        return try JSONDecoder().decode(CPUFingerprint.self, from: Data(store.blob(digest)))
    }

    /// Stores a fingerprint. Equal ones are one object.
    func put(_ fingerprint: CPUFingerprint, in ingest: Ingest) throws -> Digest {
        try ingest.putBlob(Array(fingerprint.json.utf8))
    }

    /// What a snapshot itself proves, completed by the definition of the model that it is said to have run on.
    private func inferredFingerprint(of origin: NamedCommit) async throws -> CPUFingerprint {
        let state = try machineState(of: origin)
        var fingerprint = try InferredFingerprint(state.stream, kernel: linuxKernel(of: state)).fingerprint
        guard let cpu = origin.commit.attributes[Attribute.cpu], !cpu.isEmpty,
            let model = try? await modelCatalog().fingerprint(of: CPUArgument(cpu))
        else { return fingerprint }
        fingerprint.complete(from: model)
        fingerprint.source.cpu = cpu
        fingerprint.source.accelerator = TargetProfile.Accelerator(
            rawValue: origin.commit.attributes[Attribute.accelerator] ?? "")
        return fingerprint
    }

    // MARK: Targets

    /// All targets that are known by name; the installed QEMU's first.
    package func targets() async throws -> [TargetProfile] {
        [try await target(named: TargetNames.installed)] + TargetProfile.recorded + [Self.engineTarget]
    }

    /// A target by its name.
    package func target(named name: String) async throws -> TargetProfile {
        if name == TargetNames.installed { return try await translator(installation()) }
        if name == TargetNames.engine { return Self.engineTarget }
        if let recorded = TargetProfile.recorded.first(where: { $0.name == name }) { return recorded }
        throw WorkflowError(
            .missing, "There is no target '\(name)'; known are \(TargetNames.all.joined(separator: ", ")), and files.")
    }

    /// A target by its name, or described in a file.
    package func target(_ text: String) async throws -> TargetProfile {
        guard text.contains("/") || FileManager.default.fileExists(atPath: text) else {
            return try await target(named: text)
        }
        guard let data = FileManager.default.contents(atPath: text) else {
            throw WorkflowError(.missing, "\(text) cannot be read.")
        }
        return try TargetProfile(
            description: String(decoding: data, as: UTF8.self), file: text, known: try await targets())
    }

    /// What the engine's processor answers to CPUID; it delivers no external interrupts.
    static var engineTarget: TargetProfile {
        var features = CPUFingerprint(source: FingerprintSource(.profile, detail: "Stemma's engine"), isComplete: true)
        for (place, leaf) in ProcessorModel.standard.leaves {
            features.set(
                leaf: UInt32(place >> 32), subleaf: UInt32(truncatingIfNeeded: place),
                to: .init(eax: leaf.eax, ebx: leaf.ebx, ecx: leaf.ecx, edx: leaf.edx))
        }
        return TargetProfile(
            name: TargetNames.engine, version: QEMUVersion(0, 0), accelerator: .tcg, machineTypes: [], hasX2APIC: false,
            hasTSCDeadline: false, hasKVMClock: false, hasKVMHypercalls: false, features: features)
    }
}

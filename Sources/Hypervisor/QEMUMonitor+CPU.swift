import CPUModel

/// What QEMU says about CPUs.
extension QEMUMonitor {
    /// All properties of a CPU model (`query-cpu-model-expansion`).
    package func expand(cpuModel name: String) async throws -> [String: QEMUProperty] {
        let expansion = try await client.execute(
            "query-cpu-model-expansion", arguments: ["type": "full", "model": ["name": .string(name)]],
            returning: QEMUModelExpansion.self)
        return expansion.model.props ?? [:]
    }

    /// The CPU models with what the running accelerator lacks of each (`query-cpu-definitions`).
    package func cpuDefinitions() async throws -> [QEMUModelDefinition] {
        try await client.execute("query-cpu-definitions", returning: [QEMUModelDefinition].self)
    }

    /// The features of a CPU that this machine has, as QEMU puts them together for the guest: of the first one.
    ///
    /// QEMU answers from its own tables, so this takes a millisecond and the guest does not notice. Leaves without features
    /// (caches, topology) are not among them.
    package func cpuFingerprint(
        cpu: String, accelerator: LaunchOptions.Accelerator
    ) async throws -> CPUFingerprint {
        struct CPU: Decodable, Sendable {
            let path: String
            enum CodingKeys: String, CodingKey { case path = "qom-path" }
        }
        let cpus = try await client.execute("query-cpus-fast", returning: [CPU].self)
        guard let path = cpus.first?.path else {
            throw HypervisorError(.malformedMessage, "QEMU's machine has no CPU.")
        }
        func get<Value: Decodable & Sendable>(_ property: String, _ type: Value.Type) async throws -> Value {
            try await client.execute(
                "qom-get", arguments: ["path": .string(path), "property": .string(property)], returning: type)
        }
        let words = try await get("feature-words", [QEMUFeatureWord].self)
        var properties: [String: QEMUProperty] = [:]
        for name in ["vendor", "family", "model", "stepping", "phys-bits"] {
            properties[name] = try await get(name, QEMUProperty.self)
        }
        return CPUFingerprint(
            featureWords: words, properties: properties,
            source: FingerprintSource(
                .monitor, detail: "QEMU \(client.version.version)", cpu: cpu, accelerator: .init(accelerator)))
    }
}

extension QEMUInstallation {
    /// What an accelerator is able to give to a guest: the model `max`, which has everything.
    package func capabilities(
        of accelerator: LaunchOptions.Accelerator, scratch: String = "/tmp"
    ) async throws -> CPUFingerprint {
        let (properties, release) = try await ask(accelerator: accelerator, scratch: scratch) { monitor in
            (try await monitor.expand(cpuModel: "max"), monitor.client.version)
        }
        return CPUFingerprint(
            properties: properties,
            source: FingerprintSource(
                .expansion, detail: "QEMU \(release.version)", cpu: "max", accelerator: .init(accelerator)))
    }

    /// All models of this QEMU with their features.
    package func modelCatalog(scratch: String = "/tmp") async throws -> QEMUModelCatalog {
        try await ask(scratch: scratch) { monitor in
            let definitions = try await monitor.cpuDefinitions()
            var models: [QEMUModelCatalog.Model] = []
            var aliases: [String: String] = [:]
            for definition in definitions {
                if let target = definition.aliasOf {
                    aliases[definition.name] = target
                    continue
                }
                // `max` and `host` are no models, `base` is an empty one.
                guard !["max", "host", "base"].contains(definition.name) else { continue }
                models.append(
                    .init(
                        name: definition.name,
                        fingerprint: CPUFingerprint(
                            properties: try await monitor.expand(cpuModel: definition.name),
                            source: FingerprintSource(.expansion, cpu: definition.name))))
            }
            let names = try await monitor.expand(cpuModel: "max").compactMap { name, value in
                if case .bool = value { name } else { nil }
            }
            return QEMUModelCatalog(models: models, featureNames: Set(names), aliases: aliases)
        }
    }

    /// Whether an accelerator provides a CPU with all its features: QEMU is started with `enforce`, and ends at once.
    ///
    /// - Returns: nil when it does, else what QEMU says.
    package func objection(
        to cpu: String, accelerator: LaunchOptions.Accelerator, machine: String = "pc", scratch: String = "/tmp"
    ) async throws -> String? {
        let directory = try ScratchDirectory(under: scratch)
        // A snapshot to load that does not exist: QEMU makes the CPU first, then ends.
        let run = try await ToolRun.run(
            system,
            [
                "-machine", "\(machine),accel=\(accelerator.rawValue)", "-nodefaults", "-no-user-config", "-display",
                "none",
                "-S", "-cpu", CPUArgument(cpu).without(["enforce", "check"]).description + ",enforce", "-loadvm",
                "none",
            ], scratch: directory.path)
        if run.errors.contains("snapshot") && !run.errors.contains("requested feature") { return nil }
        let lines = run.errors.split(whereSeparator: \.isNewline).filter { !$0.contains("snapshot") }
        return lines.isEmpty ? "QEMU gave no reason" : lines.joined(separator: "\n")
    }
}

import CPUModel
import Hypervisor

extension Stemma {
    /// The installed QEMU's translator as a target for snapshots.
    func translator(_ installation: QEMUInstallation) async throws -> TargetProfile {
        let facts = try await remembered("version and machines", of: installation) {
            try await installation.ask { monitor in
                TranslatorFacts(
                    version: try await monitor.version().version, machines: try await monitor.machines().map(\.name))
            }
        }
        return .tcg(
            version: facts.version, machineTypes: facts.machines, features: try await capabilities(of: .tcg))
    }
}

/// What depends on QEMU's program alone.
private struct TranslatorFacts: Codable {
    let version: QEMUVersion
    let machines: [String]
}

import CPUModel
import Hypervisor

extension Stemma {
    /// The installed QEMU's translator as a target for snapshots.
    func translator(_ installation: QEMUInstallation) async throws -> TargetProfile {
        let (release, machines) = try await installation.ask { monitor in
            (try await monitor.version(), try await monitor.machines())
        }
        return .tcg(
            version: release.version, machineTypes: machines.map(\.name), features: try await capabilities(of: .tcg))
    }
}

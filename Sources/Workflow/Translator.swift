import CPUModel
import Hypervisor

extension Stemma {
    /// The installed QEMU's translator as a target for snapshots.
    func translator(_ installation: QEMUInstallation) async throws -> TargetProfile {
        let (version, machines) = try await installation.ask { monitor in
            (try await monitor.version(), try await monitor.machines())
        }
        return .tcg(
            version: CPUModel.QEMUVersion(version.major, version.minor, version.micro),
            machineTypes: machines.map(\.name))
    }
}

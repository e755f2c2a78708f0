import CPUModel
import Hypervisor

extension Stemma {
    /// The `-cpu` of a run under KVM whose snapshots shall go on under the translator: the best that both provide here.
    ///
    /// KVM's own interface is hidden (`kvm=off`), so that the guest uses neither kvmclock nor hypercalls.
    func captureCPU(_ installation: QEMUInstallation) async throws -> String {
        let target = try await translator(installation)
        let capture: CaptureModel
        let reason: String
        do {
            let host = try await capabilities(of: .kvm)
            capture = try CaptureModel(host: host, target: target, catalog: try await modelCatalog())
            reason = "the best that KVM here and \(target.name) both provide"
        } catch let error as HypervisorError {
            // KVM cannot be asked: the run itself will tell why, and a dry run needs an answer all the same.
            if error.code == .interrupted { throw error }
            capture = CaptureModel(vendor: hostVendor, target: target)
            reason = "\(target.name) provides all of it; KVM could not be asked"
        }
        progress.step("CPU for KVM: \(capture.kvmArgument) (\(reason); --cpu takes another)")
        return capture.kvmArgument
    }
}

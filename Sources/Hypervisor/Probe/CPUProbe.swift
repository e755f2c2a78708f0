import CPUModel
import Foundation

/// Runs the probe guest on a CPU of QEMU and reads what it prints.
package struct CPUProbe: Sendable {
    package let installation: QEMUInstallation
    /// Where the run gets a temporary directory.
    package let scratch: String
    /// How long the guest may take. It needs some ten milliseconds; QEMU's start takes most of the time.
    package let limit: Duration

    package init(_ installation: QEMUInstallation, scratch: String = "/tmp", limit: Duration = .seconds(60)) {
        self.installation = installation
        self.scratch = scratch
        self.limit = limit
    }

    /// The fingerprint of a CPU as a guest sees it.
    ///
    /// - Parameters:
    ///   - cpu: the argument of `-cpu`.
    ///   - machine: the machine type, which decides over details of the CPU in older versions.
    /// - Throws: ``HypervisorError`` with QEMU's own words when it does not take the CPU, `.timeout` with what the guest
    ///   printed; ``CPUModelError`` for a damaged print.
    package func run(
        cpu: String, accelerator: LaunchOptions.Accelerator, machine: String = "pc"
    ) async throws -> CPUFingerprint {
        let directory = try ScratchDirectory(under: scratch)
        let kernel = directory.path + "/probe-guest"
        try RunFiles.write(text: Data(ProbeGuest.image), to: kernel)
        let configuration = MachineConfiguration(
            machine: machine, cpu: cpu, memoryMiB: 64, boot: .init(hasInitialRamdisk: false, commandLine: ""),
            extraArguments: ["-no-reboot"])
        let run = try RunDirectory.create(
            under: directory.path, name: "probe", purpose: "cpu", shortDirectory: scratch)
        let options = LaunchOptions(accelerator: accelerator, bootFiles: .init(kernel: kernel))
        return try await QEMUProcess.with(configuration, options: options, in: run, using: installation) { qemu in
            try await qemu.waitForSerial(ProbeGuest.endText, timeout: limit)
            let text = FileManager.default.contents(atPath: run.paths.serialLog).map {
                String(decoding: $0, as: UTF8.self)
            }
            let version = qemu.monitor.client.version
            return try CPUFingerprint(
                probe: text ?? "",
                source: FingerprintSource(
                    .probe, detail: "QEMU \(version.version) \(machine)", cpu: cpu, accelerator: .init(accelerator)))
        }
    }
}

extension TargetProfile.Accelerator {
    /// The word of the command line as a word of CPU knowledge.
    package init(_ accelerator: LaunchOptions.Accelerator) {
        self = accelerator == .kvm ? .kvm : .tcg
    }
}

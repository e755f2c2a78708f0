import Foundation

/// Finds out what this machine can do, by trying.
package struct Doctor: Sendable {
    package let installation: QEMUInstallation
    /// Where trial runs get a temporary directory.
    package let scratch: String
    /// How long a trial guest may take.
    package let limit: Duration

    package init(_ installation: QEMUInstallation, scratch: String = "/tmp", limit: Duration = .seconds(30)) {
        self.installation = installation
        self.scratch = scratch
        self.limit = limit
    }

    /// Whether an accelerator runs guests here, and why not.
    package struct Verdict: Codable, Sendable, Hashable {
        package let isUsable: Bool
        /// What was seen, as a clause: "64-bit mode is missing ...".
        package let reason: String
        /// What the user can do; empty when there is nothing to do.
        package let advice: String

        package init(isUsable: Bool, reason: String, advice: String) {
            self.isUsable = isUsable
            self.reason = reason
            self.advice = advice
        }

        /// Turns "not usable" into an error, for commands that need KVM.
        package func requireUsable() throws(HypervisorError) {
            if isUsable { return }
            throw HypervisorError(.kvmUnusable(reason: reason), "KVM cannot run this guest: \(reason). \(advice)")
        }
    }

    /// What the examination found.
    package struct Report: Codable, Sendable, Hashable {
        /// The path of QEMU.
        package let qemu: String
        package let version: QEMURelease
        /// The x86 machine types with a short name: alias to versioned name.
        package let machines: [String: String]
        package let tcg: Verdict
        package let kvm: Verdict
    }

    /// Asks QEMU what it is and tries both accelerators.
    ///
    /// - Parameter kernel: a Linux kernel for a second trial of KVM, see ``examineKVM(kernel:)``.
    package func examine(kernel: String? = nil) async throws -> Report {
        let (version, machines) = try await installation.ask(scratch: scratch) { monitor in
            (try await monitor.version(), try await monitor.machines())
        }
        let aliases = machines.compactMap { type in type.alias.map { ($0, type.name) } }
        return Report(
            qemu: installation.system, version: version,
            machines: Dictionary(aliases, uniquingKeysWith: { first, _ in first }), tcg: try await examineTCG(),
            kvm: try await examineKVM(kernel: kernel))
    }

    /// Runs the trial guest under QEMU's translator.
    package func examineTCG() async throws -> Verdict {
        try await tryGuest(.tcg, cpu: "max", failure: "Reinstall QEMU; its translator must run everywhere.")
    }

    /// Finds out whether KVM really runs guests.
    ///
    /// The device must open, then a small 64-bit guest must pass its stages within the limit, and then, when a kernel
    /// is given, Linux must print its first lines.
    ///
    /// - Parameter kernel: the path of a bzImage with a serial console driver.
    package func examineKVM(kernel: String? = nil) async throws -> Verdict {
        let device = KVMDevice()
        if let (reason, advice) = device.problem { return Verdict(isUsable: false, reason: reason, advice: advice) }
        let doubt = device.doubt.map { " (\($0))" } ?? ""
        let advice =
            "Run guests with TCG here ('stemma run VM prep'), or use a machine with hardware virtualization: "
            + "bare metal, or nested virtualization enabled in the outer hypervisor."
        let verdict = try await tryGuest(.kvm, cpu: "host", failure: advice)
        guard verdict.isUsable else {
            return Verdict(isUsable: false, reason: verdict.reason + doubt, advice: advice)
        }
        guard let kernel else { return verdict }
        guard try await boots(kernel: kernel, accelerator: .kvm, cpu: "host") else {
            return Verdict(
                isUsable: false,
                reason: "a small 64-bit guest runs, but Linux printed nothing within \(limit)\(doubt)", advice: advice)
        }
        return Verdict(isUsable: true, reason: "a 64-bit guest and Linux run", advice: "")
    }

    /// Whether a Linux kernel prints its first lines within the limit.
    package func boots(
        kernel: String, accelerator: LaunchOptions.Accelerator, cpu: String
    ) async throws -> Bool {
        let configuration = MachineConfiguration(
            machine: "pc", cpu: cpu, memoryMiB: 256,
            boot: .init(hasInitialRamdisk: false, commandLine: "console=ttyS0 earlyprintk=ttyS0 panic=-1"),
            extraArguments: ["-no-reboot"])
        let failure = try await trial(configuration, kernel: kernel, accelerator, text: "Linux version").failure
        return failure == nil
    }

    private func tryGuest(
        _ accelerator: LaunchOptions.Accelerator, cpu: String, failure advice: String
    ) async throws -> Verdict {
        let directory = try ScratchDirectory(under: scratch)
        let kernel = directory.path + "/trial-guest"
        try RunFiles.write(text: Data(TrialGuest.image()), to: kernel)
        let configuration = MachineConfiguration(
            machine: "pc", cpu: cpu, memoryMiB: 64, boot: .init(hasInitialRamdisk: false, commandLine: ""),
            extraArguments: ["-no-reboot"])
        let (failure, console) = try await trial(
            configuration, kernel: kernel, accelerator, text: TrialGuest.passText)
        guard let failure else { return Verdict(isUsable: true, reason: "a 64-bit guest runs", advice: "") }
        return Verdict(
            isUsable: false, reason: Self.explanation(failure, console: console, limit: limit), advice: advice)
    }

    /// What a failed trial means, from the error and from how far the guest came.
    package static func explanation(_ failure: HypervisorError, console: String, limit: Duration) -> String {
        let passed = Set(console)
        let missing = TrialGuest.Stage.allCases.first { !passed.contains($0.rawValue) }
        switch failure.code {
        case .qemuFailed(_, let text):
            let lines = text.split(whereSeparator: \.isNewline)
            return "QEMU cannot start a guest: \(lines.last ?? "no reason given")"
        case .timeout where missing == .speed:
            return "a 64-bit guest is far too slow: it is interpreted, not run by the CPU"
        case .timeout, .notRunning:
            guard let missing else { return failure.message }
            let how =
                passed.contains(TrialGuest.failMark)
                ? "gave a wrong result" : failure.code == .timeout ? "hung for \(limit)" : "broke off"
            return "a 64-bit trial guest \(how) where it needs \(missing.description)"
        default:
            return failure.message
        }
    }

    /// Runs a guest until a text appears; the failure, if any, and what was on the console.
    private func trial(
        _ configuration: MachineConfiguration, kernel: String, _ accelerator: LaunchOptions.Accelerator, text: String
    ) async throws -> (failure: HypervisorError?, console: String) {
        let directory = try ScratchDirectory(under: scratch)
        let run = try RunDirectory.create(
            under: directory.path, name: "trial", purpose: "doctor", shortDirectory: scratch)
        let options = LaunchOptions(accelerator: accelerator, bootFiles: .init(kernel: kernel))
        do {
            return try await QEMUProcess.with(configuration, options: options, in: run, using: installation) { qemu in
                do {
                    try await qemu.waitForSerial(text, timeout: limit)
                    return (nil, qemu.serialTail())
                } catch let error as HypervisorError {
                    return (error, qemu.serialTail())
                }
            }
        } catch let error as HypervisorError {
            return (error, "")
        }
    }
}

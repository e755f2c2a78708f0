import CPUModel
import Hypervisor
import Testing

@Suite struct DoctorTests {
    @Test func translatorPassesTheTrial() async throws {
        let report = try await Doctor(try QEMUInstallation.find(), limit: .seconds(120)).examine()
        #expect(report.tcg == Doctor.Verdict(isUsable: true, reason: "a 64-bit guest runs", advice: ""))
        #expect(report.machines["pc"]?.hasPrefix("pc-i440fx-") == true)
        #expect(report.version.version >= QEMUVersion(7, 0))
        // Whether KVM works is this machine's affair; that there is a reason and advice is ours.
        if !report.kvm.isUsable {
            #expect(!report.kvm.reason.isEmpty && !report.kvm.advice.isEmpty)
            let error = try await hypervisorError { try report.kvm.requireUsable() }
            #expect(error.code == .kvmUnusable(reason: report.kvm.reason))
            #expect(error.message.contains(report.kvm.advice))
        }
    }

    @Test func guestThatIsNoKernelBootsNothing() async throws {
        try await Laboratory.with { lab in
            let doctor = Doctor(lab.installation, scratch: lab.directory.path, limit: .milliseconds(500))
            let boots = try await doctor.boots(kernel: lab.kernel, accelerator: .tcg, cpu: "max")
            #expect(!boots)
        }
    }

    @Test(arguments: [
        ("", HypervisorError.Code.timeout, "64-bit mode"),
        ("L", .notRunning, "broke off where it needs SSE instructions"),
        ("LSB", .timeout, "hung for 5.0 seconds where it needs page faults"),
        ("LSBP!", .timeout, "gave a wrong result where it needs user mode and system calls"),
        ("LSBPUT", .timeout, "far too slow"),
        ("", .qemuFailed(exit: .code(1), stderr: "warning\nqemu: no KVM\n"), "QEMU cannot start a guest: qemu: no KVM"),
    ])
    func failuresAreExplained(_ console: String, _ code: HypervisorError.Code, _ expected: String) {
        let text = Doctor.explanation(HypervisorError(code, ""), console: console, limit: .seconds(5))
        #expect(text.contains(expected))
    }
}

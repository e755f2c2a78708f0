import CPUModel
import Foundation
import Testing

@Suite struct CaptureModelTests {
    private func qemu(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["qemu-system-x86_64"] + arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    private func installed() throws -> TargetProfile {
        let version = try #require(QEMUVersion(text: try qemu(["--version"]).output))
        return .tcg(version: version, machineTypes: TargetProfile.machineTypes(help: try qemu(["-M", "help"]).output))
    }

    @Test(arguments: CPUVendor.allCases)
    func theInstalledTCGProvidesTheModel(_ vendor: CPUVendor) throws {
        let target = try installed()
        #expect(target.machineTypes.contains { $0.hasPrefix("pc-q35-") })
        let model = CaptureModel(vendor: vendor, target: target)
        // A snapshot to load that does not exist: QEMU checks the CPU first and ends at once.
        let arguments = ["-accel", "tcg", "-display", "none", "-nodefaults", "-S", "-loadvm", "none", "-cpu"]
        let good = try qemu(arguments + [model.targetArgument])
        #expect(!good.output.contains("doesn't support requested feature"), "\(good.output)")
        #expect(good.output.contains("snapshot"), "\(good.output)")
        // KVM's argument is understood as well.
        let hidden = try qemu(arguments + [model.kvmArgument])
        #expect(hidden.output.contains("snapshot"), "\(hidden.output)")
        // The unchanged model is not provided: the removals are needed.
        let full = try qemu(arguments + ["\(model.model),enforce"])
        #expect(full.output.contains("doesn't support requested feature"), "\(full.output)")
    }

    @Test func removesOnlyWhatTheTargetLacks() {
        let new = TargetProfile.tcg(version: QEMUVersion(10, 0), machineTypes: [])
        let model = CaptureModel(vendor: .intel, target: new)
        #expect(model.kvmArgument == "Haswell-noTSX,-pcid,-invpcid,-tsc-deadline,kvm=off")
        let old = TargetProfile.tcg(version: QEMUVersion(7, 2), machineTypes: [])
        #expect(
            CaptureModel(vendor: .intel, target: old).targetArgument
                == "Haswell-noTSX,-pcid,-invpcid,-x2apic,-tsc-deadline,enforce")
    }

    @Test func readsTheVendor() {
        #expect(CPUVendor(cpuinfo: "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\n") == .intel)
        #expect(CPUVendor(cpuinfo: "processor\t: 0\nvendor_id\t: AuthenticAMD\n") == .amd)
        #expect(CPUVendor(cpuinfo: "vendor_id\t: CentaurHauls\n") == nil)
        #expect(CPUVendor(cpuinfo: "") == nil)
    }
}

import CPUModel
import Foundation
import Hypervisor
import TestSupport
import Testing

@Suite struct CPUProbeTests {
    private func features(of print: CPUFingerprint) -> [String: Bool] {
        var states: [String: Bool] = [:]
        for feature in FeatureTable.standard.features where !feature.isDerived {
            states[feature.name] = print[feature.bit]
        }
        return states
    }

    /// Names of features about which two fingerprints contradict each other.
    private func contradictions(_ a: CPUFingerprint, _ b: CPUFingerprint) -> [String] {
        let (left, right) = (features(of: a), features(of: b))
        return left.filter { name, state in right[name].map { $0 != state } ?? false }.keys.sorted()
    }

    @Test func theImageIsTheAssembledSource() throws {
        let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("probe-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: scratch) }
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../images/guest/cpu-probe.S").standardizedFileURL
        try Tool.run(
            "gcc",
            [
                "-m32", "-nostdlib", "-static", "-Wl,-Ttext=0x100000,--oformat=binary,--build-id=none", "-o",
                scratch.path,
                source.path,
            ])
        let bytes = [UInt8](try Data(contentsOf: scratch))
        #expect(bytes == ProbeGuest.image, "assemble images/guest/cpu-probe.S again and put it into ProbeGuest.swift")
    }

    @Test func theGuestSeesWhatQEMUSaysOfItsCPU() async throws {
        let installation = try QEMUInstallation.find()
        for cpu in ["max", "Haswell-noTSX,-pcid,-invpcid,-x2apic,-tsc-deadline", "qemu64,+avx2,+xsave"] {
            let seen = try await CPUProbe(installation).run(cpu: cpu, accelerator: .tcg)
            #expect(seen.isComplete && seen.source.cpu == cpu && seen.hypervisor == "TCGTCGTCGTCG")
            #expect(seen["sse2"] == true && seen["svm"] != nil)
            let told = try await installation.ask(machine: "pc", cpu: cpu) { monitor in
                try await monitor.cpuFingerprint(cpu: cpu, accelerator: .tcg)
            }
            #expect(told.source.kind == .monitor && told.vendor == seen.vendor && told.signature == seen.signature)
            #expect(contradictions(seen, told) == [], "\(cpu)")
        }
        // What `max` is said to have is what a guest gets.
        let said = try await installation.capabilities(of: .tcg)
        let seen = try await CPUProbe(installation).run(cpu: "max", accelerator: .tcg)
        #expect(contradictions(seen, said) == [])
    }

    @Test func aCPUThatQEMUDoesNotKnowIsRefusedInItsOwnWords() async throws {
        let probe = CPUProbe(try QEMUInstallation.find())
        let error = try await hypervisorError { _ = try await probe.run(cpu: "Z80", accelerator: .tcg) }
        #expect(error.description.contains("Z80"))
    }

    /// Every name that QEMU takes, at its bit: each feature gets a number, and in run `k` those are switched on whose number
    /// has bit `k`. So what a bit was in all runs spells the number of the feature that controls it.
    @Test func everyFeatureOfQEMUIsKnownAtItsBit() async throws {
        let installation = try QEMUInstallation.find()
        let catalog = try await installation.modelCatalog()
        // They open words of others, so they stay on.
        let openers: Set<String> = ["svm", "intel-pt", "sgx", "xsave", "vmx"]
        var numbers: [(name: String, feature: CPUFeature)] = []
        for feature in FeatureTable.standard.features where !feature.isDerived && feature.group != .paravirtual {
            guard case .cpuid = feature.bit.word, let name = catalog.argumentName(of: feature), !openers.contains(name)
            else { continue }
            numbers.append((name, feature))
        }
        #expect(numbers.count > 180)
        let rounds = (numbers.count + 1).bitWidth - (numbers.count + 1).leadingZeroBitCount
        var codes: [FeatureBit: Int] = [:]
        for round in 0..<rounds {
            var options = openers.sorted().map { "\($0)=on" }
            for (index, entry) in numbers.enumerated() {
                options.append("\(entry.name)=\((index + 1) >> round & 1 == 1 ? "on" : "off")")
            }
            let cpu = "base,x-force-features=on,check=off," + options.joined(separator: ",")
            let print = try await installation.ask(machine: "pc", cpu: cpu) { monitor in
                try await monitor.cpuFingerprint(cpu: cpu, accelerator: .tcg)
            }
            for (word, bits) in print.words {
                for index in 0..<word.width where bits.value >> UInt64(index) & 1 == 1 {
                    codes[FeatureBit(word, index), default: 0] |= 1 << round
                }
            }
        }
        for (index, entry) in numbers.enumerated() {
            #expect(codes[entry.feature.bit] == index + 1, "\(entry.name) at \(entry.feature.bit)")
        }
    }

    @Test func allNamesInQEMUsHelpAreKnown() async throws {
        let text = try Tool.run(try QEMUInstallation.find().system, ["-cpu", "help"])
        let flags = try #require(text.range(of: "CPUID flags:"))
        let names = text[flags.upperBound...].split(whereSeparator: \.isWhitespace).map(String.init)
        #expect(names.count > 200)
        let missing = names.filter { FeatureTable.standard.qemu($0).isEmpty }
        #expect(missing == [])
    }

    @Test func baselinesAreAcceptedWithEnforce() async throws {
        let installation = try QEMUInstallation.find()
        let catalog = try await installation.modelCatalog()
        #expect(catalog["Haswell-noTSX"] != nil && catalog["Haswell-noTSX"] == catalog["Haswell-v2"])
        let max = try await installation.capabilities(of: .tcg)
        for name in ["Haswell", "EPYC", "Skylake-Server-v4", "Westmere"] {
            let model = try #require(catalog[name])
            let baseline = try CPUBaseline(of: [model, max], catalog: catalog)
            #expect(baseline.fingerprint.vendor == model.vendor)
            let cpu = baseline.argument.description
            let objection = try await installation.objection(to: cpu, accelerator: .tcg)
            #expect(objection == nil, "\(cpu)")
            // Nothing that both have is left out.
            let seen = try await CPUProbe(installation).run(cpu: cpu, accelerator: .tcg)
            for feature in FeatureTable.standard.features
            where model[feature.bit] == true && max[feature.bit] == true && feature.group != .paravirtual {
                #expect(seen[feature.bit] == true, "\(cpu): \(feature.name)")
            }
        }
        let full = try await installation.objection(to: "Haswell-noTSX", accelerator: .tcg)
        #expect(full?.contains("pcid") == true)
    }

    @Test func theCaptureModelIsTheBestOfHostAndTarget() async throws {
        let installation = try QEMUInstallation.find()
        let catalog = try await installation.modelCatalog()
        let target = TargetProfile.tcg(
            version: QEMUVersion(7, 2), machineTypes: [], features: try await installation.capabilities(of: .tcg))
        // A host: KVM on a Skylake.
        var host = try #require(catalog["Skylake-Server-v4"])
        host.source.accelerator = .kvm
        let capture = try CaptureModel(host: host, target: target, catalog: catalog)
        #expect(capture.kvmArgument.hasSuffix(",kvm=off"))
        #expect(try await installation.objection(to: capture.targetArgument, accelerator: .tcg) == nil)
        let seen = try await CPUProbe(installation).run(cpu: capture.targetArgument, accelerator: .tcg)
        for name in ["avx2", "bmi2", "smap", "clwb", "adx"] { #expect(seen[name] == true, "\(name)") }
        for name in ["pcid", "x2apic", "tsc-deadline", "xsaves", "avx512f"] { #expect(seen[name] == false, "\(name)") }
    }

    /// The snapshots `prevented` and `smp-prevented` are made with it.
    @Test func theLabsSnapshotsHaveTheCPUOfTheCaptureModel() async throws {
        let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let name = "CPUModelTests/Samples/lab-kvm-host.json"
        let sample = try String(contentsOf: directory.appendingPathComponent(name), encoding: .utf8)
        var host = try FingerprintText(sample, name: name, model: nil).fingerprint { name throws(CPUModelError) in
            throw CPUModelError(.impossible, "the answer names no model: \(name)")
        }
        host.source.accelerator = .kvm
        let installation = try QEMUInstallation.find()
        let target = TargetProfile.tcg(
            version: QEMUVersion(7, 2), machineTypes: [], features: try await installation.capabilities(of: .tcg))
        let capture = try CaptureModel(host: host, target: target, catalog: try await installation.modelCatalog())
        let list = Process()
        let output = Pipe()
        list.executableURL = directory.appendingPathComponent("lab/make-snapshots")
        list.arguments = ["--list"]
        list.standardOutput = output
        try list.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        list.waitUntilExit()
        let entries = String(decoding: data, as: UTF8.self).split(separator: "\n").filter { $0.contains("prevented ") }
        #expect(entries.count == 2)
        for entry in entries { #expect(entry.hasSuffix(" \(capture.kvmArgument)"), "\(entry)") }
    }
}

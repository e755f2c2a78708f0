import Foundation
import Testing

/// `stemma cpu`, and what runs and snapshots know of their CPUs.
@Suite(.serialized) struct CPUTests {
    /// What the tests read of `--json`.
    private struct Description: Decodable {
        struct Fingerprint: Decodable {
            struct Source: Decodable {
                let kind: String
                let cpu: String?
                let accelerator: String?
            }
            let source: Source
        }
        let fingerprint: Fingerprint
        let features: [String: [String]]
        var all: Set<String> { Set(features.values.flatMap(\.self)) }
    }

    private struct Difference: Decodable {
        struct Feature: Decodable {
            let name: String
            let risk: String
        }
        struct Body: Decodable { let lost: [Feature] }
        let difference: Body
        let closingCPU: String?
        let objection: String?
    }

    private struct Baseline: Decodable {
        let cpu: String
        let checks: [String: String]
    }

    private func decode<Value: Decodable>(_ output: Output) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(output.standardOutput.utf8))
    }

    @Test func everySourceIsAnOperand() async throws {
        let home = try TestHome()
        let probe = try await home.stemma("cpu", "probe", "tcg:Haswell-noTSX")
        let file = home.path + "/haswell.json"
        try Data(probe.standardOutput.utf8).write(to: URL(fileURLWithPath: file))
        let shown: Description = try decode(try await home.stemma("cpu", "show", file, "--json"))
        #expect(shown.fingerprint.source.kind == "probe-guest" && shown.fingerprint.source.cpu == "Haswell-noTSX")
        #expect(shown.all.contains("avx2") && !shown.all.contains("pcid"))
        let samples = Tool.path("Tests/CPUModelTests/Samples") + "/"
        for name in [
            "sapphire-rapids.cpuid", "sapphire-rapids.cpuinfo", "libvirt-capabilities.xml",
            "libvirt-domain-capabilities-tcg.xml", "expansion-haswell.json", "qemu-10.0-tcg-max.probe",
        ] {
            let text = try await home.stemma("cpu", "show", samples + name)
            #expect(text.standardOutput.contains("vendor"), "\(name)")
        }
        for target in ["installed-tcg", "qemu-tcg-7.2", "qemu-tcg-10.0", "s2e-libcpu", "stemma-engine", "host"] {
            let print: Description = try decode(try await home.stemma("cpu", "show", target, "--json"))
            #expect(print.all.contains("sse2"), "\(target)")
        }
        try await home.stemma("cpu", "show", samples + "definitions-tcg.json", expecting: 66)
        try await home.stemma("cpu", "show", samples + "definitions-tcg.json#EPYC-v1")
        try await home.stemma("cpu", "show", Tool.path("Package.swift"), expecting: 65)
        try await home.stemma("cpu", "show", "/nowhere", expecting: 66)
        try await home.stemma("cpu", "probe", "host", expecting: 64)
        let unknown = try await home.stemma("cpu", "probe", "tcg:Z80", expecting: 69)
        #expect(unknown.standardError.contains("Z80"))
    }

    @Test func aDifferenceNamesWhatDiesAndTheCPUThatClosesIt() async throws {
        let home = try TestHome()
        let host = Tool.path("Tests/CPUModelTests/Samples/sapphire-rapids.cpuid")
        let text = try await home.stemma("cpu", "diff", host, "installed-tcg", expecting: 2)
        for word in ["pcid", "tsc-deadline", "CR3", "-cpu ", "avx512f"] {
            #expect(text.standardOutput.contains(word), "\(word)")
        }
        let report: Difference = try decode(
            try await home.stemma("cpu", "diff", host, "installed-tcg", "--json", expecting: 2))
        #expect(report.objection == nil)
        #expect(report.difference.lost.contains { $0.name == "xsaves" && $0.risk == "kernel" })
        // The gap is closed: whoever is booted with that -cpu loses nothing on the translator.
        let closing = try #require(report.closingCPU)
        let closed: Difference = try decode(
            try await home.stemma("cpu", "diff", "tcg:\(closing)", "installed-tcg", "--json"))
        #expect(closed.difference.lost.isEmpty)
        try await home.stemma("cpu", "diff", "tcg:qemu64", "tcg:max")
    }

    @Test func baselinesAreCheckedByQEMU() async throws {
        let home = try TestHome()
        let host = Tool.path("Tests/CPUModelTests/Samples/sapphire-rapids.cpuid")
        let report: Baseline = try decode(
            try await home.stemma("cpu", "baseline", host, "installed-tcg", "tcg:Haswell", "--exclude", "aes", "--json")
        )
        #expect(report.checks == ["installed-tcg": "", "tcg:Haswell": ""])
        let shown: Description = try decode(try await home.stemma("cpu", "show", "tcg:\(report.cpu)", "--json"))
        #expect(shown.all.isSuperset(of: ["avx2", "bmi2", "xsave"]))
        #expect(shown.all.isDisjoint(with: ["aes", "avx512f", "pcid", "clwb"]))
        let wrong = try await home.stemma("cpu", "baseline", "installed-tcg", "--exclude", "nonsense", expecting: 64)
        #expect(wrong.standardError.contains("nonsense"))
    }

    @Test func aFeatureIsExplainedByAnyOfItsNames() async throws {
        let home = try TestHome()
        for name in ["tsc-deadline", "tsc_deadline_timer", "1.ecx.24"] {
            let text = try await home.stemma("cpu", "explain", name)
            for word in ["1.ecx.24", "tsc_deadline_timer", "sleeps for ever", "qemu-tcg-10.0", "lacks"] {
                #expect(text.standardOutput.contains(word), "\(word) for \(name)")
            }
        }
        let near = try await home.stemma("cpu", "explain", "avx51", expecting: 66)
        #expect(near.standardError.contains("avx512f"))
    }

    @Test func aSnapshotKnowsWhatItsGuestSaw() async throws {
        let home = try await MiniGuest.shared.home()
        let run = try home.start("run", "Mini", "prep", "--headless", "--cpu", "Westmere,-aes")
        try await run.waitForStandardError("is running")
        // Of the running VM, from another process.
        var live = try await home.stemma("cpu", "show", "Mini", "--json")
        for _ in 0..<50 where !live.standardOutput.contains("qemu-cpu") {
            live = try await home.stemma("cpu", "show", "Mini", "--json")
        }
        let running: Description = try decode(live)
        #expect(running.fingerprint.source.kind == "qemu-cpu" && running.fingerprint.source.cpu == "Westmere,-aes")
        #expect(running.all.contains("sse4.2") && !running.all.contains("aes"))
        // Of a kernel that runs: the firmware alone has switched on nothing from which a CPU could be inferred.
        let runs = try FileManager.default.contentsOfDirectory(atPath: home.path + "/runs").filter { $0.hasPrefix("r") }
        let console = home.path + "/runs/\(try #require(runs.first))/serial.log"
        for _ in 0..<1200 where (try? String(contentsOfFile: console, encoding: .utf8))?.contains("READY") != true {
            try await Task.sleep(for: .milliseconds(100))
        }
        try await home.stemma("snapshot", "save", "Mini", "early")
        run.signal(SIGINT)
        _ = await run.wait()
        let saved: Description = try decode(try await home.stemma("cpu", "show", "Mini:early", "--json"))
        #expect(saved.fingerprint.source.kind == "qemu-cpu" && saved.all == running.all)
        #expect(try await home.stemma("snapshot", "show", "Mini:early").standardOutput.contains("Westmere,-aes"))
        // A clone knows it too; the configured VM is asked with the probe guest.
        try await home.stemma("vm", "clone", "Mini", "Copy")
        let copied: Description = try decode(try await home.stemma("cpu", "show", "Copy:early", "--json"))
        #expect(copied.all == running.all)
        let configured: Description = try decode(try await home.stemma("cpu", "show", "Mini", "--json"))
        #expect(configured.fingerprint.source.kind == "probe-guest" && configured.fingerprint.source.cpu == "qemu64")
        // What an imported stream proves is inferred.
        let stream = home.path + "/exported/"
        try await home.stemma("vm", "export", "Mini:early", stream)
        // A directory keeps what the guest saw, in a form that is an operand of its own.
        let file: Description = try decode(try await home.stemma("cpu", "show", stream + "cpu.json", "--json"))
        #expect(file.all == running.all)
        try await home.stemma("vm", "import", stream, "--name", "Back")
        let back: Description = try decode(try await home.stemma("cpu", "show", "Back:early", "--json"))
        #expect(back.fingerprint.source.kind == "qemu-cpu" && back.all == running.all)
        let qcow2 = try #require(
            try FileManager.default.contentsOfDirectory(atPath: stream).first { $0.hasSuffix(".qcow2") })
        try await home.stemma(
            "snapshot", "import", stream + qcow2, "--vm", "Copy", "--name", "foreign", "--from-snapshot", "early")
        let inferred: Description = try decode(try await home.stemma("cpu", "show", "Copy:foreign", "--json"))
        #expect(inferred.fingerprint.source.kind == "snapshot")
        #expect(inferred.all.isSubset(of: running.all) && !inferred.all.isEmpty)
    }

    @Test func aRunUnderKVMIsGivenACPUThatTheTranslatorHas() async throws {
        let home = try await MiniGuest.shared.home()
        let output = try await home.stemma("run", "Mini", "kvm", "--headless", "--dry-run")
        let line = try #require(output.standardError.split(separator: "\n").first { $0.contains("CPU for KVM:") })
        let cpu = try #require(line.split(separator: " ").first { $0.contains("kvm=off") }).replacingOccurrences(
            of: ",kvm=off", with: "")
        #expect(output.standardOutput.contains(cpu))
        // The translator provides every feature of it.
        let closed: Difference = try decode(
            try await home.stemma("cpu", "diff", "tcg:\(cpu)", "installed-tcg", "--json"))
        #expect(closed.difference.lost.isEmpty)
        let own = try await home.stemma("run", "Mini", "kvm", "--headless", "--dry-run", "--cpu", "qemu64,+avx2")
        #expect(own.standardOutput.contains("qemu64,+avx2") && !own.standardError.contains("CPU for KVM:"))
    }
}

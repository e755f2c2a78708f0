import Foundation
import Testing

/// `stemma check` and `convert` with targets, policies, explanations and plans, on a real KVM snapshot.
@Suite(.serialized) struct PolicyVerbTests {
    private func imported() async throws -> TestHome {
        let directory = try await LabTests.Lab.shared.directory()
        let home = try await MiniGuest.shared.home()
        try await home.stemma("snapshot", "import", "\(directory)/clean.stream", "--vm", "Mini", "--name", "booted")
        return home
    }

    private struct Report: Decodable {
        struct Finding: Decodable {
            let check: String
            let severity: String
            let reason: String?
        }

        let target: String
        let verdict: String
        let findings: [Finding]

        func severity(_ check: String) -> String? { findings.first { $0.check == check }?.severity }
    }

    private func report(_ home: TestHome, _ words: String..., expecting status: Int32) async throws -> Report {
        let output = try await Tool.run(
            Tool.stemma(), ["check", "Mini:booted", "--json"] + words, environment: ["STEMMA_HOME": home.path])
        #expect(output.status == status, "\(words): \(output.all)")
        return try JSONDecoder().decode(Report.self, from: Data(output.standardOutput.utf8))
    }

    @Test func checksAreExplainedWithoutASnapshot() async throws {
        let home = try TestHome()
        let text = try await home.stemma("check", "--explain", "c09").standardOutput
        #expect(text.hasPrefix("C09  LAPIC timer mode"))
        #expect(text.contains("0x6e0"))
        #expect(try await home.stemma("check", "--explain", "C99", expecting: 64).standardError.contains("C01"))
        try await home.stemma("check", expecting: 64)
    }

    @Test func targetsAndPoliciesDecide() async throws {
        let home = try await imported()
        let usual = try await report(home, expecting: 1)
        #expect(usual.severity("C02") == "fixable")
        #expect(try await report(home, "--target", "qemu-tcg-10.0", expecting: 1).target == "qemu-tcg-10.0")
        // The lab's CPU has more than S2E's translator.
        #expect(try await report(home, "--policy", "s2e", expecting: 2).target == "s2e-libcpu")
        // KVM goes on with a snapshot of KVM.
        #expect(try await report(home, "--target", "kvm", expecting: 0).verdict == "ok")
        let strict = try await report(home, "--policy", "strict", expecting: 2)
        #expect(strict.severity("C41") == "fatal")
        #expect(strict.findings.contains { $0.check == "C41" && $0.reason != nil })
        let unknown = try await home.stemma("check", "Mini:booted", "--target", "nothing", expecting: 66)
        #expect(unknown.standardError.contains("s2e-libcpu"))

        let policy = home.path + "/wrong.yaml"
        try "version: 1\nchecks:\n  C05: {severity: deadly}\n".write(
            toFile: policy, atomically: true, encoding: .utf8)
        let wrong = try await home.stemma("check", "Mini:booted", "--policy", policy, expecting: 64)
        #expect(wrong.standardError.contains("wrong.yaml:3:19"))
    }

    @Test func aPlanWritesNothingAndSaysWhatTheConversionDoes() async throws {
        let home = try await imported()
        let before = try await home.stemma("log", "Mini", "--json").standardOutput
        let plan = try await home.stemma("convert", "Mini:booted", "--plan").standardOutput
        #expect(plan.contains("would fix C02 (remove-kvm-sections)"))
        #expect(plan.contains("command line -global none → ioapic.version=0x11"))
        #expect(try await home.stemma("log", "Mini", "--json").standardOutput == before)
        #expect(try await home.snapshots(of: "Mini") == ["booted"])

        let done = try await home.stemma("convert", "Mini:booted", "--as", "dbt").standardOutput
        let planned = plan.split(separator: "\n").filter { $0.hasPrefix("    ") }
        #expect(planned == done.split(separator: "\n").filter { $0.hasPrefix("    ") })
        #expect(!planned.isEmpty)
        // The command line is kept with the snapshot.
        let line = try await home.stemma("run", "Mini:dbt", "prep", "--headless", "--dry-run").standardOutput
        #expect(line.contains("ioapic.version=0x11"))
        #expect(line.contains("-cpu max"))

        // And back, after the translator has run it: KVM's counters are behind.
        try await home.stemma(
            "run", "Mini:dbt", "prep", "--headless", "--until", "tick ", "--save", "later", "--timeout", "300")
        let back = try await home.stemma("convert", "Mini:later", "--to", "kvm", "--as", "kvm-again").standardOutput
        #expect(back.contains("C42 (hand-over-tsc)"))
        try await home.stemma("check", "Mini:kvm-again", "--target", "kvm")
    }
}

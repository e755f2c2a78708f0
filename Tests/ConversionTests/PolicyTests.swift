import CPUModel
import Conversion
import Foundation
import Testing

@Suite struct PolicyTests {
    private func policy(_ yaml: String) throws -> ConversionPolicy { try ConversionPolicy(yaml: yaml, name: "p.yaml") }

    @Test(arguments: BuiltInPolicies.names)
    func theFilesAreTheBuiltInPolicies(_ name: String) throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("policies/\(name).yaml")
        #expect(BuiltInPolicies.text(name) == (try String(contentsOf: file, encoding: .utf8)))
        let policy = try ConversionPolicy(builtIn: name)
        if let target = policy.target {
            #expect(TargetProfile.recorded.contains { $0.name == target })
        }
    }

    @Test func allFilesAreBuiltIn() throws {
        let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("policies")
        let files = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(Set(files) == Set(BuiltInPolicies.names.map { "\($0).yaml" }))
        #expect(throws: ConversionError.self) { try ConversionPolicy(builtIn: "none") }
        #expect(ConversionPolicy.standard.rule("C09").severity == .fatal)
    }

    @Test func theFileOfRepairsDiffersInThemOnly() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("policies/linux-repairs.yaml")
        let read = try ConversionPolicy(
            yaml: String(contentsOf: file, encoding: .utf8), name: file.lastPathComponent)
        #expect(read.repairs == .linux)
        #expect(read.rules == ConversionPolicy.standard.rules)
        #expect(ConversionPolicy.standard.repairs == .none)
    }

    @Test(arguments: [
        ("version: 1\nchecks:\n  C99: {severity: fatal}\n", "p.yaml:3:3", "C99"),
        ("version: 1\nchecks:\n  C05:\n    severity: deadly\n", "p.yaml:4:15", "deadly"),
        ("version: 1\nchecks:\n  C05: {severity: fatal, fix: maybe}\n", "p.yaml:3:31", "maybe"),
        ("version: 1\nchecks:\n  C09: {severity: fixable}\n", "p.yaml:3:19", "no fix"),
        ("version: 1\nchecks:\n  C11: {fix: allow}\n", "p.yaml:3:9", "no fix"),
        ("version: 1\nchecks:\n  C05: {colour: red}\n", "p.yaml:3:9", "colour"),
        ("version: 2\n", "p.yaml:1:10", "version 1"), ("checks: {}\n", "p.yaml", "version: 1"),
        ("version: 1\nrules: {}\n", "p.yaml:2:1", "rules"), ("version: 1\nchecks: [C05]\n", "p.yaml:2:9", "mapping"),
        ("", "p.yaml", "empty"), ("version: 1\nchecks: {\n", "p.yaml", "YAML"), ("- 1\n", "p.yaml:1:1", "mapping"),
        ("version: 1\nversion: 1\n", "p.yaml", "version"),
        ("version: 1\nrepairs: windows\n", "p.yaml:2:10", "linux"),
        ("version: 1\nwarnings: fixable\n", "p.yaml:2:11", "fixable"),
        ("version: 1\nfixes:\n  mend-all: forbid\n", "p.yaml:3:3", "mend-all"),
        ("version: 1\nfixes:\n  continue-tsc: no\n", "p.yaml:3:17", "allow"),
        ("version: 1\nchecks:\n  C07:\n    waive: ' '\n", "p.yaml:4:12", "reason"),
        ("version: 1\nchecks:\n  C07: {waive: [a]}\n", "p.yaml:3:16", "word"),
        ("version: 1\nchecks: &a\n  C07: *a\n", "p.yaml:2", "aliases"),
    ])
    func errorsNameTheLine(_ yaml: String, _ place: String, _ word: String) throws {
        let error = #expect(throws: ConversionError.self) { try policy(yaml) }
        #expect(error?.code == .policy)
        #expect(error?.place?.hasPrefix(place) == true, "\(String(describing: error))")
        #expect(error?.description.contains(word) == true, "\(String(describing: error))")
    }

    @Test func severitiesAreThoseOfThePolicy() throws {
        let (stream, _) = try KVMLikeStream.make(.pc)
        let context = try KVMLikeStream.context(stream)
        let converter = SnapshotConverter()
        func report(_ yaml: String) throws -> CheckReport { try converter.check(context, policy: policy(yaml)) }

        let strict = try report("version: 1\nchecks: {C02: {severity: fatal}}")
        #expect(strict.severity(of: "C02") == .fatal)
        #expect(strict.exitCode == 2)
        let lax = try report("version: 1\nchecks: {C02: {severity: note}, C06: {severity: warning}}")
        #expect(lax.severity(of: "C02") == .note)
        #expect(lax.exitCode == 0)
        let off = try report("version: 1\nchecks: {C02: {severity: off}, C06: {severity: 'off'}}")
        #expect(off.findings(of: "C02").isEmpty)
        #expect(off.exitCode == 0)
        let forbidden = try report("version: 1\nchecks: {C06: {fix: forbid}}")
        #expect(forbidden.severity(of: "C06") == .fatal)
        #expect(forbidden.findings(of: "C06").first?.remedy.contains("forbids") == true)
    }

    @Test func warningsAndWaivers() throws {
        var (stream, _) = try KVMLikeStream.make(.pc)
        stream.configuration?.machine = "microvm"
        let context = try KVMLikeStream.context(stream)
        let converter = SnapshotConverter()
        func report(_ yaml: String) throws -> CheckReport { try converter.check(context, policy: policy(yaml)) }

        #expect(try report("version: 1").severity(of: "C01") == .warning)
        #expect(try report("version: 1\nwarnings: fatal").severity(of: "C01") == .fatal)
        let single = try report(
            "version: 1\nwarnings: fatal\nchecks: {C01: {warnings: note, reason: it is a small machine}}")
        #expect(single.severity(of: "C01") == .note)
        #expect(single.findings(of: "C01").first?.reason == "it is a small machine")
        let waived = try report("version: 1\nchecks: {C02: {waive: we cut it ourselves}}")
        #expect(waived.severity(of: "C02") == .note)
        #expect(waived.findings(of: "C02").first?.reason == "we cut it ourselves")
        // What a policy does not touch has no reason.
        #expect(waived.findings(of: "C06").first?.reason == nil)
        let forbidden = try report("version: 1\nfixes: {continue-tsc: forbid}")
        #expect(forbidden.severity(of: "C06") == .fatal)
        #expect(forbidden.severity(of: "C02") == .fixable)
    }

    @Test func strictStopsAtEveryDifference() throws {
        let (stream, _) = try KVMLikeStream.make(.pc)
        let launch = LaunchRecord(machine: "pc-i440fx-7.2", cpu: "host", cpus: 1, memoryBytes: 16 << 20)
        let context = try KVMLikeStream.context(stream, launch: launch)
        let converter = SnapshotConverter()
        let usual = try converter.check(context, policy: .standard)
        #expect(usual.verdict == .fixable)
        let strict = try converter.check(context, policy: ConversionPolicy(builtIn: "strict"))
        #expect(strict.severity(of: "C41") == .fatal)
        #expect(strict.findings(of: "C41").first?.reason?.isEmpty == false)
        #expect(strict.severity(of: "C02") == .fixable)
    }
}

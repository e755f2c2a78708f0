import Conversion
import Foundation
import Testing

@Suite struct PolicyTests {
    private func policy(_ yaml: String) throws -> ConversionPolicy { try ConversionPolicy(yaml: yaml, name: "p.yaml") }

    @Test func theFileIsTheStandardPolicy() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("policies/default.yaml")
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(try ConversionPolicy(yaml: text, name: file.lastPathComponent) == .standard)
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
        ("version: 1\nchecks:\n  C01: {fix: allow}\n", "p.yaml:3:9", "no fix"),
        ("version: 1\nrepairs: windows\n", "p.yaml:2:10", "windows"),
        ("version: 1\nchecks:\n  C05: {colour: red}\n", "p.yaml:3:9", "colour"),
        ("version: 2\n", "p.yaml:1:10", "version 1"), ("checks: {}\n", "p.yaml", "version: 1"),
        ("version: 1\nrules: {}\n", "p.yaml:2:1", "rules"), ("version: 1\nchecks: [C05]\n", "p.yaml:2:9", "mapping"),
        ("", "p.yaml", "empty"), ("version: 1\nchecks: {\n", "p.yaml", "YAML"), ("- 1\n", "p.yaml:1:1", "mapping"),
        ("version: 1\nversion: 1\n", "p.yaml", "version"),
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
}

import ArgumentParser
import Lineage
import Workflow

/// `stemma check`
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Tell whether a snapshot resumes under the translator, and why not.",
        discussion: "Exit code 0: nothing to do. 1: 'stemma convert' repairs what was found. 2: something fatal.")

    @Argument(help: "VM:SNAPSHOT.")
    var snapshot: Reference?
    @Option(
        help: "What shall resume it: installed-tcg (default), qemu-tcg-7.2, qemu-tcg-10.0, s2e-libcpu, kvm, or a file.")
    var target: String?
    @OptionGroup var policy: PolicyOptions
    @Option(help: "Tell what a check is about, for example C09.")
    var explain: String?
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        if snapshot == nil, explain == nil { throw ValidationError("Name a snapshot, or a check with --explain.") }
    }

    func run() async throws {
        if let explain {
            let explanation = try Stemma.explain(check: explain)
            try options.print(explanation, explanation.text)
        }
        guard let snapshot else { return }
        let report = try await options.open().check(snapshot, policy: policy.source, target: target)
        if options.json {
            try Terminal.print(json: report)
        } else {
            Terminal.print(report.text)
        }
        if report.exitCode != 0 { throw ExitCode(report.exitCode) }
    }
}

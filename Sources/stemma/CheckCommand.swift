import ArgumentParser
import Lineage
import Workflow

/// `stemma check`
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Tell whether a snapshot resumes under the translator, and why not.",
        discussion: "Exit code 0: nothing to do. 1: 'stemma convert' repairs what was found. 2: something fatal.")

    @Argument(help: "VM:SNAPSHOT.")
    var snapshot: Reference
    @OptionGroup var policy: PolicyOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let report = try await options.open().check(snapshot, policy: policy.source)
        if options.json {
            try Terminal.print(json: report)
        } else {
            Terminal.print(report.text)
        }
        if report.exitCode != 0 { throw ExitCode(report.exitCode) }
    }
}

import ArgumentParser
import Lineage
import Workflow

/// `stemma convert`
struct ConvertCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Make a snapshot that the translator resumes from one taken under KVM.",
        discussion: "The old snapshot stays as it is, and is the parent of the new one.")

    @Argument(help: "VM:SNAPSHOT.")
    var snapshot: Reference
    @Option(name: .customLong("as"), help: "The name of the converted snapshot.", completion: .list([]))
    var name: Name
    @OptionGroup var policy: PolicyOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let report = try await options.open().convert(snapshot, as: name, policy: policy.source)
        if options.json {
            try Terminal.print(json: report)
        } else {
            Terminal.print(report.text)
        }
    }
}

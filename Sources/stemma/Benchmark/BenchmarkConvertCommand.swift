import ArgumentParser
import Lineage
import Workflow

/// `stemma benchmark convert`
struct BenchmarkConvertCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Measure check and conversion of a snapshot.",
        discussion: "Each round checks, converts into the store, and removes the converted snapshot again.")

    @Argument(help: "VM:SNAPSHOT, taken under KVM.")
    var snapshot: Reference
    @Option(help: "How many rounds.")
    var rounds = 5
    @Option(help: "What shall resume it; see 'stemma convert'.")
    var target: String?
    @OptionGroup var policy: PolicyOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let report = try await options.open().benchmarkConversion(
            snapshot, policy: policy.source, target: target, rounds: rounds)
        try options.print(report, report.text)
    }
}

import ArgumentParser
import Lineage
import Workflow

/// `stemma benchmark run`
struct BenchmarkRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Measure ingest, resume and exploration on this machine.")

    @Argument(help: "VM:SNAPSHOT, for resume and exploration.")
    var snapshot: Reference?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let report = try await options.open().benchmark(snapshot)
        if options.json { return try Terminal.print(json: report) }
        Terminal.print(report.text)
    }
}

import ArgumentParser
import EngineBenchmark
import Workflow

extension EngineRow: ExpressibleByArgument {}
extension Workload: ExpressibleByArgument {}

/// `stemma benchmark engine`
struct BenchmarkEngineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine", abstract: "Measure the engine next to QEMU's translator, Unicorn and Icicle.",
        discussion: """
            Builds a small guest, takes a snapshot of it, and runs the same programs from there in every engine. Unicorn and \
            Icicle come from Python's package index into a directory that goes away afterwards; without them, their columns are \
            left out, and the report says why. Takes half an hour for all rows. Exit code 1 when a target is missed. The user's \
            own home is not touched.
            """)

    @Option(help: "The recipe of the guest.", completion: .file())
    var recipe = "images/engine-benchmark.yaml"
    @Option(parsing: .upToNextOption, help: "The rows to measure. Default: all.")
    var rows: [EngineRow] = EngineRow.allCases
    @Option(parsing: .upToNextOption, help: "The programs to measure with. Default: all.")
    var programs: [Workload] = Workload.allCases
    @Option(
        help: "Where scratch files go. Default: the system's directory for temporary files.", completion: .directory)
    var scratch: String?
    @Option(help: "How often everything is repeated.")
    var repetitions: Int = 3
    @Option(help: "Seconds that one run of a program may take in an engine.")
    var limit: Int = 300
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard (1...100).contains(repetitions) else { throw ValidationError("--repetitions must be 1 to 100.") }
        guard (1...86400).contains(limit) else { throw ValidationError("--limit must be 1 to 86400 seconds.") }
    }

    func run() async throws {
        var request = EngineBenchmarkRequest(recipe: recipe)
        request.rows = rows
        request.workloads = programs
        request.scratch = scratch
        request.repetitions = repetitions
        request.limit = limit
        let progress = options.progress
        let table = try await EngineBenchmark(request, progress: progress).run { row in
            // At once, because the whole table takes long.
            progress.step(row.text)
        }
        try options.print(table, table.text)
        if !table.isMet { throw ExitCode(1) }
    }
}

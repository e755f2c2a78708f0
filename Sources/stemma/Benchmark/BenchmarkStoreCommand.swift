import ArgumentParser
import StoreBenchmark
import Workflow

extension BenchmarkRow: ExpressibleByArgument {}

/// `stemma benchmark store`
struct BenchmarkStoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store", abstract: "Measure the store next to restic, borg, casync and QEMU's tools.",
        discussion: """
            Takes an hour and some 20 GiB of scratch space for all rows. The disk is a raw one whose system boots to a login on \
            the serial console: 'stemma image build images/debian-12.yaml --output DIRECTORY' makes one. Exit code 1 when a \
            target is missed. The user's own home is not touched.
            """)

    @Option(help: "The raw disk to measure with.", completion: .file())
    var disk: String
    @Option(
        help: "The same disk after something was installed inside, for 'size'. Default: made in a guest, by apt-get.",
        completion: .file())
    var changed: String?
    @Option(parsing: .upToNextOption, help: "The rows to measure. Default: all.")
    var rows: [BenchmarkRow] = BenchmarkRow.allCases
    @Option(
        help: "Where scratch files go. Default: the system's directory for temporary files.", completion: .directory)
    var scratch: String?
    @Option(help: "How often what takes seconds is repeated.")
    var repetitions: Int = 3
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard (1...100).contains(repetitions) else { throw ValidationError("--repetitions must be 1 to 100.") }
    }

    func run() async throws {
        var request = StoreBenchmarkRequest(disk: disk)
        request.changed = changed
        request.rows = rows
        request.scratch = scratch
        request.repetitions = repetitions
        let progress = options.progress
        let report = try await StoreBenchmark(request, progress: progress).run { row in
            // At once, because the whole table takes long.
            progress.step(row.text)
        }
        try options.print(report, report.text)
        if !report.isMet { throw ExitCode(1) }
    }
}

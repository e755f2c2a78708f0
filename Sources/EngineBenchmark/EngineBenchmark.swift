import Benchmarking
import Hypervisor
import Workflow

/// What a user asks of `stemma benchmark engine`.
package struct EngineBenchmarkRequest: Sendable {
    /// The recipe of the guest, `images/engine-benchmark.yaml`.
    package var recipe: String
    package var rows: [EngineRow] = EngineRow.allCases
    package var workloads: [Workload] = Workload.allCases
    /// The directory that scratch files go into; the system's own when nil.
    package var scratch: String?
    /// How often everything is repeated.
    package var repetitions = 3
    /// Seconds that one run of a program may take in any of the engines.
    package var limit = 300

    package init(recipe: String) { self.recipe = recipe }
}

/// Measures the engine next to QEMU's translator, Unicorn and Icicle.
package struct EngineBenchmark: Sendable {
    private let request: EngineBenchmarkRequest
    private let progress: ProgressLog

    package init(_ request: EngineBenchmarkRequest, progress: ProgressLog) {
        self.request = request
        self.progress = progress
    }

    /// - Parameter finished: told each row as soon as it is measured.
    package func run(finished: @escaping @Sendable (RowReport) -> Void = { _ in }) async throws -> BenchmarkTable {
        guard !request.rows.isEmpty else { throw WorkflowError(.usage, "No row is chosen.") }
        guard !request.workloads.isEmpty else { throw WorkflowError(.usage, "No program is chosen.") }
        let tools = try Requirement.find(request.rows.flatMap(\.tools))
        let (request, progress) = (request, progress)
        return try await Interruption.cancelling {
            let bench = try EngineBench(request: request, tools: tools, progress: progress)
            var table = BenchmarkTable()
            table.rules = Self.rules
            table.machine = bench.describeMachine(request.rows.flatMap(\.tools))
            for row in request.rows {
                progress.step("measuring: \(row.title)")
                let line = try await row.measure(bench)
                finished(line)
                table.rows.append(line)
            }
            for (name, version) in bench.peerVersions { table.machine.programs[name] = version }
            return table
        }
    }

    private static let rules = [
        "Every figure is the median of its samples; those of peers are taken in turn with ours, in this run.",
        "In the guest: one snapshot at the shell's prompt, resumed anew for each sample; seconds of the host from the first key of "
            + "the command to its end mark on the console, translation included.",
        "Bare: the same file without an operating system, from its first to its last instruction, translation included.",
        "Instructions are those that Stemma's engine retires from the first key to the end mark, the kernel's included; the bare "
            + "ones those of the bare run. Peers are compared by seconds for the same work.",
        "What every run prints or writes is checked.",
    ]
}

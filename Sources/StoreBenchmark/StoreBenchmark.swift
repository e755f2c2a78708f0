import Benchmarking
import Foundation
import Hypervisor
import Workflow

/// What a user asks of `stemma benchmark store`.
package struct StoreBenchmarkRequest: Sendable {
    /// A raw disk with a system that boots to a login on its serial console.
    package var disk: String
    /// The same disk after something was installed inside; nil to make it in a guest that reaches Debian's mirror.
    package var changed: String?
    package var rows: [BenchmarkRow] = BenchmarkRow.allCases
    /// The directory that scratch files go into; the system's own when nil.
    package var scratch: String?
    /// How often what takes seconds is repeated.
    package var repetitions = 3

    package init(disk: String) { self.disk = disk }
}

/// Measures the store next to the tools that people use today.
package struct StoreBenchmark: Sendable {
    private let request: StoreBenchmarkRequest
    private let progress: ProgressLog

    package init(_ request: StoreBenchmarkRequest, progress: ProgressLog) {
        self.request = request
        self.progress = progress
    }

    /// - Parameter finished: told each row as soon as it is measured.
    package func run(finished: @escaping @Sendable (RowReport) -> Void = { _ in }) async throws -> BenchmarkTable {
        guard !request.rows.isEmpty else { throw WorkflowError(.usage, "No row is chosen.") }
        let tools = try Requirement.find(request.rows.flatMap(\.tools))
        let (request, progress) = (request, progress)
        return try await Interruption.cancelling {
            let bench = try Workbench(request: request, tools: tools, progress: progress)
            var report = BenchmarkTable()
            report.rules = Self.rules(bench)
            report.machine = bench.describeMachine(request.rows.flatMap(\.tools))
            for row in request.rows {
                progress.step("measuring: \(row.title)")
                let line = try await row.measure(bench)
                finished(line)
                report.rows.append(line)
            }
            return report
        }
    }

    private static func rules(_ bench: Workbench) -> [String] {
        [
            "Every figure is the median of its samples; those of peers are taken in turn with ours, in this run.",
            "Whole commands, from the start of the process to its end, each the one that a user would type.",
            "All files are in one directory, on one file system (\(bench.fileSystem)).",
            "What is read was read once before, so that it is in the page cache, for every program alike.",
            "What was written is synchronised to the disk (syncfs) within the time, for every program alike.",
        ]
    }
}

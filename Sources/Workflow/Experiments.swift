import ContentStore
import Exploration
import Foundation
import Lineage

/// An experiment: what an exploration of a snapshot found. Schema `stemma.experiment/1`.
package struct ExperimentReport: Sendable, Codable {
    package var schema = "stemma.experiment/1"
    package var name: String
    /// The snapshot, as the user named it.
    package var snapshot: String
    /// Whether every path ended by itself.
    package var isComplete: Bool
    /// Why the exploration stopped early.
    package var stopped: String?
    package var statistics: ExplorationStatistics
    package var paths: [TestCase]

    /// One line, for lists and the lineage.
    package var outcome: String {
        let ended = statistics.completedPaths
        var text = "\(ended) paths"
        if statistics.failedPaths > 0 { text += ", \(statistics.failedPaths) cut off by a gap of the engine" }
        if statistics.unfinishedPaths > 0 { text += ", \(statistics.unfinishedPaths) unfinished" }
        return text
    }

    /// For people: how each path ended, with the input that leads there.
    package var text: String {
        var lines = ["\(name)  (explored \(snapshot))"]
        lines.append(
            "  \(outcome) in \(String(format: "%.1f", statistics.seconds)) s, \(statistics.forks) forks, "
                + "\(statistics.queries) queries (\(statistics.queriesBySolver) by \(statistics.solver)), "
                + "\(statistics.concreteInstructions) concrete and \(statistics.symbolicInstructions) symbolic instructions"
        )
        if let stopped { lines.append("  stopped: \(stopped)") }
        for path in paths.sorted(by: { $0.path < $1.path }) {
            let inputs = path.inputs.map { "\($0.name)=\($0.text)" }.joined(separator: " ")
            let end = path.end.message.map { "\(path.end.status ?? 0) \($0)" } ?? path.end.description
            lines.append("  path \(path.path): \(end)  \(inputs)")
        }
        return lines.joined(separator: "\n")
    }
}

/// An experiment in `stemma experiment list`.
package struct ExperimentListing: Sendable, Codable {
    package let name: String
    /// What the snapshot is called now; when it has no name any more, what it was called.
    package let snapshot: String
    /// Whether a VM or snapshot of that name is still what was explored.
    package let isSnapshotNamed: Bool
    package let time: String
    package let outcome: String

    /// Cells of a table: name, snapshot, time, outcome.
    package var columns: [String] { [name, snapshot + (isSnapshotNamed ? "" : " (removed)"), time, outcome] }
}

extension Stemma {
    /// Puts a report into the store and into the experiment's directory.
    ///
    /// The directory holds `report.json` and one JSON file a path, `path-N.json`; the store has it all in one object.
    func keep(
        _ exploration: ExplorationReport, of snapshot: NamedCommit, request: ExploreRequest, name: Name
    ) throws -> ExperimentReport {
        let report = ExperimentReport(
            name: name.text, snapshot: request.snapshot.description, isComplete: exploration.stopped == nil,
            stopped: exploration.stopped?.rawValue, statistics: exploration.statistics, paths: exploration.testCases)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let json = try encoder.encode(report)

        let ingest = try store.beginIngest(label: "experiment \(name)")
        var commit = Commit(
            kind: EdgeKind.experiment.rawValue, parents: [snapshot.digest], message: "Explored \(request.snapshot)")
        commit.report = try ingest.putBlob([UInt8](json))
        commit.attributes[Attribute.outcome] = report.outcome
        commit.attributes[Attribute.source] = request.snapshot.description
        try catalogue.addExperiment(
            name, commit: commit, ingest: ingest, operation: "run \(request.snapshot) sym --expname \(name)")

        let directory = home.experiment(name.text)
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try json.write(to: URL(fileURLWithPath: directory + "/report.json"))
            for path in report.paths {
                try path.json().write(to: URL(fileURLWithPath: "\(directory)/path-\(path.path).json"))
            }
        } catch {
            throw WorkflowError(
                .io,
                "The test cases could not be written into \(directory): \(error.localizedDescription). They are in the "
                    + "store: 'stemma experiment show \(name) --json' prints them.")
        }
        return report
    }

    /// Every experiment, by name.
    package func listExperiments() throws -> [ExperimentListing] {
        let references = try catalogue.references()
        return try catalogue.experiments().map {
            let snapshot = catalogue.snapshot(of: $0, among: references)
            return ExperimentListing(
                name: $0.name.text,
                snapshot: snapshot?.description ?? $0.commit.attributes[Attribute.source] ?? "",
                isSnapshotNamed: snapshot != nil, time: Text.time($0.commit.time),
                outcome: $0.commit.attributes[Attribute.outcome] ?? "")
        }
    }

    /// What an experiment found, from the store.
    package func showExperiment(_ name: Name) throws -> ExperimentReport {
        let experiment = try catalogue.experiment(name)
        guard let digest = experiment.commit.report else {
            throw WorkflowError(.malformed, "The experiment '\(name)' has no report; its commit is incomplete.")
        }
        do {
            var report = try JSONDecoder().decode(ExperimentReport.self, from: Data(store.blob(digest)))
            report.name = name.text
            if let now = catalogue.snapshot(of: experiment, among: try catalogue.references()) {
                report.snapshot = now.description
            }
            return report
        } catch let error as DecodingError {
            throw WorkflowError(.malformed, "The report of '\(name)' cannot be read by this version: \(error)")
        }
    }
}

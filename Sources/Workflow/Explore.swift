import ContentStore
import Exploration
import Expressions
import Foundation
import Lineage
import Machine
import PCDevices

/// Which state an exploration goes on with.
package enum SearchStrategy: String, Sendable, CaseIterable {
    /// The newest state first: few states wait.
    case dfs
    /// The oldest state first: all paths grow evenly.
    case bfs

    var strategy: Exploration.SearchStrategy { self == .dfs ? .depthFirst : .breadthFirst }
}

/// What a user asks of `stemma run VM:SNAP sym`.
package struct ExploreRequest: Sendable {
    package var snapshot: Reference
    /// Nil for a name made of the present time.
    package var name: Name?
    package var search = SearchStrategy.dfs
    package var timeout: Duration = .seconds(300)
    package var maxPaths: Int?
    package var maxInstructions: UInt64?
    package var maxStates: Int?

    package init(_ snapshot: Reference) { self.snapshot = snapshot }
}

extension Stemma {
    /// Explores from a snapshot in Stemma's own engine, and keeps report and test cases as an experiment.
    ///
    /// Ctrl-C ends the exploration, not the experiment: what was found until then is kept.
    package func explore(_ request: ExploreRequest) async throws -> ExperimentReport {
        let snapshot = try catalogue.snapshot(request.snapshot)
        let name = try request.name ?? Name("auto_" + Timestamp.now().iso8601.replacingOccurrences(of: ":", with: "."))
        try catalogue.requireFree(experiment: name)
        var limits = ExplorationLimits()
        limits.maximumTime = request.timeout
        if let paths = request.maxPaths { limits.maximumPaths = paths }
        if let instructions = request.maxInstructions { limits.maximumInstructions = instructions }
        if let states = request.maxStates { limits.maximumStates = states }

        let state = try machineState(of: snapshot)
        let cancellation = Cancellation()
        progress.step("exploring \(request.snapshot)")
        let (progress, search, exploreLimits) = (progress, request.search, limits)
        let report = try await untilInterrupted(
            onThread: "exploration", interruption: "interrupted; keeping what was found",
            stop: { cancellation.cancel() }
        ) {
            // A machine belongs to one thread, which this is.
            let machine = try state.machine()
            let explorer = try Explorer(
                machine: machine, searcher: search.strategy.makeSearcher(), limits: exploreLimits,
                cancellation: cancellation)
            let narrator = ExplorationNarrator(progress)
            return try explorer.run(observer: narrator)
        }
        return try keep(report, of: snapshot, request: request, name: name)
    }
}

/// Tells how an exploration goes on.
private final class ExplorationNarrator: ExplorationObserver {
    private let progress: ProgressLog
    private var nextReport = ContinuousClock.now + .seconds(5)

    init(_ progress: ProgressLog) { self.progress = progress }

    func progress(_ statistics: ExplorationStatistics) {
        guard ContinuousClock.now >= nextReport else { return }
        nextReport = ContinuousClock.now + .seconds(5)
        let ended = statistics.completedPaths + statistics.failedPaths
        progress.step("\(ended) paths ended, \(statistics.liveStates) states wait, \(statistics.queries) queries")
    }
}

extension StoredMachineState {
    /// The machine in Stemma's engine, with its pages read from the store as they are touched.
    ///
    /// - Parameters:
    ///   - disks: contents of the block devices, in the order of their slots.
    ///   - isConfined: the machine and its forks stay on one thread; see `BaseMemory`.
    func machine(
        _ options: MachineOptions = MachineOptions(), disks: [any BlockStorage] = [], isConfined: Bool = false
    ) throws -> Machine {
        let (ram, store) = (ram, store)
        let source = try SnapshotPageSource(stream) { block, page, buffer in
            guard let root = ram[block] else {
                throw WorkflowError(.malformed, "The snapshot lacks the RAM block '\(block)'.")
            }
            // The buffer is zeroed, so that a zero page needs no work.
            _ = try store.page(root, index: page, into: buffer)
        }
        return try Machine(
            stream, base: BaseMemory(source: source, isConfined: isConfined), disks: disks, options: options)
    }
}

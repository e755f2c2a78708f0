import ArgumentParser
import Lineage
import Workflow

/// How a `sym` run explores.
struct ExplorationOptions: ParsableArguments {
    @Option(name: .customLong("expname"), help: "The name of the experiment. Default: the present time.")
    var name: Name?
    @Option(help: "Which state goes on: dfs (the newest first) or bfs (the oldest first). Default: dfs.")
    var search: SearchStrategy?
    @Option(help: "End after so many paths.")
    var maxPaths: Int?
    @Option(help: "End a path after so many instructions.")
    var maxInstructions: UInt64?
    @Option(help: "Hold at most so many states.")
    var maxStates: Int?

    /// True when the user gave one of them.
    var isUsed: Bool {
        name != nil || search != nil || maxPaths != nil || maxInstructions != nil || maxStates != nil
    }

    func request(_ snapshot: Reference, timeout: Int?) -> ExploreRequest {
        var request = ExploreRequest(snapshot)
        request.name = name
        if let search { request.search = search }
        if let timeout { request.timeout = .seconds(timeout) }
        request.maxPaths = maxPaths
        request.maxInstructions = maxInstructions
        request.maxStates = maxStates
        return request
    }
}

extension SearchStrategy: ExpressibleByArgument {}

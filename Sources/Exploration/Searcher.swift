/// Chooses which state goes on.
///
/// The explorer takes a state out, executes it for a while, and puts it (unless it ended) and the states that it forked back.
package protocol Searcher {
    /// For reports, e.g. "depth-first".
    var name: String { get }
    /// How many states wait.
    var count: Int { get }
    /// Takes states in: first those that a turn forked, oldest first, then the state whose turn it was.
    mutating func insert(_ state: ExecutionState)
    /// Takes the next state out.
    mutating func next() -> ExecutionState?
    /// Whether the state whose turn it is should give way now that it forked.
    var switchesOnFork: Bool { get }
}

/// Goes on with the newest state: few states wait, and the solver's stack follows the path.
package struct DepthFirstSearcher: Searcher {
    package let name = "depth-first"
    package let switchesOnFork = false
    private var states: [ExecutionState] = []

    package init() {}

    package var count: Int { states.count }

    package mutating func insert(_ state: ExecutionState) { states.append(state) }

    package mutating func next() -> ExecutionState? { states.popLast() }
}

/// Goes on with the oldest state: all paths grow at the same pace.
package struct BreadthFirstSearcher: Searcher {
    package let name = "breadth-first"
    package let switchesOnFork = true
    /// Places before `first` are empty.
    private var states: [ExecutionState?] = []
    private var first = 0

    package init() {}

    package var count: Int { states.count - first }

    package mutating func insert(_ state: ExecutionState) { states.append(state) }

    package mutating func next() -> ExecutionState? {
        guard first < states.count else { return nil }
        let state = states[first]
        states[first] = nil
        first += 1
        if first >= 1024 && first * 2 > states.count {
            states.removeFirst(first)
            first = 0
        }
        return state
    }
}

/// The searchers by name, as a user chooses them.
package enum SearchStrategy: String, Sendable, CaseIterable {
    case depthFirst = "depth-first"
    case breadthFirst = "breadth-first"

    /// A new searcher.
    package func makeSearcher() -> any Searcher {
        switch self {
        case .depthFirst: DepthFirstSearcher()
        case .breadthFirst: BreadthFirstSearcher()
        }
    }
}

/// Is told what happens in an exploration; every method may be left out.
package protocol ExplorationObserver: AnyObject {
    /// `child` split off from `parent`.
    func stateForked(parent: ExecutionState, child: ExecutionState)
    /// The guest printed a line.
    func statePrinted(_ state: ExecutionState, text: String)
    /// A path ended; its test case is complete.
    func pathEnded(_ testCase: TestCase)
    /// Called a few times a second.
    func progress(_ statistics: ExplorationStatistics)
}

extension ExplorationObserver {
    package func stateForked(parent: ExecutionState, child: ExecutionState) {}
    package func statePrinted(_ state: ExecutionState, text: String) {}
    package func pathEnded(_ testCase: TestCase) {}
    package func progress(_ statistics: ExplorationStatistics) {}
}

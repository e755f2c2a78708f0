import Synchronization

/// Counts what the states over one base snapshot hold apart from it.
///
/// What several states share counts once; when the last state is gone everything is 0.
package final class StateCensus: Sendable {
    private let states = Atomic<Int>(0)
    private let pages = Atomic<Int>(0)
    private let parkedPages = Atomic<Int>(0)
    private let nodes = Atomic<Int>(0)

    /// Memories of states that are alive.
    package var stateCount: Int { states.load(ordering: .relaxed) }
    /// Written pages that are alive, each with its 4 KiB.
    package var pageCount: Int { pages.load(ordering: .relaxed) }
    /// Written pages that are kept as their difference from the base.
    package var parkedPageCount: Int { parkedPages.load(ordering: .relaxed) }
    /// Nodes of the page trees that are alive.
    package var nodeCount: Int { nodes.load(ordering: .relaxed) }

    func countState(_ difference: Int) { states.wrappingAdd(difference, ordering: .relaxed) }
    func countPage(_ difference: Int) { pages.wrappingAdd(difference, ordering: .relaxed) }
    func countParkedPage(_ difference: Int) { parkedPages.wrappingAdd(difference, ordering: .relaxed) }
    func countNode(_ difference: Int) { nodes.wrappingAdd(difference, ordering: .relaxed) }
}

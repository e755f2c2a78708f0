import Synchronization

/// Memory for the translation caches of the processors on one thread: as many as ran last, whatever the number of states.
///
/// A processor that runs takes one. When all are out, the one that has not run for longest loses its own, and finds its translations
/// again when its turn comes. So states that wait cost nothing here. Taking and giving up is done by the thread that runs the machines;
/// machines may end on any thread.
final class TranslationPool: Sendable {
    /// `@unchecked Sendable`: the references are used under the lock only.
    private struct State: @unchecked Sendable {
        /// Who holds memory; they take themselves out before they end.
        var holders: [Unmanaged<TLB>] = []
        var limit: Int
    }

    private let state: Mutex<State>

    init(limit: Int) { state = Mutex(State(limit: limit)) }

    /// Sets of caches that are out.
    var count: Int { state.withLock { $0.holders.count } }

    /// At least so many processors take turns: none shall take another one's memory away each time.
    func reserve(_ count: Int) { state.withLock { $0.limit = max($0.limit, count) } }

    /// Memory for `taker`, which holds none; all entries are empty.
    func take(for taker: TLB) -> UnsafeMutableRawPointer {
        let taken: UInt? = state.withLock { state in
            defer { state.holders.append(Unmanaged.passUnretained(taker)) }
            guard state.holders.count >= state.limit, let oldest = Self.oldest(state.holders) else { return nil }
            let holder = state.holders.remove(at: oldest)
            // Alive: who ends has taken itself out before, under this lock.
            return holder._withUnsafeGuaranteedRef { $0.giveUp() }.map { UInt(bitPattern: $0) }
        }
        if let taken, let memory = UnsafeMutableRawPointer(bitPattern: taken) { return memory }
        return TLB.makeMemory()
    }

    private static func oldest(_ holders: [Unmanaged<TLB>]) -> Int? {
        holders.indices.min { left, right in
            holders[left]._withUnsafeGuaranteedRef { $0.lastUse }
                < holders[right]._withUnsafeGuaranteedRef { $0.lastUse }
        }
    }

    /// Frees what a holder has.
    func giveBack(_ holder: TLB) {
        let memory: UInt? = state.withLock { state in
            state.holders.removeAll { $0.toOpaque() == Unmanaged.passUnretained(holder).toOpaque() }
            return holder.giveUp().map { UInt(bitPattern: $0) }
        }
        if let memory { UnsafeMutableRawPointer(bitPattern: memory)?.deallocate() }
    }
}

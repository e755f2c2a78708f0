/// The open connections of a server.
final class ClientList: Sendable {
    private struct State {
        var connections: [ObjectIdentifier: NBDConnection] = [:]
        var isStopped = false
    }

    private let limit: Int
    private let state = Monitor(State())

    init(limit: Int) { self.limit = limit }

    var all: [NBDConnection] { state.withLock { Array($0.connections.values) } }

    var count: Int { state.withLock { $0.connections.count } }

    /// Keeps a connection until it is removed.
    ///
    /// - Returns: false when there are too many, or the server has stopped.
    func add(_ connection: NBDConnection) -> Bool {
        state.withLock { state in
            guard !state.isStopped, state.connections.count < limit else { return false }
            state.connections[ObjectIdentifier(connection)] = connection
            return true
        }
    }

    func remove(_ connection: NBDConnection) {
        state.withLock { $0.connections[ObjectIdentifier(connection)] = nil }
        state.broadcast()
    }

    /// Takes no more connections, ends those there are, and returns when they have ended.
    func stop() {
        let open = state.withLock { state in
            state.isStopped = true
            return Array(state.connections.values)
        }
        for connection in open { connection.interrupt() }
        state.wait { $0.connections.isEmpty ? () : nil }
    }
}

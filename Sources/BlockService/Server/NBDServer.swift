import Glibc

/// An NBD server on a unix socket.
package final class NBDServer: Sendable {
    /// What clients may use up.
    package struct Limits: Sendable {
        /// Clients at one time; more are closed at once.
        package var connections = 64
        /// Requests of one client that are in flight.
        package var requestsPerConnection = 64
        /// Bytes of reads and writes of one client that are in flight; one request more may begin below it.
        package var bytesPerConnection = 32 << 20
        /// Threads that work with the sources, for all clients.
        package var threads = 4

        package init() {}
    }

    package let socketPath: String
    private let table: NBDExportTable
    private let listener: Listener
    private let clients: ClientList
    private let workers: WorkerPool
    private let watchdog: Watchdog

    private init(
        socketPath: String, table: NBDExportTable, listener: Listener, clients: ClientList, workers: WorkerPool,
        watchdog: Watchdog
    ) {
        self.socketPath = socketPath
        self.table = table
        self.listener = listener
        self.clients = clients
        self.workers = workers
        self.watchdog = watchdog
    }

    /// Creates the socket (mode 0600) and serves from now on.
    ///
    /// - Parameters:
    ///   - exports: The disks, each with its own name.
    ///   - socketPath: Where nothing exists yet, at most 107 bytes, in a directory that only the caller may write to.
    ///   - onFailure: Told of requests that a source failed; the client gets EIO or ENOSPC. Called on any thread.
    /// - Throws: ``BlockServiceError``.
    package static func start(
        exports: [NBDExport], socketPath: String, limits: Limits = Limits(),
        onFailure: @escaping @Sendable (NBDFailure) -> Void = { _ in }
    ) async throws(BlockServiceError) -> NBDServer {
        let table = try NBDExportTable(exports)
        let clients = ClientList(limit: limits.connections)
        let workers = WorkerPool(threads: limits.threads)
        let memory = MemoryPool(limit: limits.bytesPerConnection)
        let watchdog = Watchdog()
        let listener = Listener(try UnixSocket.listen(path: socketPath))
        let isWatched = watchdog.start { tick in
            for connection in clients.all {
                connection.replaceSlowReceiver(at: tick) { clients.remove(connection) }
            }
        }
        let isStarted =
            isWatched
            && listener.start { descriptor in
                let connection = NBDConnection(
                    descriptor, table: table, memory: memory, workers: workers, watchdog: watchdog, limits: limits,
                    onFailure: onFailure)
                guard clients.add(connection) else {
                    close(descriptor)
                    return
                }
                let isServed = SystemThread.start {
                    connection.run { clients.remove(connection) }
                }
                if !isServed {
                    clients.remove(connection)
                    close(descriptor)
                }
            }
        guard isStarted else {
            watchdog.stop()
            unlink(socketPath)
            throw BlockServiceError(
                .cannotListen, "cannot serve \(socketPath): the system has no thread for it; end other programs")
        }
        return NBDServer(
            socketPath: socketPath, table: table, listener: listener, clients: clients, workers: workers,
            watchdog: watchdog)
    }

    /// The address of an export, as qemu-img, libnbd and QEMU's backing files take it.
    ///
    /// - Throws: `.noSuchExport`.
    package func uri(forExport name: String) throws(BlockServiceError) -> String {
        guard let export = table.find(name) else {
            throw BlockServiceError(.noSuchExport, "the server has no export \"\(name)\"; see its list of exports")
        }
        return "nbd+unix:///\(Self.escape(export.name))?socket=\(Self.escape(socketPath, keeping: "/"))"
    }

    /// Clients connected now.
    package var connectionCount: Int { clients.count }

    /// Closes the socket and all connections, waits for requests that have begun, and removes the socket's file.
    package func stop() async {
        await withCheckedContinuation { continuation in
            let stop: @Sendable () -> Void = { [socketPath, listener, clients, workers, watchdog] in
                if listener.stop() { unlink(socketPath) }
                clients.stop()
                workers.stop()
                watchdog.stop()
                continuation.resume()
            }
            // It waits for other threads, so it has one of its own.
            if !SystemThread.start(stop) { stop() }
        }
    }

    /// Percent-encodes what RFC 3986 does not call unreserved.
    private static func escape(_ text: String, keeping kept: String = "") -> String {
        let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~\(kept)".utf8)
        let digits = Array("0123456789ABCDEF")
        return text.utf8.reduce(into: "") { result, byte in
            if plain.contains(byte) {
                result.append(Character(Unicode.Scalar(byte)))
            } else {
                result += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }
    }
}

/// A request that the source of an export failed.
package struct NBDFailure: Sendable {
    package var export: String
    package var offset: UInt64
    package var length: UInt32
    package var error: any Error
}

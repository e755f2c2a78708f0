import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// A read-only NBD server on a unix socket.
package final class NBDServer: Sendable {
    /// What clients may use up.
    package struct Limits: Sendable {
        /// Clients at one time; more are closed at once.
        package var connections = 64
        /// Requests of one client that are in flight.
        package var requestsPerConnection = 64
        /// Bytes of reads of one client that are in flight; one request more may begin below it.
        package var bytesPerConnection = 32 << 20
        /// Threads that read from the sources.
        package var threads = 4

        package init() {}
    }

    package let socketPath: String
    private let table: NBDExportTable
    private let listener: any Channel
    private let clients: ClientList
    private let pool: NIOThreadPool

    private init(
        socketPath: String, table: NBDExportTable, listener: any Channel, clients: ClientList, pool: NIOThreadPool
    ) {
        self.socketPath = socketPath
        self.table = table
        self.listener = listener
        self.clients = clients
        self.pool = pool
    }

    /// Creates the socket (mode 0600) and serves from now on.
    ///
    /// - Parameters:
    ///   - exports: The disks, each with its own name.
    ///   - socketPath: Where nothing exists yet, at most 107 bytes, in a directory of the caller.
    ///   - onFailure: Told of reads that a source failed; the client gets EIO. Called on any thread.
    /// - Throws: ``BlockServiceError``.
    package static func start(
        exports: [NBDExport], socketPath: String, limits: Limits = Limits(),
        eventLoopGroup: any EventLoopGroup = .singletonMultiThreadedEventLoopGroup,
        onFailure: @escaping @Sendable (NBDFailure) -> Void = { _ in }
    ) async throws(BlockServiceError) -> NBDServer {
        let table = try NBDExportTable(exports)
        let clients = ClientList(limit: limits.connections)
        let pool = NIOThreadPool(numberOfThreads: max(1, limits.threads))
        let descriptor = try UnixSocket.bind(path: socketPath)
        pool.start()
        let bootstrap = ServerBootstrap(group: eventLoopGroup)
            .serverChannelOption(.backlog, value: 128)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in
                guard clients.add(channel) else { return channel.close() }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        NBDConnection(table: table, limits: limits, pool: pool, onFailure: onFailure))
                }
            }
        do {
            // From here on the descriptor is the channel's, also when this fails.
            let listener = try await bootstrap.withBoundSocket(descriptor).get()
            return NBDServer(socketPath: socketPath, table: table, listener: listener, clients: clients, pool: pool)
        } catch {
            unlink(socketPath)
            try? await pool.shutdownGracefully()
            throw BlockServiceError(.cannotListen, "cannot listen on \(socketPath)", cause: "\(error)")
        }
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

    /// Closes the socket and all connections, waits for reads that have begun, and removes the socket's file.
    package func stop() async {
        // Errors here say that a channel is closed already, which is what is wanted.
        try? await listener.close()
        unlink(socketPath)
        for client in clients.stop() { try? await client.close() }
        try? await pool.shutdownGracefully()
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

/// A read that the source of an export failed.
package struct NBDFailure: Sendable {
    package var export: String
    package var offset: UInt64
    package var length: UInt32
    package var error: any Error
}

/// The open connections of a server.
final class ClientList: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var isStopped = false
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    var count: Int { state.withLock { $0.channels.count } }

    /// Keeps a channel until it closes.
    ///
    /// - Returns: false when there are too many, or the server has stopped.
    func add(_ channel: any Channel) -> Bool {
        let id = ObjectIdentifier(channel)
        let isAdded = state.withLock { state in
            guard !state.isStopped, state.channels.count < limit else { return false }
            state.channels[id] = channel
            return true
        }
        if isAdded { channel.closeFuture.whenComplete { _ in self.state.withLock { $0.channels[id] = nil } } }
        return isAdded
    }

    /// Takes no more channels.
    ///
    /// - Returns: The open ones.
    func stop() -> [any Channel] {
        state.withLock {
            $0.isStopped = true
            return Array($0.channels.values)
        }
    }
}

import Glibc
import NIOCore
import NIOPosix

/// Takes requests of other processes of the user on a unix socket: one line of text a connection, answered by one line.
package final class RequestServer: Sendable {
    /// The longest request or answer in bytes.
    package static let lineLimit = 1 << 20

    private let channel: any Channel

    private init(channel: any Channel) { self.channel = channel }

    /// Listens on a new socket that only the user may open (mode 0600).
    ///
    /// - Parameter answer: called for each request, several at a time; the line it returns has no line feed.
    /// - Throws: ``HypervisorError`` with `.io`.
    package static func start(
        socket path: String, _ answer: @escaping @Sendable (String) async -> String
    ) async throws -> RequestServer {
        do {
            let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            LineHandler { line, channel in
                                Task {
                                    let text = await answer(line)
                                    // The other process may be gone: then nobody wants the answer.
                                    try? await channel.writeAndFlush(ByteBuffer(string: text + "\n")).get()
                                    try? await channel.close().get()
                                }
                            })
                    }
                }
                .bind(unixDomainSocketPath: path).get()
            chmod(path, 0o600)
            return RequestServer(channel: channel)
        } catch let error as IOError {
            throw HypervisorError.system("listen on \(path)", errno: error.errnoCode)
        } catch {
            throw HypervisorError(.io(errno: EIO), "Cannot listen on \(path).", cause: "\(error)")
        }
    }

    /// Takes no more requests; answers under way are still sent.
    package func stop() async { try? await channel.close().get() }

    /// Sends a request to a server and waits for the answer, however long that takes.
    ///
    /// - Returns: the answer, or `nil` when the server ended without one.
    /// - Throws: ``HypervisorError`` with `.io` when nobody listens; `CancellationError`.
    package static func ask(_ request: String, socket path: String) async throws -> String? {
        let (answers, answer) = AsyncStream.makeStream(of: String.self)
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(LineHandler { line, _ in answer.yield(line) })
                    }
                }
                .connect(unixDomainSocketPath: path).get()
        } catch let error as IOError {
            throw HypervisorError.system("connect to \(path)", errno: error.errnoCode)
        }
        channel.closeFuture.whenComplete { _ in answer.finish() }
        channel.writeAndFlush(ByteBuffer(string: request + "\n"), promise: nil)
        var result: String?
        for await line in answers { result = result ?? line }
        try? await channel.close().get()
        try Task.checkCancellation()
        return result
    }
}

/// Collects the first line of a connection; one that is too long ends the connection.
private final class LineHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let receive: @Sendable (String, any Channel) -> Void
    private var bytes: [UInt8] = []
    private var isDone = false

    init(_ receive: @escaping @Sendable (String, any Channel) -> Void) { self.receive = receive }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDone else { return }
        bytes += unwrapInboundIn(data).readableBytesView
        guard let end = bytes.firstIndex(of: 0x0a) else {
            if bytes.count > RequestServer.lineLimit { context.close(promise: nil) }
            return
        }
        isDone = true
        receive(String(decoding: bytes[..<end], as: UTF8.self), context.channel)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

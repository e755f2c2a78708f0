import CPUModel
import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// A connection to a QEMU monitor that speaks QMP: commands with typed results, and events.
///
/// Commands may be sent concurrently; every one carries an id and gets its own answer. When the connection ends, all
/// pending commands fail with `.disconnected` and every event stream finishes.
package final class QMPClient: Sendable {
    /// The longest accepted message. The longest known answer (`query-qmp-schema`) has about 300 KiB.
    package static let messageLimit = 16 << 20

    private let session: QMPSession
    private let channel: any Channel

    private init(session: QMPSession, channel: any Channel) {
        self.session = session
        self.channel = channel
    }

    /// The version that the greeting named.
    package var version: QEMURelease { session.version ?? QEMURelease(QEMUVersion(0, 0)) }

    /// Connects, waits for the greeting and leaves the negotiation mode.
    ///
    /// - Parameters:
    ///   - path: QEMU's QMP socket. A monitor serves one client; a second one waits for the greeting.
    ///   - timeout: for the whole of it.
    /// - Throws: ``HypervisorError``: `.io`, `.timeout`, `.malformedMessage`, `.disconnected`.
    package static func connect(
        toSocket path: String, timeout: Duration, messageLimit: Int = QMPClient.messageLimit
    ) async throws -> QMPClient {
        let session = QMPSession()
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.nanoseconds(timeout.nanoseconds))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            QMPChannelHandler(session: session, limit: messageLimit))
                    }
                }
                .connect(unixDomainSocketPath: path).get()
        } catch let error as IOError {
            throw HypervisorError.system("connect to QEMU's monitor \(path)", errno: error.errnoCode)
        } catch {
            throw HypervisorError(.io(errno: EIO), "Cannot connect to QEMU's monitor \(path).", cause: "\(error)")
        }
        let client = QMPClient(session: session, channel: channel)
        do {
            let greeted = try await withTimeout(timeout) { try await session.greeting() } != nil
            guard greeted else {
                throw HypervisorError(
                    .timeout,
                    "QEMU's monitor \(path) did not answer within \(timeout). Another program may be connected to it; "
                        + "wait for its end and try again.")
            }
            try await client.execute("qmp_capabilities", timeout: timeout)
        } catch {
            await client.close()
            throw error
        }
        return client
    }

    /// Sends a command without arguments and ignores its result.
    package func execute(_ command: String, timeout: Duration? = nil) async throws {
        _ = try await execute(command, arguments: [:], returning: JSONValue.self, timeout: timeout)
    }

    /// Sends a command and decodes its result.
    ///
    /// - Parameters:
    ///   - timeout: `nil` waits as long as QEMU lives: a monitor does not answer while a snapshot is written.
    /// - Throws: ``HypervisorError``: `.qmp(class:)` with QEMU's description as the cause, `.disconnected`,
    ///   `.timeout`, `.malformedMessage`; `CancellationError`.
    package func execute<Result: Decodable & Sendable>(
        _ command: String, arguments: JSONValue = [:], returning type: Result.Type, timeout: Duration? = nil
    ) async throws -> Result {
        let id = session.nextID()
        let text = try JSONValue.object([
            "execute": .string(command), "arguments": arguments, "id": .integer(id),
        ]).line
        let line: [UInt8]?
        if let timeout {
            line = try await withTimeout(timeout) { try await self.exchange(id: id, command: command, text: text) }
        } else {
            line = try await exchange(id: id, command: command, text: text)
        }
        guard let line else {
            throw HypervisorError(.timeout, "QEMU did not answer '\(command)' within \(timeout ?? .zero).")
        }
        do {
            return try JSONDecoder().decode(Reply<Result>.self, from: Data(line)).result
        } catch {
            throw HypervisorError(
                .malformedMessage, "QEMU's answer to '\(command)' does not have the expected form.", cause: "\(error)")
        }
    }

    /// The events from now on. Every call gives an own stream; it finishes when the connection ends.
    package func events() -> AsyncStream<QMPEvent> { session.events() }

    /// Closes the connection.
    package func close() async { try? await channel.close().get() }

    private func exchange(id: Int64, command: String, text: String) async throws -> [UInt8] {
        try await session.reply(to: id, command: command) { [channel] in
            channel.writeAndFlush(ByteBuffer(string: text + "\r\n"), promise: nil)
        }
    }

    private struct Reply<Result: Decodable>: Decodable {
        let result: Result
        enum CodingKeys: String, CodingKey { case result = "return" }
    }
}

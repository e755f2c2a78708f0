import Foundation
import NIOCore
import NIOPosix

/// Where the migration stream of a resumed guest comes from.
package enum IncomingSource: Sendable {
    /// A file with the bare stream, as `migrate` writes it.
    case file(String)
    /// A producer that writes the stream piece by piece, for example from a store.
    case stream(@Sendable (MigrationSink) async throws -> Void)
    /// A producer that writes the stream to a blocking descriptor, on a thread of its own.
    case blocking(@Sendable (Int32) throws -> Void)
}

/// QEMU's end of a migration stream.
package struct MigrationSink: Sendable {
    let channel: any Channel

    /// Writes bytes and waits until the socket has taken them.
    ///
    /// - Throws: when QEMU has closed the stream; pass the error on.
    package func write(_ bytes: [UInt8]) async throws { try await write(bytes[...]) }

    /// Writes bytes and waits until the socket has taken them.
    package func write(_ bytes: ArraySlice<UInt8>) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
    }
}

/// QEMU closed its end of the stream before everything was written.
struct StreamClosed: Error {}

extension IncomingSource {
    /// Writes the whole stream to the unix socket on which QEMU listens, and closes it.
    ///
    /// - Throws: ``StreamClosed`` when QEMU closed its end, whatever error the producer made of that; else the
    ///   producer's own error.
    func send(toSocket path: String) async throws {
        switch self {
        case .file(let file):
            try await Self.blocking { descriptor in
                let input = try FileDescriptor(opening: file, O_RDONLY)
                while true {
                    let count = sendfile(descriptor, input.raw, nil, 1 << 20)
                    if count == 0 { return }
                    guard count > 0 || errno == EINTR else { throw HypervisorError.system("send \(file) to QEMU") }
                }
            }.send(toSocket: path)
        case .stream(let produce):
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(unixDomainSocketPath: path).get()
            do {
                try await produce(MigrationSink(channel: channel))
                try await channel.close().get()
            } catch {
                guard channel.isActive else { throw StreamClosed() }
                try? await channel.close().get()
                throw error
            }
        case .blocking(let produce):
            let socket = try Self.connect(path)
            let descriptor = socket.raw
            do {
                try await withTaskCancellationHandler {
                    try await Self.onThread { try produce(descriptor) }
                } onCancel: {
                    // Wakes a producer that waits for QEMU: its next write fails.
                    shutdown(descriptor, Int32(SHUT_RDWR))
                }
            } catch {
                try Task.checkCancellation()
                if Self.isClosedByPeer(descriptor) { throw StreamClosed() }
                throw error
            }
            withExtendedLifetime(socket.raw) {}
        }
    }

    /// Runs a blocking piece of work on a thread of its own.
    private static func onThread(_ work: @escaping @Sendable () throws -> Void) async throws {
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
            let thread = Thread {
                // A closed stream shall be an error of write(2), not the end of this process.
                var brokenPipe = sigset_t()
                sigemptyset(&brokenPipe)
                sigaddset(&brokenPipe, SIGPIPE)
                pthread_sigmask(SIG_BLOCK, &brokenPipe, nil)
                done.resume(with: Result { try work() })
            }
            thread.name = "migration stream"
            thread.start()
        }
    }

    /// Whether the other end of a socket is gone.
    private static func isClosedByPeer(_ descriptor: Int32) -> Bool {
        var state = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&state, 1, 0) == 1 && Int32(state.revents) & (Int32(POLLHUP) | Int32(POLLERR)) != 0
    }

    /// A blocking connection to a unix socket.
    private static func connect(_ path: String) throws(HypervisorError) -> FileDescriptor {
        let raw = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw .system("open a socket") }
        let descriptor = FileDescriptor(owning: raw)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count <= RunPaths.longestSocketPath else {
            throw HypervisorError(.invalidConfiguration, "The path \(path) is too long for a socket (107 bytes).")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let status = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(raw, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else { throw .system("connect to \(path)") }
        return descriptor
    }
}

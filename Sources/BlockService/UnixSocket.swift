import Glibc

/// Creates listening unix sockets.
enum UnixSocket {
    /// Longest path in bytes: `sun_path` without its final NUL.
    static let maximumPathLength = 107

    /// Creates a socket at a path that only its owner can connect to.
    ///
    /// - Returns: A bound descriptor that does not listen yet; the caller closes it.
    /// - Throws: `.pathTooLong`, `.pathExists`, `.cannotListen`.
    static func bind(path: String) throws(BlockServiceError) -> CInt {
        let bytes = Array(path.utf8)
        guard bytes.count <= maximumPathLength, !bytes.isEmpty, !bytes.contains(0) else {
            throw BlockServiceError(
                .pathTooLong,
                "the socket path \(path) has \(bytes.count) bytes, not 1 to \(maximumPathLength); use a directory with a shorter path"
            )
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else {
            throw BlockServiceError(.cannotListen, "cannot create a unix socket", cause: lastError())
        }
        // On Linux bind gives the file the mode of the descriptor, less the umask: the socket is never open to others.
        guard fchmod(descriptor, 0o600) == 0 else {
            let cause = lastError()
            close(descriptor)
            throw BlockServiceError(.cannotListen, "cannot restrict the socket for \(path)", cause: cause)
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        // The address is read as the generic type that bind declares; its family says what it is.
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            let (code, cause) = (errno, lastError())
            close(descriptor)
            if code == EADDRINUSE {
                throw BlockServiceError(
                    .pathExists, "something exists at the socket path \(path); remove it or choose another path")
            }
            throw BlockServiceError(
                .cannotListen, "cannot create the socket \(path); check that its directory exists and is writable",
                cause: cause)
        }
        return descriptor
    }

    private static func lastError() -> String { String(cString: strerror(errno)) }
}

import Glibc

/// Creates listening unix sockets.
enum UnixSocket {
    /// Longest path in bytes: `sun_path` without its final NUL.
    static let maximumPathLength = 107

    /// Creates a listening socket at a path that only its owner can connect to.
    ///
    /// - Returns: A descriptor, which the caller closes.
    /// - Throws: `.pathTooLong`, `.pathExists`, `.unsafeDirectory`, `.cannotListen`.
    static func listen(path: String) throws(BlockServiceError) -> CInt {
        let descriptor = try bind(path: path)
        guard Glibc.listen(descriptor, 128) == 0 else {
            let cause = SystemCalls.lastError
            close(descriptor)
            unlink(path)
            throw BlockServiceError(
                .cannotListen, "cannot listen on \(path); choose a path on another file system", cause: cause)
        }
        return descriptor
    }

    /// Throws when somebody else could put another socket in the place of ours: the directory of the socket is to belong to this user or
    /// to root, and nobody else may write to it.
    private static func checkDirectory(of path: String) throws(BlockServiceError) {
        let directory: String =
            switch path.lastIndex(of: "/") {
            case nil: "."
            case path.startIndex?: "/"
            case let slash?: String(path[..<slash])
            }
        var status = stat()
        guard stat(directory, &status) == 0 else {
            throw BlockServiceError(
                .cannotListen, "cannot look at the directory of the socket \(path); check that it exists",
                cause: SystemCalls.lastError)
        }
        guard status.st_mode & (S_IWGRP | S_IWOTH) == 0, status.st_uid == geteuid() || status.st_uid == 0 else {
            throw BlockServiceError(
                .unsafeDirectory,
                "others may write to the directory \(directory) of the socket \(path); use a directory of your own (chmod 0700)"
            )
        }
    }

    private static func bind(path: String) throws(BlockServiceError) -> CInt {
        let bytes = Array(path.utf8)
        guard bytes.count <= maximumPathLength, !bytes.isEmpty, !bytes.contains(0) else {
            throw BlockServiceError(
                .pathTooLong,
                "the socket path \(path) has \(bytes.count) bytes, not 1 to \(maximumPathLength); use a directory with a shorter path"
            )
        }
        try checkDirectory(of: path)
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else {
            throw BlockServiceError(
                .cannotListen,
                "cannot create a unix socket; raise the limit of open files (ulimit -n), or end other servers",
                cause: SystemCalls.lastError)
        }
        // On Linux bind gives the file the mode of the descriptor, less the umask: the socket is never open to others.
        guard fchmod(descriptor, 0o600) == 0 else {
            let cause = SystemCalls.lastError
            close(descriptor)
            throw BlockServiceError(
                .cannotListen, "cannot restrict the socket for \(path) to its owner; check what confines this process",
                cause: cause)
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
            let (code, cause) = (errno, SystemCalls.lastError)
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
}

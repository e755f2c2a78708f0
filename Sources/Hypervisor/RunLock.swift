import Glibc

/// An flock(2) on a file: held until the owner and every process that inherited the descriptor are gone.
struct RunLock: ~Copyable, Sendable {
    let descriptor: FileDescriptor

    /// Waits for the exclusive lock on a file, which is created when missing.
    init(acquiring path: String) throws(HypervisorError) {
        let file = try FileDescriptor(opening: path, O_RDWR | O_CREAT)
        while flock(file.raw, LOCK_EX) != 0 {
            guard errno == EINTR else { throw .system("lock \(path)") }
        }
        self.descriptor = file
    }

    /// Whether some process holds the lock exclusively. A missing file is not locked.
    static func isHeld(_ path: String) throws(HypervisorError) -> Bool {
        let file: FileDescriptor
        do {
            file = try FileDescriptor(opening: path, O_RDONLY)
        } catch {
            if error.code == .io(errno: ENOENT) { return false }
            throw error
        }
        // A shared lock, so that two processes that look at the same time do not see each other.
        if flock(file.raw, LOCK_SH | LOCK_NB) == 0 { return false }
        guard errno == EWOULDBLOCK else { throw .system("test the lock \(path)") }
        return true
    }
}

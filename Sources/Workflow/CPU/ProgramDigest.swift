import ContentStore
import Foundation
import Glibc
import Synchronization

/// Digests of programs, each read once while it stays the same file.
enum ProgramDigest {
    /// What changes when a program is replaced.
    private struct Identity: Hashable {
        let path: String
        let device: UInt64
        let inode: UInt64
        let size: Int
        let seconds: Int
        let nanoseconds: Int
    }

    private static let known = Mutex<[Identity: Digest]>([:])

    /// The digest of a program; nil if it cannot be read.
    static func of(_ path: String) -> Digest? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        let identity = Identity(
            path: path, device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int(status.st_size),
            seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
        if let digest = known.withLock({ $0[identity] }) { return digest }
        guard let contents = FileManager.default.contents(atPath: path) else { return nil }
        let digest = Digest(of: contents.withUnsafeBytes { Array($0) })
        known.withLock { $0[identity] = digest }
        return digest
    }
}

import BlockService
import ContentStore
import Foundation
import Glibc
import Lineage

/// The directory of the overlays, with a directory for each disk and the file `origin`.
///
/// `origin` names the commits whose disks the overlays lie on, one a line. There is one, but while a commit is made: then the new one
/// follows, and the overlays go over to it one by one. A crash may leave some on the one and some on the other.
extension WrittenDisks {
    private static let originFile = "origin"

    /// A tree's name in its overlay.
    static func name(of root: TreeRoot) -> String { root.digest?.hex ?? "zeros" }

    /// The commits that a directory names; none when nothing was written. The last may not have been made.
    static func origins(in directory: String) -> [Digest] {
        guard let bytes = FileManager.default.contents(atPath: directory + "/" + originFile) else { return [] }
        let digests = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { Digest(hex: String($0)) }
        return digests.contains(nil) ? [] : digests.compactMap { $0 }
    }

    /// The commits that a directory names, without one that was not made.
    static func bases(in directory: String, _ vm: Name, _ store: ContentStore) throws -> [NamedCommit] {
        try origins(in: directory).enumerated().compactMap { index, digest in
            if index > 0, try !store.contains(digest) { return nil }
            return NamedCommit(name: vm, digest: digest, commit: try store.commit(digest))
        }
    }

    /// The commits up to the newest that is the head, or that an overlay lies on.
    ///
    /// - Parameter bases: the oldest first, as the directory names them. The head may be missing, when power was lost.
    static func basesInUse(_ bases: [NamedCommit], head: NamedCommit, in directory: String) throws -> [NamedCommit] {
        var all = bases
        if let last = bases.last, head.commit.parents.first == last.digest { all.append(head) }
        var newest = 0
        for (index, base) in all.enumerated().dropFirst() {
            let isUsed = try base.commit.disks.contains { id, root in
                guard all[..<index].allSatisfy({ $0.commit.disks[id] != root }) else { return false }
                return try OverlaySource.baseName(at: directory + "/" + id) == name(of: root)
            }
            if isUsed || index < bases.count && base.digest == head.digest { newest = index }
        }
        return Array(all[...newest])
    }

    /// Writes the file `origin`, durably.
    ///
    /// - Throws: `.io`.
    static func note(_ bases: [Digest], in directory: String) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            try Data(bases.map { $0.hex + "\n" }.joined().utf8).write(
                to: URL(fileURLWithPath: directory + "/" + originFile), options: .atomic)
        } catch {
            throw WorkflowError(.io, "\(directory) cannot be written: \(error.localizedDescription)")
        }
        // The bytes are durable by now, their name is not.
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { if descriptor >= 0 { Glibc.close(descriptor) } }
        guard descriptor >= 0, fsync(descriptor) == 0 else {
            throw WorkflowError(.io, "\(directory) cannot be synchronized: \(String(cString: strerror(errno)))")
        }
    }

    /// Deletes overlays that nobody has open.
    static func discard(_ directory: String) throws {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] {
            // Besides overlays there is the file `origin`, or one that a crash left of its making.
            var isDirectory: ObjCBool = false
            let path = directory + "/" + name
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
                continue
            }
            try OverlaySource.remove(at: path)
        }
        do {
            try FileManager.default.removeItem(atPath: directory)
        } catch {
            throw WorkflowError(.io, "\(directory) cannot be removed: \(error.localizedDescription)")
        }
    }
}

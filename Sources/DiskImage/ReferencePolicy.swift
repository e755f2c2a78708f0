import Glibc

/// Which files may be opened because an image names them: backing files, vmdk extents and parents.
///
/// Whoever made the image chose the names. Of an image from a stranger they may be any file of this machine.
package enum ReferencePolicy: Sendable, Hashable {
    /// None; an image that needs another file is refused.
    case none
    /// Files whose real path lies in the directory of the topmost image, or below it.
    case sameDirectory
    /// Any local file: for images whose author is trusted.
    case anywhere
}

/// A policy with the directory that it counts from.
struct ReferenceScope: Sendable {
    private let policy: ReferencePolicy
    /// Real path of the topmost image's directory, with a slash at the end.
    private let root: String

    /// - Throws: `.cannotOpen`.
    init(_ policy: ReferencePolicy, top: String) throws(DiskImageError) {
        self.policy = policy
        guard let real = Self.realPath(top), let slash = real.lastIndex(of: "/") else {
            throw DiskImageError(
                .cannotOpen, "cannot find image \(top); check the path and its permissions",
                cause: String(cString: strerror(errno)))
        }
        root = String(real[...slash])
    }

    /// The real path of a file that an image names, if it may be opened.
    ///
    /// - Parameters:
    ///   - path: As resolved from the directory of the file that names it.
    ///   - owner: That file.
    /// - Throws: `.forbiddenReference`; `.backingUnavailable` when there is no such file. An open file without a name (`/proc/self/fd`) has no
    ///   real path either, and a name that leads nowhere now may lead anywhere when it is opened.
    func resolve(_ path: String, namedBy owner: String) throws(DiskImageError) -> String {
        guard policy != .none else {
            throw DiskImageError(
                .forbiddenReference,
                "\(owner) needs the file \(path), and no further files may be opened; make one plain file with qemu-img convert, "
                    + "or allow files in its directory")
        }
        guard let real = Self.realPath(path) else {
            throw DiskImageError(
                .backingUnavailable,
                "\(owner) needs the file \(path), which cannot be found; put it in place, or correct the name in \(owner)",
                cause: String(cString: strerror(errno)))
        }
        guard policy == .anywhere || real.hasPrefix(root) else {
            throw DiskImageError(
                .forbiddenReference,
                "\(owner) names the file \(real), which is outside \(root); if you trust the author of the image, "
                    + "allow it to name files anywhere, or put the file next to it and correct the name")
        }
        return real
    }

    private static func realPath(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }
}

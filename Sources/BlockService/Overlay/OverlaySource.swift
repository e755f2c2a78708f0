import Glibc
import Synchronization

/// What is written to a disk without changing it: a copy-on-write layer in a directory, over any source.
///
/// Survives `kill -9`: what was flushed is there when the directory is opened again. See <doc:OverlayFormat> for the files.
///
/// A client may go on while what it wrote becomes a version of the store: ``freeze()`` takes a snapshot of the changes and puts a new layer
/// on top, and ``rebase(_:onto:name:)`` drops the frozen layers once they are part of a new base.
package final class OverlaySource: WritableBlockSource {
    /// The layers and what they lie on. Replaced as a whole, so that readers take it with one look.
    final class Stack: Sendable {
        let base: any BlockSource
        /// The base's name, as the lowest layer's file has it.
        let name: String
        /// The lowest first; never empty. The last takes the writes.
        let layers: [OverlayLayer]

        init(base: any BlockSource, name: String, layers: [OverlayLayer]) {
            self.base = base
            self.name = name
            self.layers = layers
        }
    }

    package let size: UInt64
    /// The directory.
    package let path: String

    private struct State {
        var stack: Stack?
        /// The directory's descriptor, which holds the lock; -1 when closed.
        var directory: CInt
    }

    private let state: Mutex<State>
    /// Held by whoever changes blocks or layers. While it is held, little is synchronized: ``freeze()`` and ``rebase(_:onto:name:)`` flush
    /// before, and then once more what came meanwhile.
    let writing = Mutex(())
    /// Held by whoever adds or drops layers, before `writing`.
    let restacking = Mutex(())

    private init(path: String, stack: Stack, directory: CInt) {
        size = stack.base.size
        self.path = path
        state = Mutex(State(stack: stack, directory: directory))
    }

    deinit { state.withLock { if $0.directory >= 0 { OverlayDirectory.unlock($0.directory) } } }

    // MARK: Opening

    /// Opens the overlay in a directory, or makes an empty one where there is none.
    ///
    /// - Parameters:
    ///   - path: A directory, which is made (mode 0700) when it is not there.
    ///   - base: The disk that it lies on.
    ///   - name: What identifies the base, at most 256 bytes: for a tree of the store its digest. It is checked when the overlay is opened
    ///     again.
    /// - Throws: `.otherBase` when the overlay lies on another disk (``baseName(at:)`` says on which), `.inUse`, `.damaged`, `.io`.
    package static func open(
        at path: String, base: any BlockSource, name: String
    ) throws(BlockServiceError) -> OverlaySource {
        guard !name.isEmpty, name.utf8.count <= OverlayHeader.longestBase, base.size <= OverlayHeader.largestDisk else {
            throw BlockServiceError(
                .invalid,
                "a base of \(base.size) bytes named \"\(name)\" cannot have an overlay; names have 1 to 256 bytes, disks 64 TiB at most"
            )
        }
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw .system("making the directory \(path)") }
        let directory = try OverlayDirectory.lock(path)
        do throws(BlockServiceError) {
            var layers = try OverlayDirectory.layers(in: path)
            if layers.isEmpty {
                layers = [try .create(1, in: path, OverlayHeader(diskSize: base.size, base: name))]
                try OverlayDirectory.synchronize(directory, path)
                try OverlayDirectory.synchronizeParent(of: path)
            }
            guard let lowest = layers.first, lowest.header.base == name,
                layers.allSatisfy({ $0.header.diskSize == base.size })
            else {
                throw BlockServiceError(
                    .otherBase,
                    "the overlay \(path) lies on \(layers.first?.header.base ?? "nothing") with \(layers.first?.header.diskSize ?? 0) bytes, "
                        + "not on \(name) with \(base.size); serve that disk, or throw the overlay away")
            }
            return OverlaySource(path: path, stack: Stack(base: base, name: name, layers: layers), directory: directory)
        } catch {
            OverlayDirectory.unlock(directory)
            throw error
        }
    }

    /// The name of the base that the overlay in a directory lies on; nil when there is no overlay.
    package static func baseName(at path: String) throws(BlockServiceError) -> String? {
        guard access(path, F_OK) == 0 else { return nil }
        return try OverlayDirectory.lowestHeader(in: path)?.base
    }

    /// Deletes the overlay in a directory, with all that was written and did not become a version; it is to be closed.
    package static func remove(at path: String) throws(BlockServiceError) {
        guard access(path, F_OK) == 0 else { return }
        let directory = try OverlayDirectory.lock(path)
        defer { OverlayDirectory.unlock(directory) }
        try OverlayDirectory.removeAll(in: path)
        guard rmdir(path) == 0 || errno == ENOENT else { throw .system("removing the directory \(path)") }
    }

    /// Flushes and closes. Reads and writes are errors from now on.
    package func close() throws(BlockServiceError) {
        try flush()
        shut()
    }

    /// Throws everything away that was written and did not become a version, and closes.
    package func discard() throws(BlockServiceError) {
        writing.withLock { _ in shut() }
        try Self.remove(at: path)
    }

    private func shut() {
        state.withLock { state in
            state.stack = nil
            if state.directory >= 0 { OverlayDirectory.unlock(state.directory) }
            state.directory = -1
        }
    }

    // MARK: Layers

    /// The layers now.
    func stack() throws(BlockServiceError) -> Stack {
        guard let stack = state.withLock({ $0.stack }) else {
            throw BlockServiceError(.closed, "the overlay \(path) is closed; open it again")
        }
        return stack
    }

    /// Puts other layers in place. The caller holds `writing`.
    func replace(with stack: Stack) {
        state.withLock { $0.stack = stack }
    }

    /// Makes the names of the layers durable.
    func synchronizeDirectory() throws(BlockServiceError) {
        try OverlayDirectory.synchronize(state.withLock { $0.directory }, path)
    }

    package func flush() throws(BlockServiceError) {
        // Frozen layers were flushed before they were frozen.
        if let layer = try stack().layers.last { try layer.flush() }
    }
}

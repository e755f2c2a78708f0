import Glibc
import Synchronization

/// A content-addressed store in a directory.
///
/// Any number of threads and processes may use one at the same time; readers take no locks. See <doc:Format> for the bytes.
package final class ContentStore: Sendable {
    /// The directory, as it was given.
    package let path: String

    /// Nothing is written to the store, not even a lock, a lease or an index. See ``StoreAccess``.
    package let isReadOnly: Bool

    let layout: StoreLayout
    let fileSystem: any FileSystem
    /// For files outside of the store.
    let outputFileSystem: any FileSystem
    let keeper: CatalogKeeper
    /// Open packs; some 256 descriptors at most.
    let openPacks = Mutex(LRUCache<Digest, PackFile>(limit: 256))
    let frames = Mutex(FrameCache(limit: 48 << 20))
    let nodes = Mutex(LRUCache<Digest, TreeNode>(limit: 16 << 20))
    /// Objects that were found to have all that they need, with the epoch in which that was.
    let complete = Mutex(LRUCache<Digest, UInt64>(limit: 16_384))
    let tables = Mutex(LRUCache<Digest, RefTable>(limit: 8 << 20))
    let scratches = Pool<ReadScratch>(limit: 16) { ReadScratch() }
    let flights = FrameFlights()

    struct FrameKey: Hashable, Sendable {
        var pack: Digest
        var offset: UInt32
    }

    /// What the file `format` of a store says: version 2 has tables of refs, which version 1 does not know.
    static let formatText = "stemma content store\nversion 1\n"
    static let tablesFormatText = "stemma content store\nversion 2\n"

    private init(layout: StoreLayout, fileSystem base: any FileSystem, isReadOnly: Bool = false) {
        path = layout.root
        self.layout = layout
        self.isReadOnly = isReadOnly
        outputFileSystem = base
        let fileSystem: any FileSystem = isReadOnly ? ReadOnlyFileSystem(base: base) : base
        self.fileSystem = fileSystem
        keeper = CatalogKeeper(layout: layout, fileSystem: fileSystem)
    }

    /// Opens a store, or makes an empty one in a directory that is not there or empty.
    ///
    /// Throws `notAStore` for a directory with other things in it, `unsupportedVersion` for a store of a newer version, and
    /// `notFound` when there is no store and none is to be made, and `permission` when a store that cannot be written is opened with
    /// `readWrite`.
    package static func open(
        at path: String, createIfMissing: Bool = false, access: StoreAccess = .automatic
    ) throws(StoreError) -> ContentStore {
        try open(at: path, createIfMissing: createIfMissing, access: access, fileSystem: SystemFileSystem())
    }

    /// Opens a store with system calls of one's own, for tests.
    package static func open(
        at path: String, createIfMissing: Bool, access: StoreAccess = .automatic, fileSystem: any FileSystem
    ) throws(StoreError) -> ContentStore {
        guard !path.isEmpty, !path.utf8.contains(0) else { throw StoreError(.invalid, "the path of a store is empty") }
        var layout = StoreLayout(root: path)
        let text: [UInt8]
        do throws(StoreError) {
            text = try FileDescriptor.contents(of: layout.format, limit: 4096, in: fileSystem)
        } catch {
            guard error.code == .notFound else { throw error }
            guard createIfMissing, access != .readOnly else {
                throw StoreError(.notFound, "there is no store here; create one, or name another directory", path: path)
            }
            try create(layout, fileSystem)
            return ContentStore(layout: layout, fileSystem: fileSystem)
        }
        try checkFormat(text, layout)
        // What is made later is for those who may use what is there.
        if let mode = try? fileSystem.mode(of: layout.packs) { layout.directoryMode = mode }
        let isWritable = access != .readOnly && fileSystem.isWritable(layout.packs)
        guard isWritable || access != .readWrite else {
            throw StoreError(.permission, "the store cannot be written; \(StoreAccess.remedy)", path: path)
        }
        return ContentStore(layout: layout, fileSystem: fileSystem, isReadOnly: !isWritable)
    }

    /// Throws unless the store may be written.
    func requireWritable(for action: String) throws(StoreError) {
        guard isReadOnly else { return }
        throw StoreError(
            .permission,
            "\(action) needs a store that can be written, and this one is open for reading only; "
                + StoreAccess.remedy, path: path)
    }

    private static func checkFormat(_ bytes: [UInt8], _ layout: StoreLayout) throws(StoreError) {
        let text = String(decoding: bytes, as: UTF8.self)
        if text == formatText || text == tablesFormatText { return }
        let lines = text.split(separator: "\n")
        guard lines.first == "stemma content store", lines.count >= 2, lines[1].hasPrefix("version ") else {
            throw StoreError(
                .notAStore, "the file `format` is not that of a content store; name another directory",
                path: layout.root)
        }
        throw StoreError(
            .unsupportedVersion,
            "the store has format \(lines[1]), and this program knows versions 1 and 2; use a newer program",
            path: layout.root
        )
    }

    /// Makes the directories, then the file `format`: a crash before it leaves something that the next call completes.
    private static func create(_ layout: StoreLayout, _ fileSystem: any FileSystem) throws(StoreError) {
        func make(_ directory: String) throws(StoreError) {
            do {
                try fileSystem.makeDirectory(directory, mode: layout.directoryMode)
            } catch {
                guard error.number == EEXIST else { throw StoreError(error, "making a directory", path: directory) }
            }
        }
        try make(layout.root)
        do throws(StoreError) {
            try FileDescriptor.synchronizeDirectory(layout.parent, in: fileSystem)
        } catch {
            // One that this user may write to and not read.
            guard error.code == .permission else { throw error }
        }
        let names = try calling("listing the directory", path: layout.root) { () throws(SystemCallError) in
            try fileSystem.entries(of: layout.root)
        }
        let own = Set(layout.directories.map { $0.dropFirst(layout.root.count + 1) })
        if let other = names.first(where: { !own.contains($0[...]) && $0 != "format" }) {
            throw StoreError(
                .notAStore, "the directory is not empty and not a store (it holds \(other)); name another one",
                path: layout.root)
        }
        for directory in layout.directories { try make(directory) }
        try FileDescriptor.synchronizeDirectory(layout.root, in: fileSystem)
        let spare = layout.temporary("format-\(StoreLayout.uniqueName())")
        var file = try TemporaryFile(named: spare, in: layout.temporary, mode: layout.fileMode, fileSystem: fileSystem)
        try Array(formatText.utf8).withBytes { bytes throws(StoreError) in try file.descriptor.write(bytes, at: 0) }
        try file.descriptor.synchronize(dataOnly: true)
        try file.publish(as: layout.format, spare: spare)
        try FileDescriptor.synchronizeDirectory(layout.root, in: fileSystem)
    }
}

/// What a store is opened for.
package enum StoreAccess: String, Sendable, Hashable, CaseIterable {
    /// For writing where that is possible, and for reading on a read-only file system or without the right to write.
    case automatic
    /// For reading, whatever is possible: not a byte of the store changes.
    case readOnly
    /// For writing, or not at all.
    case readWrite

    static let remedy =
        "check the owner and mode of its directory, how it is mounted, and the options that it was opened with"
}

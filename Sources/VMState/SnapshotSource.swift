import DiskImage

/// The migration stream inside a file: the file itself, or an internal snapshot of a qcow2 image.
package struct SnapshotSource: ByteSource {
    /// What kind of file holds a stream.
    package enum Container: Sendable, Hashable {
        /// A file written by `migrate`.
        case stream
        /// A qcow2 image with internal snapshots.
        case qcow2
        /// A file of `virsh save`, which holds the domain's XML before the stream.
        case libvirtSave
    }

    private enum Storage: Sendable {
        case file(FileByteSource)
        case qcow2(Qcow2VMState)
        case libvirtSave(LibvirtSaveFile)
    }

    private let storage: Storage
    /// The file's name, with the snapshot where there is one, for messages.
    package let name: String
    package let count: UInt64

    /// Opens the stream in a file.
    ///
    /// - Parameter snapshot: ID or name of the internal snapshot, if the file is a qcow2 image. May be nil if the image
    ///   has exactly one snapshot with a machine state.
    package init(path: String, snapshot: String? = nil) throws(VMStateError) {
        let file = try FileByteSource(path: path)
        switch try Self.container(of: file) {
        case .stream:
            guard snapshot == nil else {
                throw VMStateError(
                    .unsupported, "this is a plain migration stream, it has no snapshots to choose from", file: path)
            }
            storage = .file(file)
            name = path
            count = file.count
        case .qcow2:
            let chosen = try Self.vmState(path: path, snapshot: snapshot)
            storage = .qcow2(chosen.state)
            name = "\(path) (snapshot \(chosen.snapshot))"
            count = chosen.state.size
        case .libvirtSave:
            guard snapshot == nil else {
                throw VMStateError(
                    .unsupported, "this is a libvirt save file, it has no snapshots to choose from", file: path)
            }
            let save = try LibvirtSaveFile(file)
            storage = .libvirtSave(save)
            name = path
            count = save.count
        }
    }

    /// The VM state of a snapshot that is already open.
    package init(_ state: Qcow2VMState, name: String) {
        storage = .qcow2(state)
        self.name = name
        count = state.size
    }

    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(VMStateError) {
        switch storage {
        case .file(let file): try file.read(at: offset, into: buffer)
        case .libvirtSave(let save): try save.read(at: offset, into: buffer)
        case .qcow2(let state):
            do throws(DiskImageError) {
                try state.read(at: offset, into: buffer)
            } catch {
                throw VMStateError(.io, "cannot read the machine state", offset: offset, file: name, cause: "\(error)")
            }
        }
    }

    /// What libvirt wrote before the stream: the domain and its CPU; nil for another container.
    package var libvirt: LibvirtSaveHeader? {
        if case .libvirtSave(let save) = storage { save.header } else { nil }
    }

    /// What a file is, by its first bytes.
    package static func container(of source: some ByteSource) throws(VMStateError) -> Container {
        let bytes = try source.bytes(at: 0, length: Int(min(16, source.count)))
        if bytes.starts(with: "QEVM".utf8) { return .stream }
        if bytes.starts(with: [0x51, 0x46, 0x49, 0xfb]) { return .qcow2 }
        if bytes.starts(with: "LibvirtQemudSave".utf8) { return .libvirtSave }
        let file = (source as? FileByteSource)?.path
        if bytes.starts(with: "LibvirtQemudPart".utf8) {
            throw VMStateError(.truncated, "an unfinished libvirt save file; save the domain again", file: file)
        }
        throw VMStateError(
            .malformed, "neither a migration stream (\"QEVM\") nor a qcow2 image", offset: 0, file: file)
    }

    private static func vmState(
        path: String, snapshot: String?
    ) throws(VMStateError) -> (state: Qcow2VMState, snapshot: String) {
        let image = try translating(path) { () throws(DiskImageError) in try Qcow2Image(path: path) }
        let choice: Qcow2Snapshot
        if let snapshot {
            choice = try translating(path) { () throws(DiskImageError) in try image.snapshot(snapshot) }
        } else {
            let candidates = image.snapshots.filter { $0.vmStateSize > 0 }
            guard candidates.count == 1 else {
                let names = candidates.map { "\($0.id) \"\($0.name)\"" }.joined(separator: ", ")
                throw VMStateError(
                    .notFound,
                    candidates.isEmpty
                        ? "the image has no internal snapshot with a machine state (savevm)"
                        : "the image has several snapshots, choose one: \(names)", file: path)
            }
            choice = candidates[0]
        }
        guard choice.vmStateSize > 0 else {
            throw VMStateError(
                .notFound,
                "snapshot \"\(choice.name)\" holds a disk but no machine state; savevm stores that in one of the disks",
                file: path)
        }
        return (try translating(path) { () throws(DiskImageError) in try image.vmState(of: choice) }, choice.name)
    }

    private static func translating<Value>(
        _ path: String, _ body: () throws(DiskImageError) -> Value
    ) throws(VMStateError) -> Value {
        do throws(DiskImageError) { return try body() } catch {
            throw VMStateError(.io, "cannot open the qcow2 image", file: path, cause: "\(error)")
        }
    }
}

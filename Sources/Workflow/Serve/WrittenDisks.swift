import BlockService
import ContentStore
import Foundation
import Lineage

/// What clients wrote to the disks of a VM and is no version of it yet: an overlay for each disk, in a directory that stays.
///
/// The directory also names the commit that the overlays lie on, so that what was written is of use after a crash, and after the VM
/// has got another head.
actor WrittenDisks {
    private let stemma: Stemma
    private let vm: Name
    private let directory: String
    private var origin: NamedCommit
    private let overlays: [String: OverlaySource]
    /// Keeps the collector from what the overlays lie on.
    private var lease: Lease

    /// The writable disks by id.
    nonisolated let sources: [String: any WritableBlockSource]

    /// Opens what was written to a VM before, or begins anew on its head.
    ///
    /// - Parameter mustExist: fail when nothing was written.
    init(_ stemma: Stemma, vm: Name, mustExist: Bool = false) throws {
        self.stemma = stemma
        self.vm = vm
        directory = stemma.home.writes(vm.text)
        let head = try stemma.catalogue.vm(vm).head
        origin = head
        if let digest = Self.origin(in: directory) {
            origin = NamedCommit(name: vm, digest: digest, commit: try stemma.store.commit(digest))
        } else {
            if mustExist { throw Self.nothingWritten(vm) }
            try Self.note(head.digest, in: directory)
        }
        lease = try stemma.store.lease(label: "writes to \(vm)", pins: [origin.digest], scope: .pins)
        var overlays: [String: OverlaySource] = [:]
        for (id, root) in origin.commit.disks {
            overlays[id] = try OverlaySource.open(
                at: directory + "/" + id, base: CachedSource(StoreBlockSource(store: stemma.store, tree: root)),
                name: Self.name(of: root))
        }
        self.overlays = overlays
        sources = overlays
    }

    /// Makes what was written until now a new version of the VM, or a new VM. Clients may go on.
    func commit(message: String, as newVM: Name?) throws -> CommitReport {
        if let newVM { try stemma.catalogue.requireFree(vm: newVM) }
        let head = try stemma.catalogue.vm(vm).head
        guard newVM != nil || head.digest == origin.digest else {
            throw WorkflowError(
                .busy,
                "'\(vm)' got another version since it was served: what was written does not fit on that. Keep it as a VM of its own "
                    + "with 'stemma vm commit \(vm) --as NAME', or throw it away with 'stemma vm discard \(vm)'.")
        }
        let ingest = try stemma.store.beginIngest(label: "vm commit \(vm)")
        var disks = origin.commit.disks
        var frozen: [String: FrozenOverlay] = [:]
        var changed: UInt64 = 0
        for (id, overlay) in overlays {
            let version = try overlay.freeze()
            let changes = version.changes()
            changed += changes.reduce(0) { $0 + UInt64($1.range.count) }
            disks[id] = try ingest.apply(changes, of: version, to: disks[id])
            frozen[id] = version
        }
        guard disks != origin.commit.disks || newVM != nil else {
            return CommitReport(vm: vm.text, commit: nil, changedBytes: 0, newBytes: 0)
        }
        var commit = origin.commit.successor(.write, of: origin.digest, message: message)
        commit.disks = disks
        let digest: Digest
        if let newVM {
            digest = try stemma.catalogue.createVM(
                newVM, commit: commit, ingest: ingest, operation: "vm commit \(vm) --as \(newVM)")
            return CommitReport(
                vm: newVM.text, commit: digest.hex, changedBytes: changed, newBytes: ingest.statistics.newBytes)
        }
        digest = try stemma.catalogue.moveHead(
            of: vm, from: origin.digest, to: commit, ingest: ingest, operation: "vm commit \(vm)")
        // From here on the version is safe; the overlays follow it.
        origin = NamedCommit(name: vm, digest: digest, commit: commit)
        lease = try stemma.store.lease(label: "writes to \(vm)", pins: [digest], scope: .pins)
        for (id, version) in frozen {
            guard let root = disks[id], let overlay = overlays[id] else { continue }
            try overlay.rebase(
                version, onto: CachedSource(StoreBlockSource(store: stemma.store, tree: root)),
                name: Self.name(of: root))
        }
        try Self.note(digest, in: directory)
        return CommitReport(
            vm: vm.text, commit: digest.hex, changedBytes: changed, newBytes: ingest.statistics.newBytes)
    }

    /// Ends. What was written and not committed stays, unless there is none.
    ///
    /// - Returns: bytes that are no version yet.
    func close() throws -> UInt64 {
        var left: UInt64 = 0
        for overlay in overlays.values {
            left += try overlay.freeze().changes().reduce(0) { $0 + UInt64($1.range.count) }
            try overlay.close()
        }
        if left == 0 { try Self.discard(directory) }
        return left
    }

    // MARK: The directory

    private static let originFile = "origin"

    /// A tree's name in its overlay.
    static func name(of root: TreeRoot) -> String { root.digest?.hex ?? "zeros" }

    static func nothingWritten(_ vm: Name) -> WorkflowError {
        WorkflowError(
            .missing,
            "Nothing was written to '\(vm)' that is not a version of it already. 'stemma vm serve \(vm) --writable' serves its disks."
        )
    }

    /// The commit that the overlays in a directory lie on.
    static func origin(in directory: String) -> Digest? {
        guard let bytes = FileManager.default.contents(atPath: directory + "/" + originFile) else { return nil }
        return Digest(hex: String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
    }

    private static func note(_ origin: Digest, in directory: String) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            try Data((origin.hex + "\n").utf8).write(
                to: URL(fileURLWithPath: directory + "/" + originFile), options: .atomic)
        } catch {
            throw WorkflowError(.io, "\(directory) cannot be written: \(error.localizedDescription)")
        }
    }

    /// Deletes overlays that nobody has open.
    static func discard(_ directory: String) throws {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] where name != originFile {
            try OverlaySource.remove(at: directory + "/" + name)
        }
        do {
            try FileManager.default.removeItem(atPath: directory)
        } catch {
            throw WorkflowError(.io, "\(directory) cannot be removed: \(error.localizedDescription)")
        }
    }
}

extension Ingest {
    /// A tree with what an overlay changed. The cost grows with the changes.
    fileprivate func apply(
        _ changes: [OverlayChange], of version: FrozenOverlay, to base: TreeRoot?
    ) throws -> TreeRoot {
        let editor = try edit(base, kind: .disk, length: version.size)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        for change in changes {
            if change.isZero {
                try editor.zero(at: change.range.lowerBound, length: UInt64(change.range.count))
                continue
            }
            var offset = change.range.lowerBound
            while offset < change.range.upperBound {
                let count = Int(min(UInt64(buffer.count), change.range.upperBound - offset))
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
                try version.read(at: offset, into: part)
                try editor.write(UnsafeRawBufferPointer(part), at: offset)
                offset += UInt64(count)
            }
        }
        return try editor.finish()
    }
}

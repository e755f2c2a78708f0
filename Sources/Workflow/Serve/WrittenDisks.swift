import BlockService
import ContentStore
import Foundation
import Lineage

/// What clients wrote to the disks of a VM and is no version of it yet: an overlay for each disk, in a directory that stays.
///
/// The directory also names the commits that the overlays lie on, so that what was written is of use after a crash, and after the VM
/// has got another head.
actor WrittenDisks {
    private let stemma: Stemma
    private let vm: Name
    private let directory: String
    /// The version that a commit follows.
    private var origin: NamedCommit
    /// The commits whose disks the overlays lie on; the last is the origin.
    private var bases: [Digest]
    /// What each overlay lies on: a disk of the origin, or of the version before when the overlay could not follow.
    private var roots: [String: TreeRoot] = [:]
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
        var bases = try Self.bases(in: directory, vm, stemma.store)
        if bases.isEmpty {
            if mustExist { throw Self.nothingWritten(vm) }
            try Self.note([head.digest], in: directory)
            bases = [head]
        }
        bases = try Self.basesInUse(bases, head: head, in: directory)
        origin = bases.last ?? head
        self.bases = bases.map(\.digest)
        lease = try stemma.store.lease(label: "writes to \(vm)", pins: self.bases, scope: .pins)
        var overlays: [String: OverlaySource] = [:]
        for (id, newest) in origin.commit.disks {
            let path = directory + "/" + id
            let name = try OverlaySource.baseName(at: path)
            let root = bases.reversed().compactMap { $0.commit.disks[id] }.first { Self.name(of: $0) == name } ?? newest
            overlays[id] = try OverlaySource.open(
                at: path, base: CachedSource(StoreBlockSource(store: stemma.store, tree: root)),
                name: Self.name(of: root))
            roots[id] = root
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
            disks[id] = try ingest.apply(changes, of: version, to: roots[id])
            frozen[id] = version
        }
        guard disks != origin.commit.disks || newVM != nil else {
            // What was written is what was there.
            try follow(frozen)
            return CommitReport(vm: vm.text, commit: nil, changedBytes: 0, newBytes: 0)
        }
        var commit = origin.commit.successor(.write, of: origin.digest, message: message)
        commit.disks = disks
        if let newVM {
            let digest = try stemma.catalogue.createVM(
                newVM, commit: commit, ingest: ingest, operation: "vm commit \(vm) --as \(newVM)")
            return CommitReport(
                vm: newVM.text, commit: digest.hex, changedBytes: changed, newBytes: ingest.statistics.newBytes)
        }
        // Noted before: after a crash in the middle, some overlays lie on this commit.
        let digest = try ingest.putCommit(commit)
        try Self.note(bases + [digest], in: directory)
        try stemma.catalogue.moveHead(
            of: vm, from: origin.digest, to: commit, ingest: ingest, operation: "vm commit \(vm)")
        // From here on the version is safe; the overlays follow it.
        origin = NamedCommit(name: vm, digest: digest, commit: commit)
        bases.append(digest)
        lease = try stemma.store.lease(label: "writes to \(vm)", pins: bases, scope: .pins)
        try follow(frozen)
        return CommitReport(
            vm: vm.text, commit: digest.hex, changedBytes: changed, newBytes: ingest.statistics.newBytes)
    }

    /// Lays the overlays on the origin, whose disks are what was frozen.
    private func follow(_ frozen: [String: FrozenOverlay]) throws {
        for (id, version) in frozen {
            guard let root = origin.commit.disks[id], let overlay = overlays[id] else { continue }
            try overlay.rebase(
                version, onto: CachedSource(StoreBlockSource(store: stemma.store, tree: root)),
                name: Self.name(of: root))
            roots[id] = root
        }
        bases = [origin.digest]
        try Self.note(bases, in: directory)
        lease = try stemma.store.lease(label: "writes to \(vm)", pins: bases, scope: .pins)
    }

    /// Ends. What was written and not committed stays, unless there is none.
    ///
    /// - Returns: bytes that are no version yet.
    func close() throws -> UInt64 {
        var left: UInt64 = 0
        for overlay in overlays.values {
            left += try overlay.changes().reduce(0) { $0 + UInt64($1.range.count) }
            try overlay.close()
        }
        if left == 0 { try Self.discard(directory) }
        return left
    }

    static func nothingWritten(_ vm: Name) -> WorkflowError {
        WorkflowError(
            .missing,
            "Nothing was written to '\(vm)' that is not a version of it already. 'stemma vm serve \(vm) --writable' serves its disks."
        )
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

import BlockService
import ContentStore
import Foundation
import Lineage
import Testing
import Workflow

/// What clients wrote, and the versions that are made of it, when something comes in between.
@Suite struct WrittenDisksTests {
    private static let size: UInt64 = 1 << 20
    private let vm: Name

    init() throws { vm = try Name("Box") }

    /// A VM with two disks of zeros, and the commit that is its head.
    private func createVM(_ stemma: Stemma) throws -> NamedCommit {
        let ingest = try stemma.store.beginIngest(label: "test")
        var commit = Commit(kind: EdgeKind.image.rawValue)
        for id in ["disk0", "disk1"] { commit.disks[id] = TreeRoot(kind: .disk, length: Self.size, digest: nil) }
        try stemma.catalogue.createVM(vm, commit: commit, ingest: ingest, operation: "test")
        return try head(stemma)
    }

    private func head(_ stemma: Stemma) throws -> NamedCommit { try stemma.catalogue.vm(vm).head }

    private func name(_ root: TreeRoot) -> String { root.digest?.hex ?? "zeros" }

    /// The overlay that a server would have, on the disk of a commit.
    private func overlay(_ stemma: Stemma, _ disk: String, on commit: NamedCommit) throws -> OverlaySource {
        let root = try #require(commit.commit.disks[disk])
        return try OverlaySource.open(
            at: stemma.home.writes(vm.text) + "/" + disk, base: StoreBlockSource(store: stemma.store, tree: root),
            name: name(root))
    }

    private func note(_ stemma: Stemma, _ origins: [Digest]) throws {
        let directory = stemma.home.writes(vm.text)
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try Data(origins.map { $0.hex + "\n" }.joined().utf8).write(to: URL(fileURLWithPath: directory + "/origin"))
    }

    private func write(_ byte: UInt8, at offset: UInt64, to overlay: OverlaySource) throws {
        try [UInt8](repeating: byte, count: 4096).withUnsafeBytes { try overlay.write(at: offset, from: $0) }
    }

    /// One byte of a disk of the head.
    private func byte(_ stemma: Stemma, _ disk: String, at offset: UInt64) throws -> UInt8? {
        let source = StoreBlockSource(store: stemma.store, tree: try #require(try head(stemma).commit.disks[disk]))
        var bytes: [UInt8] = [0xff]
        try bytes.withUnsafeMutableBytes { try source.read(at: offset, into: $0) }
        return bytes.first
    }

    /// How far the overlays had followed a new version when the crash came.
    enum Crash: CaseIterable {
        case beforeTheHead, beforeAnyOverlay, betweenOverlays, beforeTheNote, withoutTheNoteOfTheNewVersion
    }

    /// Both disks are written to, a version is made, and before it was noted that the overlays lie on it the process dies.
    @Test(arguments: Crash.allCases) func aCrashDuringACommitLosesNothing(_ crash: Crash) async throws {
        let home = try TemporaryHome()
        let stemma = home.stemma
        let old = try createVM(stemma)
        try note(stemma, [old.digest])
        let overlays = try ["disk0", "disk1"].map { try overlay(stemma, $0, on: old) }
        for (number, overlay) in overlays.enumerated() { try write(UInt8(number + 1), at: 0, to: overlay) }
        let frozen = try overlays.map { try $0.freeze() }
        let new = try commit(frozen, on: old, isHead: crash != .beforeTheHead, stemma)
        // Clients went on, and flushed.
        for overlay in overlays { try write(9, at: 65_536, to: overlay) }
        let followers =
            switch crash {
            case .beforeTheHead, .beforeAnyOverlay: 0
            case .betweenOverlays, .withoutTheNoteOfTheNewVersion: 1
            case .beforeTheNote: 2
            }
        for (overlay, frozen) in zip(overlays, frozen).prefix(followers) {
            let root = try #require(new.commit.disks[overlay === overlays[0] ? "disk0" : "disk1"])
            try overlay.rebase(
                frozen, onto: StoreBlockSource(store: stemma.store, tree: root), name: name(root))
        }
        for overlay in overlays { try overlay.close() }
        try note(stemma, crash == .withoutTheNoteOfTheNewVersion ? [old.digest] : [old.digest, new.digest])

        let report = try await stemma.commitWrites(to: vm, message: "after the crash", as: nil)
        #expect(report.commit != nil)
        let head = try head(stemma)
        #expect(head.commit.parents == [crash == .beforeTheHead ? old.digest : new.digest])
        for (number, disk) in ["disk0", "disk1"].enumerated() {
            #expect(try byte(stemma, disk, at: 0) == UInt8(number + 1))
            #expect(try byte(stemma, disk, at: 65_536) == 9)
            #expect(try byte(stemma, disk, at: 131_072) == 0)
        }
        // All of it is a version now.
        #expect(!FileManager.default.fileExists(atPath: stemma.home.writes(vm.text)))
    }

    /// What a commit does before the overlays follow it.
    private func commit(_ frozen: [FrozenOverlay], on old: NamedCommit, isHead: Bool, _ stemma: Stemma) throws
        -> NamedCommit
    {
        let ingest = try stemma.store.beginIngest(label: "test")
        var commit = old.commit.successor(.write, of: old.digest, message: "before the crash")
        for (number, disk) in ["disk0", "disk1"].enumerated() {
            let editor = try ingest.edit(old.commit.disks[disk], kind: .disk, length: Self.size)
            let bytes = [UInt8](repeating: UInt8(number + 1), count: 4096)
            try bytes.withUnsafeBytes { try editor.write($0, at: 0) }
            commit.disks[disk] = try editor.finish()
        }
        let digest: Digest
        if isHead {
            digest = try stemma.catalogue.moveHead(
                of: vm, from: old.digest, to: commit, ingest: ingest, operation: "test")
        } else {
            digest = try ingest.putCommit(commit)
        }
        return NamedCommit(name: vm, digest: digest, commit: commit)
    }

    /// Another version of the VM, of the same origin, is not what the overlays lie on.
    @Test func anotherVersionIsNotTakenForTheOverlays() async throws {
        let home = try TemporaryHome()
        let stemma = home.stemma
        let old = try createVM(stemma)
        let other = try commit([], on: old, isHead: true, stemma)
        try note(stemma, [old.digest])
        for disk in ["disk0", "disk1"] {
            let overlay = try overlay(stemma, disk, on: old)
            try write(7, at: 4096, to: overlay)
            try overlay.close()
        }
        let error = await #expect(throws: WorkflowError.self) {
            try await stemma.commitWrites(to: vm, message: "", as: nil)
        }
        #expect(error?.code == .busy)
        #expect(try head(stemma).digest == other.digest)
        let rescued = try await stemma.commitWrites(to: vm, message: "", as: Name("Rescued"))
        #expect(rescued.changedBytes == 8192)
    }

    /// Writes that are no version, kept over and over, can become one.
    @Test func writesOfManySessionsCanBeCommitted() async throws {
        let home = try TemporaryHome()
        let stemma = home.stemma
        let old = try createVM(stemma)
        try note(stemma, [old.digest])
        for round in 0..<40 {
            let disk = try overlay(stemma, "disk0", on: old)
            try write(UInt8(round + 1), at: UInt64(round) * 4096, to: disk)
            try disk.close()
            let copy = try await stemma.commitWrites(to: vm, message: "", as: Name("Copy\(round)"))
            #expect(copy.changedBytes == UInt64(round + 1) * 4096)
        }
        let report = try await stemma.commitWrites(to: vm, message: "", as: nil)
        #expect(report.changedBytes == 40 * 4096)
        for round in 0..<40 { #expect(try byte(stemma, "disk0", at: UInt64(round) * 4096) == UInt8(round + 1)) }
    }

    /// A crash while the file `origin` was written leaves another one beside it.
    @Test func leftoversOfACrashAreDiscarded() async throws {
        let home = try TemporaryHome()
        let stemma = home.stemma
        let old = try createVM(stemma)
        try note(stemma, [old.digest])
        let disk = try overlay(stemma, "disk0", on: old)
        try write(1, at: 4096, to: disk)
        try disk.close()
        try Data("half".utf8).write(to: URL(fileURLWithPath: stemma.home.writes(vm.text) + "/.dat.nosync1.x"))
        try stemma.discardWrites(to: vm)
        #expect(!FileManager.default.fileExists(atPath: stemma.home.writes(vm.text)))
    }

    /// A commit that changes nothing leaves no layer behind.
    @Test func whatIsWrittenAsItWasIsForgotten() async throws {
        let home = try TemporaryHome()
        let stemma = home.stemma
        let old = try createVM(stemma)
        try note(stemma, [old.digest])
        let disk = try overlay(stemma, "disk0", on: old)
        try write(0, at: 4096, to: disk)
        try disk.close()
        let report = try await stemma.commitWrites(to: vm, message: "", as: nil)
        #expect(report.commit == nil)
        #expect(try head(stemma).digest == old.digest)
        #expect(!FileManager.default.fileExists(atPath: stemma.home.writes(vm.text)))
    }
}

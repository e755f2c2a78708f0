import Benchmarking
import ContentStore
import Foundation
import Lineage
import Synchronization
import Workflow

/// A RAM snapshot taken seconds after another one, next to `savevm`.
struct MemorySnapshotRow {
    let bench: Workbench

    func measure(_ report: inout RowReport) async throws {
        let saved = try await GuestSnapshots.prepare(bench)
        // The first snapshot is not the one that counts.
        let own = Figure("until it is durable in the store", .seconds, Array(saved.own.dropFirst()))
        report.add(Figure("the first one", .seconds, Array(saved.own.prefix(1))))
        report.add(own)
        report.add(Figure("the guest stands still", .seconds, Array(saved.pauses.dropFirst())))
        let peer = Figure("savevm", .seconds, Array(saved.plain.dropFirst()), command: "savevm NAME")
        report.comparisons.append(
            Comparison("stemma / savevm", peer: peer, ratio: own.value / peer.value, .atMost, 0.5))

        bench.progress.step("counting pages")
        let stemma = try Stemma(home: Home(root: bench.path("guest-home")))
        var known = PageSet()
        var unique: [Double] = []
        for name in GuestSnapshots.names {
            let commit = try stemma.catalogue.snapshot(Reference(parsing: "Guest:" + name)).commit
            var new = 0
            for tree in commit.ram.values { new += try known.add(tree, of: stemma.store) }
            unique.append(Double(new) * 4096)
        }
        let pages = Figure("unique pages that are new", .bytes, Array(unique.dropFirst()))
        let bytes = Figure("new bytes of RAM, with the tree", .bytes, try Self.newBytes(stemma))
        report.add(pages)
        report.add(bytes)
        report.add(Figure("new bytes of all", .bytes, Array(saved.newBytes.dropFirst())))
        report.add(Figure("new bytes of all, compressed", .bytes, Array(saved.storedBytes.dropFirst())))
        report.comparisons.append(
            Comparison("new bytes of RAM / unique pages", ratio: bytes.value / pages.value, .atMost, 1.1))
        report.notes.append("the guest reads and packs files all the time; snapshots are 5 seconds apart")
        report.notes.append("'all' is with the device state and what the guest wrote to its disk meanwhile")
    }

    /// What each snapshot but the first added to the objects that RAM consists of, not compressed: counted by the store, for commits
    /// that have the RAM of the snapshots and nothing else.
    private static func newBytes(_ stemma: Stemma) throws -> [Double] {
        let ingest = try stemma.store.beginIngest(label: "benchmark")
        var commits: [Digest] = []
        for name in GuestSnapshots.names {
            let commit = try stemma.catalogue.snapshot(Reference(parsing: "Guest:" + name)).commit
            commits.append(
                try ingest.putCommit(
                    Commit(kind: "ram", trees: commit.ram, message: name, time: Timestamp(seconds: 0))))
        }
        try ingest.finish()
        let sums = try commits.indices.map {
            try Double(stemma.store.usage(of: Array(commits[...$0])).total.bytes)
        }
        return zip(sums.dropFirst(), sums).map { $0 - $1 }
    }
}

/// The contents of pages, by hashes of 128 bits.
private struct PageSet: ~Copyable {
    private struct Hash: Hashable {
        var low: UInt64
        var high: UInt64
    }

    private var hashes: Set<Hash> = []

    /// Adds the pages of a tree that are not zero; returns how many contents are new.
    mutating func add(_ tree: TreeRoot, of store: ContentStore) throws -> Int {
        let before = hashes.count
        let found = Found()
        try store.forEachPiece(of: tree) { _, bytes in
            var list: [Hash] = []
            for start in stride(from: 0, to: bytes.count, by: 4096) {
                let page = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + 4096, bytes.count)])
                if let hash = Self.hash(page) { list.append(hash) }
            }
            found.hashes.withLock { $0 += list }
        }
        found.hashes.withLock { hashes.formUnion($0) }
        return hashes.count - before
    }

    private final class Found: Sendable {
        let hashes = Mutex<[Hash]>([])
    }

    /// nil for a page of zeros.
    private static func hash(_ page: UnsafeRawBufferPointer) -> Hash? {
        var hash = Hash(low: 0x9E37_79B9_7F4A_7C15, high: 0xC2B2_AE3D_27D4_EB4F)
        var any: UInt64 = 0
        for offset in stride(from: 0, to: page.count - 7, by: 8) {
            let word = page.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            any |= word
            hash.low = (hash.low ^ word) &* 0x0000_0100_0000_01B3
            hash.low ^= hash.low >> 29
            hash.high = (hash.high &+ word) &* 0xFF51_AFD7_ED55_8CCD
            hash.high ^= hash.high >> 32
        }
        return any == 0 ? nil : hash
    }
}

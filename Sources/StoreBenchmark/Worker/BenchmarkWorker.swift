import Benchmarking
import ContentStore
import DiskImage
import Foundation
import Lineage
import Workflow

/// Parts of verbs that are measured by themselves, each in a process of its own.
package struct BenchmarkWorker {
    private let stemma: Stemma

    package init(_ stemma: Stemma) { self.stemma = stemma }

    /// Does what `words` say; what it prints is the result.
    package func run(_ words: [String]) throws -> String {
        if words.first == "peak", words.count > 1 { return try peakBytes(Array(words.dropFirst())) }
        switch (words.first ?? "", words.count) {
        case ("read", 2): try read(words[1])
        case ("overlay", 3): try store(overlay: words[2], of: words[1])
        case ("generations", 4): try generations(words[1], count: number(words[2]), changes: number(words[3]))
        case ("random-reads", 6):
            return try randomReads(
                words[1], disk: words[2], count: number(words[3]), depth: number(words[4]), seed: number(words[5]))
        default: throw WorkflowError(.usage, "This is no part of a benchmark: \(words.joined(separator: " "))")
        }
        return ""
    }

    /// Runs a command; prints the largest resident set that it had.
    ///
    /// Linux counts what a process held before it became another program, so that of a command is not below that of who started it. This
    /// process is small.
    private func peakBytes(_ command: [String]) throws -> String {
        "\(try Program(path: command[0], arguments: Array(command.dropFirst())).run(scratch: NSTemporaryDirectory()).peakBytes)"
    }

    private func number(_ text: String) throws -> Int {
        guard let number = Int(text), number > 0 else { throw WorkflowError(.usage, "'\(text)' is no number.") }
        return number
    }

    private func commit(_ text: String) throws -> NamedCommit {
        try stemma.catalogue.resolve(Reference(parsing: text))
    }

    /// The first disk of a commit.
    private func disk(_ commit: NamedCommit) throws -> (id: String, tree: TreeRoot) {
        guard let (id, tree) = commit.commit.disks.min(by: { $0.key < $1.key }) else {
            throw WorkflowError(.missing, "'\(commit.name)' has no disk.")
        }
        return (id, tree)
    }

    /// Reads a whole disk.
    private func read(_ reference: String) throws {
        try stemma.store.forEachPiece(of: disk(commit(reference)).tree) { _, _ in }
    }

    /// Takes a run's overlay into the store, as the end of a run does.
    private func store(overlay: String, of vm: String) throws {
        let head = try commit(vm)
        let ingest = try stemma.store.beginIngest(label: "benchmark")
        let (id, tree) = try disk(head)
        var commit = head.commit.successor(.run, of: head.digest, message: "Benchmark")
        commit.disks[id] = try DiskIngest(ingest: ingest).apply(Qcow2Image(path: overlay).activeLayer(), to: tree)
        try stemma.catalogue.moveHead(
            of: Name(vm), from: head.digest, to: commit, ingest: ingest, operation: "benchmark overlay \(vm)")
    }

    /// Makes snapshots `g1`, `g2`, … of a VM, each with some chunks of the disk changed to others of its data.
    private func generations(_ vm: String, count: Int, changes: Int) throws {
        let head = try commit(vm)
        let (id, base) = try disk(head)
        let ranges = try stemma.store.extents(of: base, from: 0, length: base.length)
            .filter { $0.kind == .data }.map { $0.offset..<($0.offset + $0.length) }
        var pieces = DataPieces(ranges, seed: 7)
        var (tree, parent) = (base, head.digest)
        for generation in 1...count {
            let ingest = try stemma.store.beginIngest(label: "benchmark")
            let editor = try ingest.edit(tree, kind: .disk, length: tree.length)
            for position in pieces.choose(changes) {
                let source = pieces.source(limit: base.length)
                try editor.write(stemma.store.read(base, at: source, count: Int(DataPieces.size)), at: position)
            }
            tree = try editor.finish()
            var commit = head.commit.successor(.snapshot, of: parent, message: "Generation \(generation)")
            commit.disks[id] = tree
            parent = try stemma.catalogue.addSnapshot(
                Name("g\(generation)"), of: Name(vm), commit: commit, ingest: ingest,
                operation: "benchmark generation \(generation)")
        }
    }

    /// Reads 4 KiB at random places of a disk's data over NBD; prints the seconds.
    private func randomReads(_ uri: String, disk: String, count: Int, depth: Int, seed: Int) throws -> String {
        let blocks = try SparseFile(path: disk).dataRanges()
        var numbers = RandomNumbers(seed: UInt64(seed))
        // Any block of data alike, whatever the size of the range that it is in.
        var ends: [UInt64] = []
        for range in blocks { ends.append((ends.last ?? 0) + (range.upperBound - range.lowerBound) / 4096) }
        guard let total = ends.last, total > 0 else { throw WorkflowError(.malformed, "\(disk) holds no data.") }
        let offsets = (0..<count).map { _ -> UInt64 in
            let wanted = UInt64.random(in: 0..<total, using: &numbers)
            var (low, high) = (0, ends.count - 1)
            while low < high {
                let middle = (low + high) / 2
                if ends[middle] > wanted { high = middle } else { low = middle + 1 }
            }
            let before = low == 0 ? 0 : ends[low - 1]
            return blocks[low].lowerBound + (wanted - before) * 4096
        }
        return "\(try NBDReader(uri: uri).read(offsets, size: 4096, depth: depth))"
    }
}

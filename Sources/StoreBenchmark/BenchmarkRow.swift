import Benchmarking

/// The lines of the table, by the names that select them.
package enum BenchmarkRow: String, TableRow, CaseIterable {
    case firstImport = "import"
    case delta
    case size
    case ram
    case clone
    case restore
    case sequential
    case random
    case resume
    case generations
    case memory

    package var title: String {
        switch self {
        case .firstImport: "first import of the disk"
        case .delta: "a run's delta into the store"
        case .size: "stored size of the disk and its changed copy"
        case .ram: "RAM snapshot of a 512 MiB guest, the second one"
        case .clone: "clone of a VM"
        case .restore: "restore to a raw file"
        case .sequential: "sequential read over NBD"
        case .random: "random reads of 4 KiB over NBD"
        case .resume: "resume of a 512 MiB guest until it runs"
        case .generations: "read speed after 1,000 generations"
        case .memory: "memory of any command, 100 GiB sparse disk with 4 GiB of data"
        }
    }

    package var target: String {
        switch self {
        case .firstImport: "3 times as fast as restic, borg (lz4) and casync; the same bytes restored"
        case .delta: "time and bytes at most 1/20 of the full import for a change of 1 %"
        case .size: "no more than restic's repository"
        case .ram: "under half the time of savevm; new bytes within 10 % of the unique 4 KiB pages"
        case .clone: "under 10 ms, constant in size and depth of history"
        case .restore: "at least 0.8 of the speed of qemu-img convert from uncompressed qcow2"
        case .sequential, .random: "at least 0.8 of the speed of qemu-nbd on an uncompressed qcow2"
        case .resume: "no slower than qemu-system-x86_64 -loadvm from a local qcow2"
        case .generations: "the last one within 5 % of the first"
        case .memory: "under 300 MiB"
        }
    }

    /// The programs that the row compares with, or needs.
    package var tools: [Requirement] {
        switch self {
        case .firstImport: [.restic, .borg, .casync]
        case .delta: [.qemuImg, .qemuIO]
        case .size: [.restic, .qemu]
        case .ram, .resume: [.qemu, .qemuImg]
        case .clone: [.qemuImg]
        case .restore: [.qemuImg]
        case .sequential: [.qemuImg, .qemuNBD, .nbdcopy]
        case .random: [.qemuImg, .qemuNBD]
        case .generations, .memory: []
        }
    }

    /// A row that fails says why, and leaves what the others measure alone.
    func measure(_ bench: Workbench) async throws -> RowReport {
        var report = RowReport(self)
        do {
            try await measure(bench, into: &report)
        } catch {
            try Task.checkCancellation()
            report.failure = "\(error)"
        }
        return report
    }

    private func measure(_ bench: Workbench, into report: inout RowReport) async throws {
        switch self {
        case .firstImport: try ImportRow(bench: bench).measure(&report)
        case .delta: try DeltaRow(bench: bench).measure(&report)
        case .size: try SizeRow(bench: bench).measure(&report)
        case .ram: try await MemorySnapshotRow(bench: bench).measure(&report)
        case .clone: try CloneRow(bench: bench).measure(&report)
        case .restore: try RestoreRow(bench: bench).measure(&report)
        case .sequential: try ServiceRow(bench: bench).measureSequential(&report)
        case .random: try ServiceRow(bench: bench).measureRandom(&report)
        case .resume: try await ResumeRow(bench: bench).measure(&report)
        case .generations: try GenerationsRow(bench: bench).measure(&report)
        case .memory: try PeakMemoryRow(bench: bench).measure(&report)
        }
    }
}

import Benchmarking

/// The lines of the table, by the names that select them.
package enum EngineRow: String, TableRow, CaseIterable {
    case interpreter
    case machineCode = "machine-code"
    case resume
    case memory
    case fork
    case forks

    package var title: String {
        switch self {
        case .interpreter: "the interpreter, in the guest"
        case .machineCode: "machine code, next to QEMU's translator in the guest and Unicorn on the bare programs"
        case .resume: "resume of a 512 MiB snapshot until its first instruction"
        case .memory: "memory of a resumed guest at work"
        case .fork: "fork of a machine state"
        case .forks: "10,000 live forks of an idle guest"
        }
    }

    package var target: String {
        switch self {
        case .interpreter: "60 million guest instructions a second on each program"
        case .machineCode: "no slower than Unicorn on each program; geometric mean at least 1/4 of QEMU's translator"
        case .resume: "under 50 ms"
        case .memory: "the pages touched and 64 MiB"
        case .fork: "under 20 µs, and more only in proportion to the pages written since the last fork"
        case .forks: "under 1 GiB"
        }
    }

    package var tools: [Requirement] {
        switch self {
        case .machineCode: [.qemu, .python]
        // The snapshot is taken under QEMU.
        case .interpreter, .resume, .memory, .fork, .forks: [.qemu]
        }
    }
}

extension Requirement {
    /// With the module venv.
    static let python = Requirement("python3", package: "python3-venv")
}

extension EngineRow {
    /// A row that fails says why, and leaves what the others measure alone.
    func measure(_ bench: EngineBench) async throws -> RowReport {
        var report = RowReport(self)
        do {
            switch self {
            case .interpreter: try InterpreterRow(bench: bench).measure(&report)
            case .machineCode: try await MachineCodeRow(bench: bench).measure(&report)
            case .resume: try ResumeRow(bench: bench).measure(&report)
            case .memory: try MemoryRow(bench: bench).measure(&report)
            case .fork: try ForkRow(bench: bench).measure(&report)
            case .forks: try ForksRow(bench: bench).measure(&report)
            }
        } catch {
            try Task.checkCancellation()
            report.failure = "\(error)"
        }
        return report
    }
}

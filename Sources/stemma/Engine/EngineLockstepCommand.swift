import ArgumentParser
import Lineage
import Workflow

/// `stemma engine lockstep`
struct EngineLockstepCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lockstep",
        abstract: "Run a snapshot in the engine and under QEMU, step by step, and compare.",
        discussion: """
            After each instruction all registers are compared, and the pages that were written every 100000 instructions and at \
            the end. The first difference ends it. No interrupt comes in either. What an instruction gets from outside \
            (time, ports, device memory, identification), and flags that the manual leaves undefined, the engine takes from QEMU; the \
            report counts them.

            Exit code 0: no difference. 1: a difference, or an instruction that the engine lacks.
            """)

    @Argument(help: "VM:SNAPSHOT, of one CPU, as QEMU's translator loads it.")
    var snapshot: Reference
    @Option(help: "Instructions.")
    var count: UInt64 = 1_000_000
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let stemma = try options.open()
        let report = try await stemma.lockstep(snapshot, count: count)
        if options.json { try Terminal.print(json: report) } else { Terminal.print(report.text) }
        if !report.isEqual || report.instructions < count { throw ExitCode(1) }
    }
}

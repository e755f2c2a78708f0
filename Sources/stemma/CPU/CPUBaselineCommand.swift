import ArgumentParser
import Workflow

/// `stemma cpu baseline`
struct CPUBaselineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "baseline", abstract: "Find the best -cpu that all given hosts and targets provide.",
        discussion: """
            For a fleet of hosts, save 'stemma cpu probe kvm:host' of each in a file and name the files here, with a target \
            such as installed-tcg. QEMU is asked with 'enforce' for what this machine can check. Exit code 1: it objects.
            """)

    @Argument(help: "CPUs; see 'stemma help cpu'.")
    var cpus: [CPUOperand]
    @Option(help: "A feature that the guest shall not have, by QEMU's name; may be repeated.")
    var exclude: [String] = []
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let report = try await options.open().baselineCPU(cpus, excluding: exclude)
        try options.print(report, report.text)
        if !report.isProvided { throw ExitCode(1) }
    }
}

import ArgumentParser
import Workflow

/// `stemma cpu diff`
struct CPUDiffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Tell what a guest of one CPU loses on another, and which -cpu both provide.",
        discussion: "Exit code 0: nothing that a guest could miss. 1: programs may fail. 2: the kernel hangs or dies.")

    @Argument(help: "The CPU that the guest was booted on; see 'stemma help cpu'.")
    var first: CPUOperand
    @Argument(help: "The CPU on which it shall go on.")
    var second: CPUOperand
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let report = try await options.open().compareCPUs(first, second)
        try options.print(report, report.text)
        switch report.difference.worst {
        case .none: break
        case .programs: throw ExitCode(1)
        case .kernel: throw ExitCode(2)
        }
    }
}

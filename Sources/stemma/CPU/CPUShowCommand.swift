import ArgumentParser
import Workflow

/// `stemma cpu show`
struct CPUShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show the features of a CPU by group, and where they are known from.")

    @Argument(help: "A CPU; see 'stemma help cpu'.")
    var cpu: CPUOperand
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let description = try await options.open().describeCPU(cpu)
        try options.print(description, description.text)
    }
}

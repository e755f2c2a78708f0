import ArgumentParser
import Workflow

/// `stemma cpu explain`
struct CPUExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Tell what a CPU feature is, how others call it, and who has it.")

    @Argument(help: "A name of QEMU, libvirt or Linux, or a place such as 7.0.ebx.5 or msr.10a.0.")
    var feature: String
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let explanations = try await options.open().explainFeature(feature)
        try options.print(explanations, explanations.map(\.text).joined(separator: "\n"))
    }
}

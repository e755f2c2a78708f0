import ArgumentParser
import Workflow

/// `stemma store verify`
struct StoreVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Find out whether everything that is named can be read.",
        discussion: "Exit code 1 when something is damaged.")

    @Flag(help: "Read every pack and check its checksums too.")
    var checksums = false
    @Flag(help: "Check every object against its digest too. Takes the longest.")
    var deep = false
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let stemma = try options.open()
        let report = try await Interrupt.endsTheProcess {
            try stemma.verifyStore(deep ? .deep : checksums ? .checksums : .structure)
        }
        try options.print(report, report.text)
        if !report.isSound { throw ExitCode(1) }
    }
}

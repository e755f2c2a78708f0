import ArgumentParser
import Workflow

/// `stemma doctor`
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Find out what this machine can do: QEMU, KVM, the translator, the solver, space.")

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let diagnosis = try await options.open().diagnose()
        if options.json {
            try Terminal.print(json: diagnosis)
        } else {
            Terminal.print(diagnosis.text)
        }
        if !diagnosis.isFit { throw ExitCode(1) }
    }
}

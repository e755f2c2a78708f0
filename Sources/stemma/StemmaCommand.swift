import ArgumentParser
import Workflow

/// The root of the command line. Each verb is in a file of its own.
@main
struct StemmaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stemma",
        abstract: "The family tree of virtual-machine snapshots, and the engine that explores them.",
        discussion: """
            Exit codes: 0 done; 1 a fixable finding, or a check that failed; 2 a fatal finding, or KVM that cannot run \
            guests; 64 wrong usage; 65 damaged input; 66 no such name or file; 69 QEMU is missing or failed; 70 a \
            defect of stemma; 73 the name exists; 74 input/output; 75 the VM is in use or time ran out; 130 interrupted.
            """,
        version: "0.1.0",
        subcommands: [
            DoctorCommand.self, ImageCommand.self, VMCommand.self, RunCommand.self, SnapshotCommand.self,
            CheckCommand.self, ConvertCommand.self, CPUCommand.self, DiffCommand.self, LogCommand.self,
            UndoCommand.self,
            OperationCommand.self, ExperimentCommand.self, EngineCommand.self, StoreCommand.self,
            BenchmarkCommand.self,
        ])

    /// Runs the command, and turns its errors into one message and a documented exit code.
    static func main() async {
        Terminal.ignoreBrokenPipes()
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let code as ExitCode {
            exit(withError: code)
        } catch {
            if let script = Completion.script(fullMessage(for: error)) { return Terminal.print(script) }
            guard let failure = Failure(error) else { exit(withError: error) }
            Terminal.error(failure.message)
            exit(withError: ExitCode(failure.exitCode))
        }
    }
}

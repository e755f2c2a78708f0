import ArgumentParser
import Workflow

/// `stemma vm list`
struct VMListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show every VM with its size and snapshots.")

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let stemma = try options.open()
        await stemma.recoverRuns()
        let machines = try stemma.listVMs()
        if options.json { return try Terminal.print(json: machines) }
        if machines.isEmpty {
            Terminal.step("there is no VM yet; 'stemma image build' or 'stemma vm create' makes one")
        }
        for machine in machines { Terminal.print(machine.text) }
    }
}

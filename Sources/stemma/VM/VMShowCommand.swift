import ArgumentParser
import Lineage
import Workflow

/// `stemma vm show`
struct VMShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a VM's machine, disks and snapshots.")

    @Argument(help: "The VM.")
    var vm: Name
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let stemma = try options.open()
        await stemma.recoverRuns()
        let details = try stemma.showVM(vm)
        try options.print(details, details.text)
    }
}

import ArgumentParser
import Lineage
import Workflow

/// `stemma vm remove`
struct VMRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a VM and the names of its snapshots.",
        discussion: "What other VMs, snapshots or experiments descend from stays in the lineage.")

    @Argument(help: "The VM to remove.")
    var vm: Name
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try options.open().removeVM(vm)
        options.progress.step("removed \(vm)")
    }
}

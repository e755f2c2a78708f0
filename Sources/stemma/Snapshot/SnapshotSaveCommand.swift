import ArgumentParser
import Lineage
import Workflow

/// `stemma snapshot save`
struct SnapshotSaveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "save", abstract: "Save a snapshot of a VM that runs in another terminal.")

    @Argument(help: "The running VM.")
    var vm: Name
    @Argument(help: "The name of the snapshot.")
    var name: Name
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await options.open().saveSnapshot(name, of: vm)
        options.progress.step("stored \(vm):\(name)")
    }
}

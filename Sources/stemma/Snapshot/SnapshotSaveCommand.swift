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
    @Flag(help: "Let QEMU write the memory ('savevm'), as it does where it cannot be read directly.")
    var savevm = false
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let saved = try await options.open().saveSnapshot(name, of: vm, way: savevm ? .savevm : .direct)
        if options.json { return try Terminal.print(json: saved) }
        options.progress.step(
            "stored \(saved.snapshot); the guest stood still for \(Int((saved.pause * 1000).rounded())) ms")
    }
}

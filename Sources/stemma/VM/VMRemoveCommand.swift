import ArgumentParser
import Lineage
import Workflow

/// `stemma vm remove`
struct VMRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a VM and the names of its snapshots.",
        discussion: """
            Nothing is lost: 'stemma undo' brings the VM back. 'stemma store gc' frees what only the VM used, once the \
            removal is no longer among the operations that it keeps. What clones, other snapshots and experiments \
            descend from stays in the lineage, and what they need stays in the store.
            """)

    @Argument(help: "The VM to remove.")
    var vm: Name
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let report = try await options.open().removeVM(vm)
        try options.report(report, "removed \(vm); 'stemma undo \(report.operation)' brings it back")
    }
}

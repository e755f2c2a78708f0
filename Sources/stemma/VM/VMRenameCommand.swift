import ArgumentParser
import Lineage
import Workflow

/// `stemma vm rename`
struct VMRenameCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rename", abstract: "Give a VM another name.",
        discussion: """
            Its snapshots, their tags and notes go along, and experiments find the snapshots that they explored under the \
            new name. The history stays as it is.
            """)

    @Argument(help: "The VM.")
    var vm: Name
    @Argument(help: "Its new name.", completion: .list([]))
    var name: Name
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let report = try await options.open().renameVM(vm, to: name)
        try options.report(report, "\(vm) is called \(name) now")
    }
}

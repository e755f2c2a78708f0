import ArgumentParser
import Lineage
import Workflow

/// `stemma vm import`
struct VMImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Make a VM of a directory that 'vm export' wrote.",
        discussion: "'stemma vm create --disk FILE' takes single image files.")

    @Argument(help: "The directory.", completion: .directory)
    var directory: String
    @Option(help: "The name of the new VM.")
    var name: Name
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let details = try await options.open().importVM(directory, as: name)
        try options.print(details, details.text)
    }
}

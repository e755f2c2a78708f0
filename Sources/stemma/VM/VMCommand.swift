import ArgumentParser

/// `stemma vm`
struct VMCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vm", abstract: "List, clone and remove virtual machines.",
        subcommands: [VMListCommand.self, VMCloneCommand.self, VMRemoveCommand.self])
}

import ArgumentParser

/// `stemma vm`
struct VMCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vm",
        abstract: "Create, list, show, clone, rename, remove, export, import and serve virtual machines.",
        subcommands: [
            VMListCommand.self, VMShowCommand.self, VMCreateCommand.self, VMCloneCommand.self, VMRenameCommand.self,
            VMRemoveCommand.self, VMDiskCommand.self, VMExportCommand.self, VMImportCommand.self, VMServeCommand.self,
            VMCommitCommand.self, VMDiscardCommand.self,
        ])
}

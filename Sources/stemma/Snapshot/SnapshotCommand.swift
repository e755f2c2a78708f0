import ArgumentParser

/// `stemma snapshot`
struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "List, show, save, import and remove snapshots.",
        subcommands: [
            SnapshotListCommand.self, SnapshotShowCommand.self, SnapshotSaveCommand.self, SnapshotImportCommand.self,
            SnapshotRemoveCommand.self,
        ])
}

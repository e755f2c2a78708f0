import ArgumentParser

/// `stemma snapshot`
struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "List, show, save, import, export, tag, rename and remove snapshots.",
        subcommands: [
            SnapshotListCommand.self, SnapshotShowCommand.self, SnapshotSaveCommand.self, SnapshotImportCommand.self,
            SnapshotExportCommand.self, SnapshotTagCommand.self, SnapshotUntagCommand.self, SnapshotNoteCommand.self,
            SnapshotRenameCommand.self, SnapshotRemoveCommand.self,
        ])
}

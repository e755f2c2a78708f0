import ArgumentParser

/// `stemma vm disk`
struct VMDiskCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disk", abstract: "List, add and remove the disks of a VM.",
        subcommands: [VMDiskListCommand.self, VMDiskAddCommand.self, VMDiskRemoveCommand.self])
}

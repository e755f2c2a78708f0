import ArgumentParser
import Lineage
import Workflow

/// `stemma vm disk remove`
struct VMDiskRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Take a disk from a VM.",
        discussion: "Snapshots that have the disk keep it, and 'stemma undo' brings it back.")

    @Argument(help: "The VM, which must not run.")
    var vm: Name
    @Argument(help: "The disk, for example vdb.")
    var disk: String
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let stemma = try options.open()
        try stemma.removeDisk(disk, of: vm)
        try options.report(stemma.listDisks(of: vm), "\(vm) has no disk \(disk) any more")
    }
}

import ArgumentParser
import Lineage
import Workflow

/// `stemma vm disk list`
struct VMDiskListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show the disks of a VM.")

    @Argument(help: "The VM.")
    var vm: Name
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let disks = try options.open().listDisks(of: vm)
        try options.print(disks, Table.render(["ID", "SIZE", "SLOT", "CONTENTS"], disks.map(\.columns)))
    }
}

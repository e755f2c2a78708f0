import ArgumentParser
import Lineage
import Workflow

/// `stemma store repack`
struct StoreRepackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repack",
        abstract: "Put disks and RAM in the order in which guests read them, then free the rest.",
        discussion: "Many generations scatter a disk over many packs. No digest changes: only the places do.")

    @Argument(help: "The VMs that matter most. Default: all.")
    var vms: [Name] = []
    @OptionGroup var collection: CollectionOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let stemma = try options.open()
        let report = try await Interrupt.endsTheProcess { try stemma.repackStore(vms, collection.request) }
        try options.print(report, report.text)
    }
}

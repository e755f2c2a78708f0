import ArgumentParser
import Lineage
import Workflow

/// `stemma vm discard`
struct VMDiscardCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "discard", abstract: "Throw away what clients wrote to the disks of a VM since its last version.")

    @Argument(help: "The VM.", completion: Completion.vms)
    var vm: Name
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try options.open().discardWrites(to: vm)
        options.progress.step("threw away what was written to \(vm)")
    }
}

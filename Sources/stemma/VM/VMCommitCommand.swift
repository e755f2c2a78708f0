import ArgumentParser
import Lineage
import Workflow

/// `stemma vm commit`
struct VMCommitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "commit", abstract: "Make what clients wrote to the disks of a VM its new version.",
        discussion: """
            Works while the VM is served and afterwards. Only what was written is read. Clients that have the disk mounted should \
            have flushed it: a file system that is in use is stored as after a power failure.
            """)

    @Argument(help: "The VM.", completion: Completion.vms)
    var vm: Name
    @Option(name: [.short, .long], help: "What was done.")
    var message = "Written over NBD"
    @Option(name: .customLong("as"), help: "Make a new VM of this name instead; the served one stays as it is.")
    var newVM: Name?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let report = try await options.open().commitWrites(to: vm, message: message, as: newVM)
        try options.print(report, report.text)
    }
}

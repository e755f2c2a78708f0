import ArgumentParser
import Lineage
import Workflow

/// `stemma diff`
struct DiffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Show what differs between two VMs or snapshots.",
        discussion: """
            Compares the machines, the disks (how many bytes, and which files of ext4 file systems), the RAM and the fields \
            of every device. The two need not be related.
            """)

    @Argument(help: "VM or VM:SNAPSHOT.")
    var first: Reference
    @Argument(help: "VM or VM:SNAPSHOT.")
    var second: Reference
    @Flag(help: "List the ranges of the disks that differ: offset + length in bytes.")
    var blocks = false
    @Flag(inversion: .prefixedNo, help: "Look into file systems.")
    var files = true
    @Flag(help: "List all files and fields, not only the first 40.")
    var all = false
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        var wanted = Stemma.DifferenceOptions()
        wanted.listsBlocks = blocks
        wanted.comparesFiles = files
        let report = try options.open().difference(from: first, to: second, options: wanted)
        if options.json { return try Terminal.print(json: report) }
        Terminal.print(report.text(limit: all ? nil : 40))
    }
}

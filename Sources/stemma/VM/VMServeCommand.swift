import ArgumentParser
import Lineage
import Workflow

/// `stemma vm serve`
struct VMServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve the disks of a VM or snapshot over NBD.",
        discussion: """
            Prints an address for each disk, as qemu-img, qemu-nbd, nbdcopy and libguestfs take them, and serves until Ctrl-C. \
            The socket is the user's alone.

            With --writable clients may write. Nothing that is stored changes by that: what was written becomes a new version \
            of the VM with 'stemma vm commit', also while it is served, stays uncommitted after Ctrl-C, and is thrown away \
            with 'stemma vm discard'.
            """)

    @Argument(help: "VM, or VM:SNAPSHOT.", completion: Completion.references)
    var reference: Reference
    @Flag(help: "Let clients write.")
    var writable = false
    @Option(help: "Serve this disk only; may be repeated.")
    var disk: [String] = []
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        var request = ServeRequest(reference)
        request.isWritable = writable
        request.disks = disk
        let options = options
        let left = try await options.open().serve(request) { disks in
            if options.json {
                try? Terminal.print(json: disks)
            } else {
                for disk in disks { Terminal.print(disk.uri) }
            }
            options.progress.step("serving; Ctrl-C ends it")
        }
        if left > 0 {
            options.progress.step(
                "what was written is not a version of \(reference.vm) yet: 'stemma vm commit \(reference.vm)' makes it one, "
                    + "'stemma vm discard \(reference.vm)' throws it away")
        }
    }
}

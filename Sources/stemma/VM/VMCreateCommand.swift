import ArgumentParser
import Lineage
import Workflow

/// `stemma vm create`
struct VMCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a VM from disk images, or with empty disks.",
        discussion: """
            --disk and --size may be repeated: the disks of files come first, then the empty ones; they are called vda, \
            vdb, … The files are read, not used: they may be moved or deleted afterwards. An empty disk takes no room.
            """)

    @Argument(help: "The name of the new VM.", completion: .list([]))
    var name: Name
    @Option(help: "An empty disk of this size, for example 20G.")
    var size: [ByteSize] = []
    @Option(help: "A disk with the contents of this image file.", completion: .file())
    var disk: [String] = []
    @Option(
        help: "The format of the image files. Default: what their first bytes say; name it for raw disks of others.")
    var format: String?
    @Option(
        help: "The machine type: pc, q35, or a versioned one of QEMU. Default: pc.", completion: .list(["pc", "q35"]))
    var machine: String = "pc"
    @Option(name: [.short, .long], help: "Memory in MiB. Default: 1024.")
    var memory: Int = 1024
    @Option(help: "Number of CPUs. Default: 1.")
    var cpus: Int = 1
    @Option(help: "CPU model for QEMU. Default: qemu64.")
    var cpu: String = "qemu64"
    @OptionGroup var remarks: RemarkOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        var request = CreateRequest(name)
        request.files = disk
        request.format = format
        request.sizes = size
        request.machine = machine
        request.memoryMiB = memory
        request.cpus = cpus
        request.cpu = cpu
        request.remarks = remarks.remarks
        let details = try await options.open().createVM(request)
        try options.print(details, details.text)
    }
}

import ArgumentParser
import Lineage
import Workflow

/// `stemma snapshot import`
struct SnapshotImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Take in a snapshot that was saved elsewhere.",
        discussion: """
            FILE is a migration stream (QEMU's 'migrate exec:cat > FILE', also with mapped-ram), a file of 'virsh save', or a \
            qcow2 file with an internal snapshot, which --from-snapshot names. The snapshot's machine must be that of the VM: its type, memory and CPUs are \
            read from the stream. The disks are the VM's own, unless --disk says otherwise; those of a qcow2 file with an \
            internal snapshot are the ones of that snapshot.
            """)

    @Argument(help: "The file.", completion: .file())
    var file: String
    @Option(help: "The VM that the snapshot belongs to.")
    var vm: Name
    @Option(help: "The name it gets.", completion: .list([]))
    var name: Name
    @Option(help: "ID or name of the internal snapshot in a qcow2 file.")
    var fromSnapshot: String?
    @Option(help: "The disk as it was at that moment: raw or qcow2; repeat for several disks.", completion: .file())
    var disk: [String] = []
    @Option(help: "The -cpu that it was taken with, if it is known.")
    var cpu: String?
    @OptionGroup var remarks: RemarkOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        var request = ImportRequest(file: file, vm: vm, name: name)
        request.internalSnapshot = fromSnapshot
        request.disks = disk
        request.cpu = cpu
        request.remarks = remarks.remarks
        try options.open().importSnapshot(request)
        options.progress.step("stored \(vm):\(name)")
    }
}

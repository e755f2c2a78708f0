import ArgumentParser
import Lineage
import Workflow

/// `stemma vm disk add`
struct VMDiskAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Give a VM a further disk, of an image file or empty.",
        discussion: "Snapshots resume on the machine that they were taken on, so they do not get the disk.")

    @Argument(help: "The VM, which must not run.")
    var vm: Name
    @Option(help: "Take the contents of this image file.", completion: .file())
    var file: String?
    @Option(help: "The format of the image file.")
    var format: String?
    @Option(help: "Make it empty, of this size, for example 20G.")
    var size: ByteSize?
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard (file == nil) != (size == nil) else { throw ValidationError("Give either --file or --size.") }
        if format != nil, file == nil { throw ValidationError("--format is for --file.") }
    }

    func run() async throws {
        let new: NewDisk = size.map { .empty($0) } ?? .file(file ?? "", format: format)
        let disk = try await options.open().addDisk(new, to: vm)
        try options.report(disk, "\(vm) has a disk \(disk.id) now")
    }
}

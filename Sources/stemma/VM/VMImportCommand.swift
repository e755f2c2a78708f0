import ArgumentParser
import Lineage
import Workflow

/// `stemma vm import`
struct VMImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Make a VM of a directory that 'vm export' wrote, or of a domain of libvirt.",
        discussion: """
            'stemma vm create --disk FILE' takes single image files.

            With --libvirt URI, the argument is the name of a domain: its machine, CPU and disks become the VM. The domain has \
            to be shut off, and libvirt is only read.
            """)

    @Argument(help: "The directory; with --libvirt, the domain.", completion: .directory)
    var directory: String
    @Option(help: "The name of the new VM. With --libvirt, default: the domain's.")
    var name: Name?
    @Option(help: "Where libvirt is, for example qemu:///system.")
    var libvirt: String?
    @Option(help: "With --libvirt: CPU model for QEMU, instead of the domain's.")
    var cpu: String?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        guard let uri = libvirt else {
            guard let name else { throw ValidationError("Name the new VM with --name.") }
            guard cpu == nil else { throw ValidationError("--cpu goes with --libvirt.") }
            let details = try await options.open().importVM(directory, as: name)
            return try options.print(details, details.text)
        }
        var request = DomainImportRequest(
            uri: uri, domain: directory, name: try name ?? Name(directory, role: "VM"))
        request.cpu = cpu
        let report = try await options.open().importDomain(request)
        try options.print(report, report.text)
    }
}

import ArgumentParser
import Lineage
import Workflow

/// `stemma vm export`
struct VMExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write a VM or a snapshot to files that other programs use.",
        discussion: """
            PATH is a file (NAME.qcow2, NAME.raw, NAME.img) for one disk, or a directory for the whole machine: all disks, \
            kernel, and machine.json, from which 'stemma vm import' makes the VM again. With a snapshot the machine state goes \
            into the first disk's qcow2 file as an internal snapshot, and what is known of the CPU that the guest saw into \
            cpu.json; the command that resumes it with QEMU is printed.

            With --libvirt URI, PATH is a directory that stays: the disks go there, and a domain that uses them is defined.
            """)

    @Argument(help: "VM, or VM:SNAPSHOT.", completion: Completion.references)
    var reference: Reference
    @Argument(help: "A file or a directory.", completion: .file())
    var path: String
    @Option(help: "The snapshot, instead of VM:SNAPSHOT.")
    var snapshot: Name?
    @Option(help: "raw or qcow2. Default: by the name of the file, qcow2 in a directory.")
    var format: VMExportRequest.Format?
    @Option(help: "For qcow2: none, zlib or zstd, with a level as in zstd:9. Default: none.")
    var compression: String = "none"
    @Option(help: "The disk to write to a file, when there are several.")
    var disk: String?
    @Flag(help: "Leave out the machine state.")
    var noState = false
    @Flag(help: "Replace files that exist.")
    var force = false
    @Option(help: "Define a domain of libvirt there, for example at qemu:///system.")
    var libvirt: String?
    @Option(help: "With --libvirt: the name of the domain. Default: the VM's.")
    var domain: String?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        var wanted = reference
        if let snapshot {
            guard reference.snapshot == nil else {
                throw ValidationError("Name the snapshot once: VM:SNAPSHOT or --snapshot.")
            }
            wanted = Reference(vm: reference.vm, snapshot: snapshot)
        }
        var request = VMExportRequest(wanted, to: path)
        request.format = format
        guard request.setCompression(compression) else {
            throw ValidationError("'\(compression)' is no compression of qcow2: use none, zlib[:1-9] or zstd[:1-19].")
        }
        request.disk = disk
        request.leavesOutState = noState
        request.replaces = force
        if let libvirt {
            var exported = DomainExportRequest(request, uri: libvirt)
            exported.domain = domain
            let report = try await options.open().exportDomain(exported)
            return try options.print(report, report.text)
        }
        guard domain == nil else { throw ValidationError("--domain goes with --libvirt.") }
        let report = try await options.open().export(request)
        try options.print(report, report.text)
    }
}

extension VMExportRequest.Format: ExpressibleByArgument {}

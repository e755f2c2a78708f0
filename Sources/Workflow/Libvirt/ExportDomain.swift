import CPUModel
import Foundation
import Hypervisor
import LibvirtBridge
import Lineage

/// What a user asks of `stemma vm export --libvirt`.
package struct DomainExportRequest: Sendable {
    /// The disks' files; `path` is a directory.
    package var files: VMExportRequest
    package var uri: String
    /// The name of the domain; nil for the VM's.
    package var domain: String?

    package init(_ files: VMExportRequest, uri: String) {
        (self.files, self.uri) = (files, uri)
    }
}

/// What became of a VM.
package struct DomainExportReport: Sendable, Codable {
    package let domain: String
    package let uri: String
    package let files: [VMExportReport.File]
    /// What to know about it, in words.
    package let notes: [String]

    package var text: String {
        (files.map { "\($0.path)  \(Text.size($0.size))" } + ["domain '\(domain)' at \(uri)"] + notes)
            .joined(separator: "\n")
    }
}

extension Stemma {
    /// Writes a VM's disks to a directory and defines a domain of libvirt that has them. It is not started.
    ///
    /// A snapshot gives its disks; its machine state stays behind, because a domain starts by booting.
    package func exportDomain(_ request: DomainExportRequest) async throws -> DomainExportReport {
        let name = request.domain ?? request.files.reference.vm.text
        let connection = try LibvirtConnection(uri: request.uri)
        guard !connection.hasDomain(named: name) else {
            throw WorkflowError(
                .usage,
                "libvirt at '\(request.uri)' has a domain '\(name)' already; give another name with --domain, or remove it "
                    + "('virsh -c \(request.uri) undefine \(name)').")
        }
        let origin = try catalogue.resolve(request.files.reference)
        let configuration = try configuration(of: origin.commit, named: request.files.reference.description)
        var notes: [String] = []
        var files = request.files
        if origin.commit.state != nil {
            notes.append("without the machine state of the snapshot: the domain boots from its disks")
        }
        if !configuration.extraArguments.isEmpty {
            notes.append("without QEMU's arguments " + configuration.extraArguments.joined(separator: " "))
        }
        files.leavesOutState = true
        if !files.path.hasSuffix("/") { files.path += "/" }
        let report = try await export(files)
        let directory = URL(fileURLWithPath: files.path).standardizedFileURL.path
        let format = files.format ?? .qcow2
        let boot = configuration.boot
        var domain = LibvirtDomain(
            name: name, type: isKVMUsable ? "kvm" : "qemu", machine: configuration.machine,
            memoryMiB: configuration.memoryMiB, cpus: configuration.cpus,
            disks: configuration.disks.map {
                .init(path: "\(directory)/\($0.id).\(format.rawValue)", format: format.rawValue, slot: $0.slot)
            },
            kernel: boot == nil ? nil : directory + "/kernel",
            initialRamdisk: boot?.hasInitialRamdisk == true ? directory + "/initrd" : nil,
            commandLine: boot?.commandLine)
        domain.cpu = try await libvirtCPU(for: configuration.cpu)
        let xml = domain.xml
        try Data(xml.utf8).write(to: URL(fileURLWithPath: directory + "/domain.xml"), options: .atomic)
        progress.step("defining the domain '\(name)' at \(request.uri)")
        try connection.define(xml: xml)
        return DomainExportReport(domain: name, uri: request.uri, files: report.files, notes: notes)
    }

    /// libvirt's words for a `-cpu` argument; nil leaves the choice to libvirt.
    private func libvirtCPU(for cpu: String) async throws -> LibvirtCPU? {
        let argument = CPUArgument(cpu)
        guard let map = try? LibvirtCPUMap(), let print = try await modelCatalog().fingerprint(of: argument) else {
            return nil
        }
        return try LibvirtCPU(nearestTo: print, named: argument.model, map: map)
    }

    /// Whether `/dev/kvm` can be opened; whether it runs guests, the doctor tells.
    private var isKVMUsable: Bool { FileManager.default.isWritableFile(atPath: "/dev/kvm") }
}

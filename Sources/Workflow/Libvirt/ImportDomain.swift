import CPUModel
import ContentStore
import Foundation
import Hypervisor
import LibvirtBridge
import Lineage

/// What a user asks of `stemma vm import --libvirt`.
package struct DomainImportRequest: Sendable {
    package var uri: String
    package var domain: String
    package var name: Name
    /// Instead of what the domain says.
    package var cpu: String?

    package init(uri: String, domain: String, name: Name) {
        (self.uri, self.domain, self.name) = (uri, domain, name)
    }
}

/// What became of a domain.
package struct DomainImportReport: Sendable, Codable {
    package let vm: VMDetails
    /// What the VM does not have of the domain, in words.
    package let leftOut: [String]

    package var text: String {
        vm.text + (leftOut.isEmpty ? "" : "\nnot taken over: " + leftOut.joined(separator: "; "))
    }
}

extension Stemma {
    /// Makes a VM of a domain of libvirt: its machine, its CPU, and the contents of its disks.
    ///
    /// The domain must be shut off, because files of disks in use are not consistent. libvirt is only read.
    package func importDomain(_ request: DomainImportRequest) async throws -> DomainImportReport {
        try await Interruption.cancelling { try await self.take(request) }
    }

    private func take(_ request: DomainImportRequest) async throws -> DomainImportReport {
        try catalogue.requireFree(vm: request.name)
        progress.step("reading the domain '\(request.domain)' from \(request.uri)")
        let found = try LibvirtConnection(uri: request.uri).domain(named: request.domain)
        let domain = try LibvirtDomain(xml: found.xml)
        if found.isActive, !domain.disks.isEmpty, domain.type != "test" {
            throw WorkflowError(
                .busy,
                "The domain '\(found.name)' is running, and its disks change: shut it down first "
                    + "('virsh -c \(request.uri) shutdown \(found.name)').")
        }
        let missing = domain.disks.map(\.path).filter { !FileManager.default.fileExists(atPath: $0) }
        guard missing.isEmpty else {
            throw WorkflowError(
                .missing,
                "The domain '\(found.name)' has disks in files that are not on this machine or cannot be seen: "
                    + missing.joined(separator: ", ") + ".")
        }
        var configuration = MachineConfiguration(
            machine: try await installation().resolveMachine(domain.machine ?? "pc"),
            cpu: try await cpuArgument(of: domain, request), memoryMiB: domain.memoryMiB, cpus: domain.cpus)
        let ingest = try store.beginIngest(label: "vm import \(request.name)")
        var commit = Commit(
            kind: EdgeKind.import.rawValue, message: "Domain '\(found.name)' of libvirt at \(request.uri)")
        commit.attributes[Attribute.source] = found.name
        for file in domain.disks {
            var disk = try configuration.addDisk()
            if let slot = file.slot, (MachineConfiguration.firstDiskSlot...0x1e).contains(slot),
                !configuration.disks.contains(where: { $0.slot == slot && $0.id != disk.id })
            {
                disk.slot = slot
                configuration.disks[configuration.disks.count - 1] = disk
            }
            commit.disks[disk.id] = try read(
                disk: file.path, format: try file.format.map(Self.format), references: .anywhere, into: ingest)
        }
        if let kernel = domain.kernel {
            commit.kernel = try blob(ofFile: kernel, ingest)
            commit.initrd = try domain.initialRamdisk.map { try blob(ofFile: $0, ingest) }
            configuration.boot = .init(
                hasInitialRamdisk: domain.initialRamdisk != nil, commandLine: domain.commandLine ?? "")
        }
        try configuration.validate()
        commit.machine = try put(configuration, in: ingest)
        try catalogue.createVM(
            request.name, commit: commit, ingest: ingest, operation: "vm import \(request.name)")
        return DomainImportReport(vm: try showVM(request.name), leftOut: domain.leftOut)
    }

    private func cpuArgument(of domain: LibvirtDomain, _ request: DomainImportRequest) async throws -> String {
        if let cpu = request.cpu { return cpu }
        guard let cpu = domain.cpu else { return "qemu64" }
        return try cpu.argument(map: try? LibvirtCPUMap(), catalog: try await modelCatalog()).description
    }

    private func blob(ofFile path: String, _ ingest: Ingest) throws -> Digest {
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw WorkflowError(.missing, "\(path), from which the domain boots, cannot be read.")
        }
        return try ingest.putBlob([UInt8](bytes))
    }
}

import ContentStore
import Foundation
import Hypervisor
import Lineage

/// The machine that a commit describes: its configuration and the files it boots from.
extension Stemma {
    /// The configuration of a commit's machine.
    package func configuration(of commit: Commit, named name: String) throws -> MachineConfiguration {
        guard let digest = commit.machine else {
            throw WorkflowError(.malformed, "\(name) has no machine configuration; its commit is incomplete.")
        }
        do {
            return try JSONDecoder().decode(MachineConfiguration.self, from: Data(store.blob(digest)))
        } catch let error as DecodingError {
            throw WorkflowError(
                .malformed, "The machine configuration of \(name) cannot be read by this version: \(error)")
        }
    }

    /// Stores a configuration. Keys are sorted, so that equal configurations are one object.
    func put(_ configuration: MachineConfiguration, in ingest: Ingest) throws -> Digest {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try ingest.putBlob([UInt8](encoder.encode(configuration)))
    }

    /// Writes the kernel and the initial RAM disk of a commit into `directory`; nil when its machine boots from a disk.
    func bootFiles(of commit: Commit, in directory: String) throws -> LaunchOptions.BootFiles? {
        guard let kernel = commit.kernel else { return nil }
        func write(_ digest: Digest, _ file: String) throws -> String {
            let path = directory + "/" + file
            try Data(store.blob(digest)).write(to: URL(fileURLWithPath: path))
            return path
        }
        return LaunchOptions.BootFiles(
            kernel: try write(kernel, "kernel"), initialRamdisk: try commit.initrd.map { try write($0, "initrd") })
    }
}

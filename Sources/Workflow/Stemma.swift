import ContentStore
import Foundation
import Hypervisor
import Lineage

/// The use cases, each in a file of its own as an extension. The command line calls nothing else.
package struct Stemma: Sendable {
    package let home: Home
    package let store: ContentStore
    package let catalogue: Catalogue
    package let progress: ProgressLog

    /// Opens the store of a home directory, and makes both when they are not there.
    package init(home: Home, progress: ProgressLog = .silent) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: home.root, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw WorkflowError(
                .io,
                "The directory \(home.root) cannot be made: \(error.localizedDescription). "
                    + "Name another one with --home or STEMMA_HOME.")
        }
        self.home = home
        self.progress = progress
        store = try ContentStore.open(at: home.store, createIfMissing: true)
        catalogue = Catalogue(store: store)
    }

    /// The runs of this home.
    package var runs: RunRegistry { RunRegistry(base: home.runs) }

    /// The QEMU of this machine.
    package func installation() throws -> QEMUInstallation { try QEMUInstallation.find() }
}

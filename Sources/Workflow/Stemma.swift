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
    /// Where QEMU is looked for before anywhere else; nil for the installed one.
    package let qemuDirectory: String?

    /// Opens the store of a home directory, and makes both when they are not there.
    ///
    /// - Parameters:
    ///   - isReadOnly: nothing is made, and not a byte of the store changes. Without it, a store that cannot be written is read
    ///     all the same.
    ///   - qemuDirectory: where `qemu-system-x86_64` is looked for before anywhere else.
    package init(
        home: Home, isReadOnly: Bool = false, qemuDirectory: String? = nil, progress: ProgressLog = .silent
    ) throws {
        self.home = home
        self.qemuDirectory = qemuDirectory
        self.progress = progress
        if !isReadOnly { try Self.make(home) }
        store = try ContentStore.open(
            at: home.store, createIfMissing: !isReadOnly, access: isReadOnly ? .readOnly : .automatic)
        catalogue = Catalogue(store: store)
    }

    private static func make(_ home: Home) throws {
        // One that is there may be on a medium that nobody writes to.
        if FileManager.default.fileExists(atPath: home.store) { return }
        do {
            try FileManager.default.createDirectory(
                atPath: home.root, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw WorkflowError(
                .io,
                "The directory \(home.root) cannot be made: \(error.localizedDescription). "
                    + "Name another one with --home or STEMMA_HOME.")
        }
    }

    /// The runs of this home.
    package var runs: RunRegistry { RunRegistry(base: home.runs) }

    /// The QEMU of this machine.
    ///
    /// A directory that was named has to hold it: falling back to another version would only show later.
    package func installation() throws -> QEMUInstallation {
        guard let qemuDirectory else { return try QEMUInstallation.find() }
        return try QEMUInstallation.find(in: [qemuDirectory])
    }
}

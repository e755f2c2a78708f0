import Foundation
import Workflow

/// A program that is measured against, and the Debian package that has it.
package struct Requirement: Sendable, Hashable {
    package let program: String
    package let package: String
    /// What makes it print its version.
    let versionArgument: String

    package init(_ program: String, package: String, version: String = "--version") {
        self.program = program
        self.package = package
        versionArgument = version
    }

    package static let restic = Requirement("restic", package: "restic", version: "version")
    package static let borg = Requirement("borg", package: "borgbackup")
    package static let casync = Requirement("casync", package: "casync")
    package static let qemu = Requirement("qemu-system-x86_64", package: "qemu-system-x86")
    package static let qemuImg = Requirement("qemu-img", package: "qemu-utils")
    package static let qemuIO = Requirement("qemu-io", package: "qemu-utils")
    package static let qemuNBD = Requirement("qemu-nbd", package: "qemu-utils")
    package static let nbdcopy = Requirement("nbdcopy", package: "libnbd-bin")

    /// Its path; nil when it is not installed.
    package func find(searchPath: String? = ProcessInfo.processInfo.environment["PATH"]) -> String? {
        ((searchPath ?? "").split(separator: ":").map(String.init) + ["/usr/bin", "/bin"])
            .map { $0 + "/" + program }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// The programs' paths by name.
    ///
    /// - Throws: `unavailable` that names every missing program and what installs them.
    package static func find(
        _ requirements: [Requirement], searchPath: String? = ProcessInfo.processInfo.environment["PATH"]
    ) throws -> [String: String] {
        var paths: [String: String] = [:]
        var missing: [Requirement] = []
        for requirement in requirements where paths[requirement.program] == nil {
            paths[requirement.program] = requirement.find(searchPath: searchPath)
            if paths[requirement.program] == nil, !missing.contains(requirement) { missing.append(requirement) }
        }
        guard missing.isEmpty else {
            let programs = missing.map(\.program).joined(separator: ", ")
            let packages = Set(missing.map(\.package)).sorted().joined(separator: " ")
            throw WorkflowError(
                .unavailable,
                "What is compared with is not installed: \(programs). Install it with "
                    + "'apt-get install \(packages)', or choose other rows with --rows.")
        }
        return paths
    }
}

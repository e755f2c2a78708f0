/// A machine type that a QEMU knows (`query-machines`).
package struct MachineType: Decodable, Sendable, Hashable {
    /// The versioned name, for example `pc-i440fx-7.2`.
    package let name: String
    /// A short name for the newest version, for example `pc`.
    package let alias: String?
    package let maximumCPUs: Int
    /// Whether a later QEMU will drop it.
    package let isDeprecated: Bool?

    private enum CodingKeys: String, CodingKey {
        case name, alias
        case maximumCPUs = "cpu-max"
        case isDeprecated = "deprecated"
    }
}

extension QEMUMonitor {
    /// The version of the running QEMU.
    package func version() async throws -> QEMURelease {
        try await client.execute("query-version", returning: QEMURelease.self)
    }

    /// The machine types that this QEMU can be started with.
    package func machines() async throws -> [MachineType] {
        try await client.execute("query-machines", returning: [MachineType].self)
    }
}

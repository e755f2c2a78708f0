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

/// A CPU model that a QEMU knows (`query-cpu-definitions`).
package struct CPUDefinition: Decodable, Sendable, Hashable {
    /// The name for `-cpu`.
    package let name: String
    /// The features that this accelerator lacks; `nil` when QEMU does not know.
    package let unavailableFeatures: [String]?
    /// The versioned model that an unversioned name stands for.
    package let aliasOf: String?

    private enum CodingKeys: String, CodingKey {
        case name
        case unavailableFeatures = "unavailable-features"
        case aliasOf = "alias-of"
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

    /// The CPU models, with what the running accelerator cannot provide.
    package func cpuDefinitions() async throws -> [CPUDefinition] {
        try await client.execute("query-cpu-definitions", returning: [CPUDefinition].self)
    }
}

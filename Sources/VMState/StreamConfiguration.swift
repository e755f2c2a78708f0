/// The part of the stream that names the machine.
package struct StreamConfiguration: Sendable, Hashable {
    /// A subsection of the configuration, with its version.
    package enum Subsection: Sendable, Hashable {
        case targetPageBits(UInt32, version: UInt32)
        case capabilities([String], version: UInt32)
        case uuid([UInt8], version: UInt32)
    }

    /// The capability of streams that leave out the contents of shared RAM blocks.
    package static let ignoreShared = "x-ignore-shared"

    /// The capability of streams whose RAM pages lie at fixed places of the file.
    package static let mappedRAM = "mapped-ram"

    /// The versioned machine type, for example `pc-i440fx-7.2`.
    package var machine: String
    /// In the order of the stream.
    package var subsections: [Subsection]

    /// Makes a configuration.
    package init(machine: String, subsections: [Subsection] = []) {
        self.machine = machine
        self.subsections = subsections
    }

    /// The migration capabilities that the stream demands of its reader.
    package var capabilities: [String] {
        subsections.flatMap { if case .capabilities(let names, _) = $0 { names } else { [String]() } }
    }

    /// Takes a capability out of the list, and the list out of the configuration when it was the last one.
    mutating func remove(capability: String) {
        subsections = subsections.compactMap { subsection in
            guard case .capabilities(let names, let version) = subsection else { return subsection }
            let rest = names.filter { $0 != capability }
            return rest.isEmpty ? nil : .capabilities(rest, version: version)
        }
    }
}

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
}

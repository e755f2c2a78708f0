/// The kinds of step that make a commit; the table is in the module's documentation.
package enum EdgeKind: String, Sendable, CaseIterable {
    case image
    case create
    case configure
    case clone
    case run
    /// An NBD client wrote to the disks.
    case write
    case snapshot
    case `import`
    case convert
    case experiment
    /// Tags and a note of a snapshot: a commit beside the lineage, which no drawing shows.
    case note

    /// The kinds that the lineage shows.
    package static var shown: [EdgeKind] { allCases.filter { $0 != .note } }
}

/// The names that Stemma gives to a commit's attributes.
package enum Attribute {
    /// "kvm" or "tcg": what ran the guest when the snapshot was taken.
    package static let accelerator = "accelerator"
    /// The version of QEMU that wrote the state.
    package static let qemu = "qemu"
    /// The CPU model string that QEMU was given.
    package static let cpu = "cpu"
    /// The complete command line of QEMU.
    package static let commandLine = "command-line"
    /// The fixes of a conversion, ids separated by commas.
    package static let fixes = "fixes"
    /// Where an image or an imported snapshot came from.
    package static let source = "source"
    /// One line of what an experiment found.
    package static let outcome = "outcome"
    /// The tags that a snapshot was saved with, separated by commas.
    package static let tags = "tags"
    /// What somebody wrote about a snapshot.
    package static let note = "note"
}

import VMState

/// A subsection that a section has to have, because QEMU leaves it out while its fields have their usual values.
package struct NeededSubsection: Sendable, Hashable {
    package var name: String
    /// The field of the section whose format the subsection belongs to; nil for the section's own format.
    package var structure: String?
    package var fields: [SubsectionField]
    /// Its version in QEMU.
    package var version: UInt32

    package init(
        _ name: String, inside structure: String? = nil, version: UInt32 = 1, fields: [SubsectionField]
    ) {
        self.name = name
        self.structure = structure
        self.version = version
        self.fields = fields
    }

    /// Path of the subsection in its section.
    package var path: String { structure.map { "\($0).\(name)" } ?? name }
}

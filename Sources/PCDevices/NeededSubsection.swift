import VMState

/// A subsection that a section has to have, because QEMU leaves it out while its fields have their usual values.
package struct NeededSubsection: Sendable, Hashable {
    package var name: String
    /// The field of the section whose format the subsection belongs to; nil for the section's own format.
    package var structure: String?
    package var fields: [SubsectionField]

    package init(_ name: String, inside structure: String? = nil, fields: [SubsectionField]) {
        self.name = name
        self.structure = structure
        self.fields = fields
    }

    /// Path of the subsection in its section.
    package var path: String { structure.map { "\($0).\(name)" } ?? name }
}

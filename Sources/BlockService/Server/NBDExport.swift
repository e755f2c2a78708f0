/// A disk under a name that clients ask for.
package struct NBDExport: Sendable {
    /// Longest string of the protocol, in bytes.
    static let maximumStringLength = 4096

    package var name: String
    /// For people, shown by `nbdinfo --list`.
    package var description: String
    package let source: any BlockSource
    /// The source, when clients may write to it.
    let writable: (any WritableBlockSource)?

    /// A disk that clients can only read, also when the source could be written to.
    package init(name: String, description: String = "", source: any BlockSource) {
        self.name = name
        self.description = description
        self.source = source
        writable = nil
    }

    /// A disk that clients can write to.
    package init(name: String, description: String = "", writable source: any WritableBlockSource) {
        self.name = name
        self.description = description
        self.source = source
        writable = source
    }
}

/// The exports of a server by name.
struct NBDExportTable: Sendable {
    let exports: [NBDExport]

    /// - Throws: `.invalidExport` for names that the protocol cannot carry or that occur twice.
    init(_ exports: [NBDExport]) throws(BlockServiceError) {
        var names: Set<String> = []
        for export in exports {
            guard export.name.utf8.count <= NBDExport.maximumStringLength,
                export.description.utf8.count <= NBDExport.maximumStringLength, !export.name.utf8.contains(0)
            else {
                throw BlockServiceError(
                    .invalidExport,
                    "an export name or description is longer than 4096 bytes or contains NUL; choose a shorter, plain one"
                )
            }
            guard names.insert(export.name).inserted else {
                throw BlockServiceError(
                    .invalidExport, "two exports are named \"\(export.name)\"; give each its own name")
            }
        }
        self.exports = exports
    }

    /// The export with this name; the empty name is also the only export's.
    func find(_ name: String) -> NBDExport? {
        if let export = exports.first(where: { $0.name == name }) { return export }
        return name.isEmpty && exports.count == 1 ? exports.first : nil
    }
}

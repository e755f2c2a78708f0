import VMState

/// A change of one place in a stream.
package struct StreamChange: Sendable, Hashable, Codable {
    /// Name of the section with its instance.
    package var section: String
    /// Path of the field; nil for the whole section.
    package var field: String?
    /// What was there.
    package var before: String
    /// What is there now.
    package var after: String

    /// Makes a change.
    package init(section: String, field: String? = nil, before: String, after: String) {
        self.section = section
        self.field = field
        self.before = before
        self.after = after
    }
}

/// What a fix did.
package struct AppliedFix: Sendable, Hashable, Codable {
    /// Id of the fix.
    package var fix: String
    /// Id of the check whose findings it answers.
    package var check: String
    /// All changes of the stream.
    package var changes: [StreamChange]
    /// All changes of RAM.
    package var memory: [MemoryChange] = []
}

/// A pass over a stream that removes the cause of a check's findings.
package protocol StreamFix: Sendable {
    /// Fixed id, for example `recompute-hflags`.
    static var id: String { get }

    /// Edits a stream.
    ///
    /// - Returns: all changes; none if there was nothing to do.
    func apply(to stream: inout MigrationStream) throws(VMStateError) -> [StreamChange]
}

/// The fixes of the product.
package enum StreamFixes {
    /// By their ids.
    package static let all: [String: any StreamFix] = [
        RemoveKVMSections.id: RemoveKVMSections(), RecomputeHiddenFlags.id: RecomputeHiddenFlags(),
        ContinueTimeStampCounter.id: ContinueTimeStampCounter(),
    ]
}

import GuestInspection
import VMState

/// A snapshot while fixes edit it: the stream, and RAM over the unchanged original.
package struct EditableSnapshot: Sendable {
    /// The stream without RAM.
    package var stream: MigrationStream
    /// RAM as the guest addresses it.
    package var memory: MemoryOverlay

    /// Makes one without edits.
    package init(stream: MigrationStream, memory: any GuestMemory) {
        self.stream = stream
        self.memory = MemoryOverlay(memory)
    }
}

/// Why a fix did not do its work; nothing of it stays in the snapshot then.
package struct FixRefusal: Error, Sendable, Hashable, CustomStringConvertible {
    /// What does not fit, for people.
    package var reason: String

    /// Makes a refusal.
    package init(_ reason: String) { self.reason = reason }

    package var description: String { reason }
}

/// A pass over stream and RAM together that removes the cause of a check's findings; see ``StreamFix`` for passes that need no RAM.
package protocol SnapshotFix: Sendable {
    /// Fixed id, for example `reset-steal-time`.
    static var id: String { get }

    /// Edits a snapshot. Changes of RAM are recorded by the overlay.
    ///
    /// - Parameter context: the snapshot as it was before any fix, and the target.
    /// - Returns: all changes of the stream; none if there was nothing to do there.
    /// - Throws: ``FixRefusal`` if the guest is not as the fix needs it; errors of the stream or of memory.
    func apply(to snapshot: inout EditableSnapshot, context: CheckContext) throws -> [StreamChange]
}

/// The fixes of the product that need RAM.
package enum SnapshotFixes {
    /// By their ids; no id is also one of ``StreamFixes``.
    package static let all: [String: any SnapshotFix] = [:]
}

/// How bad a finding is; the order is that of badness.
package enum Severity: String, Sendable, Hashable, Codable, Comparable, CaseIterable {
    /// The check found nothing.
    case ok
    /// Good to know.
    case note
    /// May matter, or cannot be known.
    case warning
    /// Will go wrong, and a fix exists.
    case fixable
    /// Will go wrong, and nothing can be done about it in the snapshot.
    case fatal

    package static func < (left: Severity, right: Severity) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .ok: 0
        case .note: 1
        case .warning: 2
        case .fixable: 3
        case .fatal: 4
        }
    }
}

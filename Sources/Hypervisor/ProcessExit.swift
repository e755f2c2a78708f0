/// How a child process ended.
package enum ProcessExit: Sendable, Hashable, Codable, CustomStringConvertible {
    /// It called `exit` with this status (0...255).
    case code(Int32)
    /// This signal ended it.
    case signal(Int32)

    /// Whether the process ended with status 0.
    package var isSuccess: Bool { self == .code(0) }

    package var description: String {
        switch self {
        case .code(let status): "exit status \(status)"
        case .signal(let number): "signal \(number)"
        }
    }
}

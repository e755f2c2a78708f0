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

extension ProcessExit {
    private enum Keys: String, CodingKey { case status, signal }

    /// `{"status": 0}` or `{"signal": 9}`.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Keys.self)
        if let number = try container.decodeIfPresent(Int32.self, forKey: .signal) {
            self = .signal(number)
        } else {
            self = .code(try container.decode(Int32.self, forKey: .status))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Keys.self)
        switch self {
        case .code(let status): try container.encode(status, forKey: .status)
        case .signal(let number): try container.encode(number, forKey: .signal)
        }
    }
}

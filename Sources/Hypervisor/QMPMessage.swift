import CPUModel
import Foundation

/// A message of the server, taken apart as far as is needed to route it.
package enum QMPMessage: Sendable {
    /// The first message: the version of QEMU.
    case greeting(QEMURelease)
    /// A command succeeded; `line` is the whole message, whose `return` member the caller decodes.
    case success(id: Int64?, line: [UInt8])
    /// A command failed.
    case failure(id: Int64?, class: String, description: String)
    case event(QMPEvent)

    /// Parses one line.
    ///
    /// - Throws: ``HypervisorError`` with `.malformedMessage`.
    package init(line: [UInt8]) throws(HypervisorError) {
        let envelope: Envelope
        do {
            envelope = try JSONDecoder().decode(Envelope.self, from: Data(line))
        } catch {
            throw Self.malformed(line, "it is no JSON object of QMP")
        }
        if let name = envelope.event {
            self = .event(
                QMPEvent(
                    name: name, data: envelope.data ?? [:], seconds: envelope.timestamp?.seconds ?? 0,
                    microseconds: envelope.timestamp?.microseconds ?? 0))
        } else if let error = envelope.error {
            self = .failure(id: envelope.id, class: error.class, description: error.desc)
        } else if let greeting = envelope.greeting {
            self = .greeting(greeting.version)
        } else if envelope.hasReturn {
            self = .success(id: envelope.id, line: line)
        } else {
            throw Self.malformed(line, "it has none of the members return, error, event and QMP")
        }
    }

    static func malformed(_ line: [UInt8], _ reason: String) -> HypervisorError {
        HypervisorError(
            .malformedMessage, "A message on the QMP socket cannot be used: \(reason).",
            cause: String(decoding: line.prefix(200), as: UTF8.self))
    }

    /// The members of every kind of message; `return` is left for the command's own decoder.
    private struct Envelope: Decodable {
        struct Failure: Decodable {
            let `class`: String
            let desc: String
        }
        struct Timestamp: Decodable {
            let seconds: Int64
            let microseconds: Int64
        }
        struct Greeting: Decodable { let version: QEMURelease }

        enum Keys: String, CodingKey {
            case id, error, event, data, timestamp
            case result = "return"
            case greeting = "QMP"
        }

        let id: Int64?
        let error: Failure?
        let event: String?
        let data: JSONValue?
        let timestamp: Timestamp?
        let greeting: Greeting?
        let hasReturn: Bool

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Keys.self)
            id = try container.decodeIfPresent(Int64.self, forKey: .id)
            error = try container.decodeIfPresent(Failure.self, forKey: .error)
            event = try container.decodeIfPresent(String.self, forKey: .event)
            data = try container.decodeIfPresent(JSONValue.self, forKey: .data)
            timestamp = try container.decodeIfPresent(Timestamp.self, forKey: .timestamp)
            greeting = try container.decodeIfPresent(Greeting.self, forKey: .greeting)
            hasReturn = container.contains(.result)
        }
    }
}

/// What a QEMU says of itself in the QMP greeting and to `query-version`.
package struct QEMURelease: Sendable, Hashable, Codable, CustomStringConvertible {
    package let version: QEMUVersion
    /// The distribution's package version, for example `Debian 1:7.2+dfsg-7`; empty for a build without one.
    package let package: String

    package init(_ version: QEMUVersion, package: String = "") {
        self.version = version
        self.package = package
    }

    private enum CodingKeys: String, CodingKey {
        case version = "qemu"
        case package
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        version = try container.decode(QEMUVersion.self, forKey: .version)
        package = try container.decodeIfPresent(String.self, forKey: .package) ?? ""
    }

    package var description: String { "\(version)" + (package.isEmpty ? "" : " (\(package))") }
}

import Foundation

/// What a run directory says about itself, for other processes and for people.
package struct RunRecord: Codable, Sendable, Hashable {
    /// The layout of this record; 1.
    package var formatVersion: Int
    /// The name of the run directory.
    package var id: String
    /// The VM's name, as the user calls it.
    package var name: String
    /// What the run is for, as the user calls it: `prep`, `kvm`, ....
    package var purpose: String
    /// The process that owns the run.
    package var ownerProcess: Int32
    package var startedAt: Date
    package var paths: RunPaths
    /// The machine; absent until QEMU is started.
    package var configuration: MachineConfiguration?
    package var commandLine: QEMUCommandLine?
    package var accelerator: LaunchOptions.Accelerator?
    /// QEMU's process; absent until it is started.
    package var qemuProcess: Int32?

    init(id: String, name: String, purpose: String, ownerProcess: Int32, startedAt: Date, paths: RunPaths) {
        self.formatVersion = 1
        self.id = id
        self.name = name
        self.purpose = purpose
        self.ownerProcess = ownerProcess
        self.startedAt = startedAt
        self.paths = paths
    }
}

/// How a run ended; `result.json` in the run directory.
package struct RunResult: Codable, Sendable, Hashable {
    package var exit: ProcessExit
    package var endedAt: Date
    /// The last part of QEMU's stderr.
    package var standardError: String
    /// The snapshots in the overlays when QEMU had ended.
    package var snapshots: [InternalSnapshot]
    /// Why the overlays could not be searched; the snapshots are those that QEMU reported then.
    package var problem: String?
}

/// JSON files of a run: ISO 8601 dates, sorted keys, replaced in one step.
enum RunFiles {
    /// The time in whole seconds, so that it reads back as it was written.
    static func now() -> Date { Date(timeIntervalSince1970: Date().timeIntervalSince1970.rounded(.down)) }

    static func write(_ value: some Encodable, to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        try write(text: encoder.encode(value), to: path)
    }

    /// Writes a file under a temporary name and renames it, so that no reader sees a part.
    static func write(text: Data, to path: String) throws(HypervisorError) {
        let temporary = path + ".new"
        do {
            let file = try FileDescriptor(opening: temporary, O_WRONLY | O_CREAT | O_TRUNC)
            try file.writeAll(Array(text), to: path)
        }
        guard rename(temporary, path) == 0 else { throw .system("rename \(temporary)") }
    }

    /// Reads a JSON file of at most 4 MiB; `nil` when there is none.
    static func read<Value: Decodable>(_ type: Value.Type, from path: String) throws -> Value? {
        let bytes: [UInt8]
        do {
            bytes = try FileDescriptor(opening: path, O_RDONLY).readAll(limit: 4 << 20)
        } catch {
            if error.code == .io(errno: ENOENT) { return nil }
            throw error
        }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        do {
            return try decoder.decode(type, from: Data(bytes))
        } catch {
            throw HypervisorError(
                .invalidConfiguration, "\(path) cannot be read as JSON; remove the run's directory.", cause: "\(error)")
        }
    }
}

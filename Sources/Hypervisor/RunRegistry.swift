import Foundation

/// The runs below a base directory, as any process of the user sees them.
package struct RunRegistry: Sendable {
    /// The state of a run directory.
    package enum State: Sendable, Hashable {
        /// Its owner or its QEMU lives.
        case alive
        /// It ended in order and left this result.
        case ended(RunResult)
        /// Its owner died without writing a result; the overlays may hold snapshots.
        case abandoned
    }

    /// A run directory and its state.
    package struct Entry: Sendable, Hashable {
        package let record: RunRecord
        package let state: State
    }

    package let base: String

    package init(base: String) { self.base = base }

    /// All runs, oldest first. Directories without a readable record are left out.
    package func entries() throws -> [Entry] {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: base)
        } catch CocoaError.fileReadNoSuchFile {
            return []
        } catch {
            throw HypervisorError(
                .io(errno: EIO), "Cannot list the runs in \(base).", cause: error.localizedDescription)
        }
        let entries = names.compactMap { name -> Entry? in
            let directory = base + "/" + name
            guard let record = try? RunFiles.read(RunRecord.self, from: directory + "/run.json"),
                record.id == name
            else { return nil }
            let isAlive = (try? RunLock.isHeld(directory + "/lock")) ?? true
            if isAlive { return Entry(record: record, state: .alive) }
            let result = try? RunFiles.read(RunResult.self, from: directory + "/result.json")
            return Entry(record: record, state: result.map { .ended($0) } ?? .abandoned)
        }
        return entries.sorted { ($0.record.startedAt, $0.record.id) < ($1.record.startedAt, $1.record.id) }
    }

    /// The records of all living runs, oldest first.
    package func running() throws -> [RunRecord] {
        try entries().filter { $0.state == .alive }.map(\.record)
    }

    /// The living run of a VM, or `nil`; with several, the newest.
    package func running(name: String) throws -> RunRecord? {
        try running().last { $0.name == name }
    }

    /// Deletes a run that is not alive.
    ///
    /// - Throws: ``HypervisorError`` with `.alreadyRunning` when it is alive.
    package func remove(_ record: RunRecord) throws {
        if try RunLock.isHeld(record.paths.lockFile) {
            throw HypervisorError(.alreadyRunning, "\(record.name) is still running; end the run before it is removed.")
        }
        try RunDirectory.remove(record.paths)
    }

    /// Connects to the living run of a VM, from another process than its owner.
    ///
    /// - Throws: ``HypervisorError`` with `.notRunning` when the VM is not running, `.timeout` when another process
    ///   keeps the control socket busy.
    package func connect(name: String, timeout: Duration = .seconds(10)) async throws -> RunningMachine {
        guard let record = try running(name: name) else {
            throw HypervisorError(.notRunning, "\(name) is not running. Start it with 'stemma run'.")
        }
        guard let configuration = record.configuration else {
            throw HypervisorError(.notRunning, "\(name) is just starting. Try again in a moment.")
        }
        let client = try await QMPClient.connect(toSocket: record.paths.controlSocket, timeout: timeout)
        return RunningMachine(record: record, monitor: QEMUMonitor(client: client, configuration: configuration))
    }
}

/// A machine that another process runs, reached over its control socket.
package struct RunningMachine: Sendable {
    package let record: RunRecord
    package let monitor: QEMUMonitor

    /// Gives the control socket free for others.
    package func disconnect() async { await monitor.client.close() }
}

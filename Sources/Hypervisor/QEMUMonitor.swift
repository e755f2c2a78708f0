/// The commands of a running machine, typed. Used by the run's owner and, over the control socket, by other processes.
package struct QEMUMonitor: Sendable {
    package let client: QMPClient
    package let configuration: MachineConfiguration

    package init(client: QMPClient, configuration: MachineConfiguration) {
        self.client = client
        self.configuration = configuration
    }

    /// The guest's run state (QEMU, qapi/run-state.json).
    package struct Status: Decodable, Sendable, Hashable {
        /// Whether the guest's CPUs run.
        package let running: Bool
        /// `running`, `paused`, `inmigrate`, `shutdown`, `internal-error`, `io-error`, ....
        package let status: String
    }

    /// Asks for the run state.
    package func status(timeout: Duration? = nil) async throws -> Status {
        try await client.execute("query-status", returning: Status.self, timeout: timeout)
    }

    /// Stops the guest's CPUs.
    package func stopGuest() async throws { try await client.execute("stop") }

    /// Lets the guest's CPUs run.
    package func continueGuest() async throws { try await client.execute("cont") }

    /// Presses the guest's power button. Whether it reacts is the guest's affair.
    package func powerDown() async throws { try await client.execute("system_powerdown") }

    /// Tells QEMU to end at once. The connection may break before the answer: that counts as success.
    package func quit() async throws {
        do {
            try await client.execute("quit")
        } catch let error as HypervisorError where error.code == .disconnected {}
    }

    /// Types a line into the human monitor and returns what it prints.
    package func humanCommand(_ line: String) async throws -> String {
        try await client.execute(
            "human-monitor-command", arguments: ["command-line": .string(line)], returning: String.self)
    }

    /// Writes the machine state as a migration stream into a file; the guest stops and stays stopped (`postmigrate`).
    ///
    /// - Throws: ``HypervisorError`` with `.snapshotFailed` and QEMU's text.
    package func migrate(toFile path: String) async throws {
        let quoted = QEMUCommandLine.quoted(path)
        _ = try await client.execute(
            "migrate", arguments: ["uri": .string("exec:cat > \(quoted)")], returning: JSONValue.self)
        while true {
            let progress = try await migration()
            switch progress.status {
            case "completed": return
            case "failed", "cancelled":
                throw HypervisorError(
                    .snapshotFailed, "QEMU could not write its machine state to \(path).", cause: progress.failure)
            default: try await Task.sleep(for: .milliseconds(10))
            }
        }
    }

    /// The state of an incoming or outgoing migration.
    package struct Migration: Decodable, Sendable, Hashable {
        /// `none setup active completed failed ...`; absent when there was no migration.
        package let status: String?
        /// QEMU's text for a failure.
        package let failure: String?

        private enum CodingKeys: String, CodingKey {
            case status
            case failure = "error-desc"
        }
    }

    /// Asks for the state of a migration.
    package func migration() async throws -> Migration {
        try await client.execute("query-migrate", returning: Migration.self)
    }

    /// Tells a machine that was started with `-incoming defer` to listen for a stream on a unix socket.
    package func listenForStream(onSocket path: String) async throws {
        _ = try await client.execute(
            "migrate-incoming", arguments: ["uri": .string("unix:" + path)], returning: JSONValue.self)
    }
}

import Foundation
import Synchronization

/// A QEMU that this process runs: started, watched and ended here.
///
/// Disks are qcow2 overlays in the run directory, so whatever happens nothing but the run directory changes. When
/// QEMU ends, for whatever reason, the overlays are searched for snapshots and ``RunResult`` is written.
package final class QEMUProcess: Sendable {
    package let run: RunDirectory
    package let configuration: MachineConfiguration
    package let options: LaunchOptions
    package let commandLine: QEMUCommandLine
    package let monitor: QEMUMonitor
    let child: ChildProcess
    let supervisor: Supervisor
    private let ending: Task<RunResult, Never>

    init(
        run: RunDirectory, configuration: MachineConfiguration, options: LaunchOptions,
        commandLine: QEMUCommandLine, monitor: QEMUMonitor, child: ChildProcess, images: ImageTool,
        terminal: TerminalState?
    ) {
        self.run = run
        self.configuration = configuration
        self.options = options
        self.commandLine = commandLine
        self.monitor = monitor
        self.child = child
        let supervisor = Supervisor(
            run: run, configuration: configuration, monitor: monitor, child: child, images: images,
            terminal: terminal)
        self.supervisor = supervisor
        let events = monitor.client.events()
        self.ending = Task { await supervisor.supervise(events) }
    }

    /// The process number of QEMU.
    package var processID: Int32 { child.id }

    /// Snapshots that appear in the overlays, whoever makes them: ``saveSnapshot(_:then:)``, another process over the
    /// control socket, or a person who types `savevm` into the monitor. Finishes when QEMU has ended and the overlays
    /// have been searched; then nothing is missing. There is one stream for one consumer.
    package var snapshotChanges: AsyncStream<SnapshotChange> { supervisor.changes }

    /// Waits until QEMU has ended and the result is written.
    ///
    /// - Throws: `CancellationError` when the task is cancelled first; QEMU runs on then.
    package func waitForExit() async throws -> RunResult {
        guard await child.waitForExit() != nil else { throw CancellationError() }
        return await ending.value
    }

    /// Ends QEMU: asks over QMP, then SIGTERM, then SIGKILL. Works in a cancelled task too.
    ///
    /// - Parameter grace: how long QEMU may take after the request and again after SIGTERM.
    @discardableResult
    package func quit(grace: Duration = .seconds(10)) async -> RunResult {
        let child = child
        let monitor = monitor
        // A task of its own, because waiting does not work in a cancelled task.
        await Task {
            if child.exit != nil { return }
            _ = try? await withTimeout(grace) { try await monitor.quit() }
            if await child.waitForExit(within: grace) != nil { return }
            child.signal(SIGTERM)
            if await child.waitForExit(within: grace) != nil { return }
            child.signal(SIGKILL)
        }.value
        return await ending.value
    }

    /// Kills QEMU at once, as a crash would. Finished snapshots stay.
    @discardableResult
    package func kill() async -> RunResult {
        child.signal(SIGKILL)
        return await ending.value
    }

    /// The last part of QEMU's stderr.
    package var standardError: String { LogFile(path: run.paths.errorLog).tail() }

    /// The error for a QEMU that has ended although it should not have.
    func endedEarly(_ exit: ProcessExit, while doing: String) -> HypervisorError {
        Self.endedEarly(exit, while: doing, log: LogFile(path: run.paths.errorLog))
    }

    static func endedEarly(_ exit: ProcessExit, while doing: String, log: LogFile) -> HypervisorError {
        let text = log.tail()
        let cause = text.trimmingCharacters(in: .whitespacesAndNewlines)
        return HypervisorError(
            .qemuFailed(exit: exit, stderr: text),
            "QEMU ended \(doing) (\(exit))." + (cause.isEmpty ? "" : " It said:"), cause: cause)
    }
}

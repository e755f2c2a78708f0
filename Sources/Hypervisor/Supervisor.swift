import Foundation
import Synchronization

/// Watches a running QEMU: notices snapshots and stops, and writes the result when QEMU has ended.
final class Supervisor: Sendable {
    private struct State {
        var snapshots: [InternalSnapshot] = []
        var trouble: String?
    }

    let changes: AsyncStream<SnapshotChange>
    private let changed: AsyncStream<SnapshotChange>.Continuation
    private let state = Mutex(State())
    private let run: RunDirectory
    private let configuration: MachineConfiguration
    private let monitor: QEMUMonitor
    private let child: ChildProcess
    private let images: ImageTool
    private let terminal: TerminalState?

    init(
        run: RunDirectory, configuration: MachineConfiguration, monitor: QEMUMonitor, child: ChildProcess,
        images: ImageTool, terminal: TerminalState?
    ) {
        (changes, changed) = AsyncStream.makeStream(of: SnapshotChange.self)
        self.run = run
        self.configuration = configuration
        self.monitor = monitor
        self.child = child
        self.images = images
        self.terminal = terminal
    }

    /// The run state in which the guest has stopped and will not go on by itself, for example `internal-error`.
    var trouble: String? { state.withLock { $0.trouble } }

    /// Follows the events until QEMU has ended.
    func supervise(_ events: AsyncStream<QMPEvent>) async -> RunResult {
        for await event in events {
            switch event.kind {
            case .stop: await noteTrouble()
            case .resume:
                state.withLock { $0.trouble = nil }
                // savevm in the human monitor shows as STOP and RESUME, nothing else.
                await refresh()
            case .jobStatusChange(_, "concluded"): await refresh()
            default: break
            }
        }
        var exit = await child.waitForExit()
        while exit == nil { exit = await child.waitForExit() }
        terminal?.restore()
        return await finish(exit ?? .code(0))
    }

    /// Asks QEMU for the list of snapshots and reports what changed.
    private func refresh() async {
        guard let list = try? await monitor.snapshots() else { return }
        report(list)
    }

    private func noteTrouble() async {
        guard let status = try? await monitor.status(),
            ["internal-error", "io-error", "guest-panicked"].contains(status.status)
        else { return }
        state.withLock { $0.trouble = status.status }
    }

    private func report(_ list: [InternalSnapshot]) {
        let difference = state.withLock { state in
            defer { state.snapshots = list }
            return SnapshotChange.changes(from: state.snapshots, to: list)
        }
        for change in difference {
            switch change {
            case .saved(let snapshot) where snapshot.lacksMemory: break
            case .removed(let name) where name.hasPrefix(InternalSnapshot.capturePrefix): break
            default: changed.yield(change)
            }
        }
    }

    /// Searches the overlays and writes the result.
    private func finish(_ exit: ProcessExit) async -> RunResult {
        let nodes = configuration.snapshotNodes.compactMap { node in
            run.paths.image(ofNode: node, in: configuration).map { (node: node, path: $0) }
        }
        var problem: String?
        do {
            report(try await images.snapshots(in: nodes))
        } catch {
            problem = "\(error)"
        }
        let result = RunResult(
            exit: exit, endedAt: RunFiles.now(), standardError: LogFile(path: run.paths.errorLog).tail(),
            snapshots: state.withLock { $0.snapshots }, problem: problem)
        do {
            try RunFiles.write(result, to: run.paths.resultFile)
        } catch {
            // The run then counts as abandoned, and its overlays are kept.
        }
        changed.finish()
        return result
    }
}

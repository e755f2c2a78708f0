import Benchmarking
import Foundation
import Hypervisor
import Lineage
import Synchronization
import Workflow

/// The guest under QEMU's translator, resumed as `stemma run VM:SNAPSHOT prep` does it.
struct TranslatorGuest {
    let bench: EngineBench

    /// Resumes the snapshot, runs a workload and its check, and ends QEMU.
    func run(_ workload: Workload) async throws -> GuestRun {
        let stemma = try bench.preparedGuest().open()
        var request = RunRequest(try Reference(parsing: BenchGuest.snapshot), mode: .prep)
        // Whether it lives is seen at its console.
        request.watch = .zero
        let socket = bench.path("console.sock")
        bench.remove("console.sock")
        let limit = bench.request.limit
        let result = ResultBox()
        _ = try await stemma.run(request) { process, _ in
            // The console is a file; from now on it is a socket with somebody at its other end.
            _ = try await process.monitor.client.execute(
                "chardev-change", arguments: Self.console(socket), returning: JSONValue.self)
            guard let connection = LocalConnection(socket: socket) else {
                throw WorkflowError(.unavailable, "QEMU does not listen at \(socket).")
            }
            var run = try Self.run(workload.command, on: connection, limit: limit)
            if let check = workload.check { run.checked = try Self.run(check, on: connection, limit: limit).output }
            let done = run
            result.run.withLock { $0 = done }
        }
        guard let run = result.run.withLock({ $0 }) else {
            throw WorkflowError(.unavailable, "QEMU ended before '\(workload.command)' did.")
        }
        return run
    }

    /// Arguments of QMP's `chardev-change` (QEMU, qapi/char.json).
    private static func console(_ socket: String) -> JSONValue {
        [
            "id": "serial0",
            "backend": [
                "type": "socket",
                "data": [
                    "addr": ["type": "unix", "data": ["path": .string(socket)]], "server": .bool(true),
                    "wait": .bool(false),
                ],
            ],
        ]
    }

    private static func run(_ command: String, on console: LocalConnection, limit: Int) throws -> GuestRun {
        let clock = ContinuousClock()
        let start = clock.now
        try console.send(ConsoleCommand(command).line)
        let text = try console.text(before: ConsoleCommand.endMark, seconds: limit)
        let status = try console.text(before: ConsoleCommand.statusEnd, seconds: 10)
        return GuestRun(
            seconds: (clock.now - start) / .seconds(1), status: status, output: ConsoleCommand.output(of: text))
    }

    /// Carries the result out of a run.
    private final class ResultBox: Sendable {
        let run = Mutex<GuestRun?>(nil)
    }
}

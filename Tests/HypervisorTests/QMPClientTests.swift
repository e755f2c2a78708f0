import CPUModel
import Foundation
import Hypervisor
import Testing

@Suite struct QMPClientTests {
    /// Greets, accepts the capabilities and hands every other command to `answer`.
    private func monitor(
        _ directory: TemporaryDirectory, answer: @escaping @Sendable (_ line: String, _ id: Int) -> String?
    ) throws -> FakeMonitor {
        try FakeMonitor(in: directory) { line in
            guard let line else { return FakeMonitor.greeting + "\r\n" }
            let id = FakeMonitor.id(line)
            if line.contains("qmp_capabilities") { return "{\"return\": {}, \"id\": \(id)}\r\n" }
            return answer(line, id)
        }
    }

    private func connect(_ monitor: FakeMonitor, limit: Int = QMPClient.messageLimit) async throws -> QMPClient {
        try await QMPClient.connect(toSocket: monitor.path, timeout: .seconds(30), messageLimit: limit)
    }

    @Test func commandsEventsAndErrors() async throws {
        try await TemporaryDirectory.with { directory in
            let fake = try monitor(directory) { line, id in
                if line.contains("query-status") {
                    return #"{"timestamp": {"seconds": 3, "microseconds": 4}, "event": "STOP"}"# + "\r\n"
                        + "{\"return\": {\"running\": false, \"status\": \"paused\"}, \"id\": \(id)}\r\n"
                }
                return "{\"id\": \(id), \"error\": {\"class\": \"GenericError\", \"desc\": \"it is Sunday\"}}\r\n"
            }
            let client = try await connect(fake)
            #expect(client.version == QEMURelease(QEMUVersion(7, 2)))
            let events = client.events()
            let monitor = QEMUMonitor(
                client: client, configuration: MachineConfiguration(machine: "pc", cpu: "q", memoryMiB: 1))
            #expect(try await monitor.status().status == "paused")
            for await event in events {
                #expect(event.kind == .stop && event.seconds == 3)
                break
            }
            let error = try await hypervisorError { try await monitor.continueGuest() }
            #expect(error.code == .qmp(class: "GenericError"))
            #expect(error.cause == "it is Sunday")
            await client.close()
        }
    }

    @Test func unexpectedResultIsAnError() async throws {
        try await TemporaryDirectory.with { directory in
            let fake = try monitor(directory) { _, id in "{\"return\": [1], \"id\": \(id)}\r\n" }
            let client = try await connect(fake)
            let error = try await hypervisorError {
                _ = try await client.execute("query-status", returning: QEMUMonitor.Status.self)
            }
            #expect(error.code == .malformedMessage)
            await client.close()
        }
    }

    @Test func malformedJSONEndsTheConnection() async throws {
        try await TemporaryDirectory.with { directory in
            let fake = try monitor(directory) { _, _ in "{\"return\": \r\n" }
            let client = try await connect(fake)
            let events = client.events()
            let error = try await hypervisorError { try await client.execute("stop") }
            #expect(error.code == .malformedMessage)
            for await _ in events { Issue.record("no event was sent") }
            let later = try await hypervisorError { try await client.execute("stop") }
            #expect(later.code == .malformedMessage)
        }
    }

    @Test func messagesAreBounded() async throws {
        try await TemporaryDirectory.with { directory in
            let fake = try monitor(directory) { _, _ in String(repeating: "x", count: 5_000) }
            let client = try await connect(fake, limit: 4_096)
            let error = try await hypervisorError { try await client.execute("stop") }
            #expect(error.code == .malformedMessage)
        }
    }

    @Test func disconnectFailsAllPendingCommands() async throws {
        try await TemporaryDirectory.with { directory in
            let fake = try monitor(directory) { line, _ in line.contains("system_powerdown") ? nil : "" }
            let client = try await connect(fake)
            try await withThrowingTaskGroup(of: HypervisorError.self) { group in
                for _ in 0..<5 {
                    group.addTask { try await hypervisorError { try await client.execute("stop") } }
                }
                group.addTask { try await hypervisorError { try await client.execute("system_powerdown") } }
                for try await error in group { #expect(error.code == .disconnected) }
            }
            let later = try await hypervisorError { try await client.execute("stop") }
            #expect(later.code == .disconnected)
        }
    }

    @Test func answersMayComeOutOfOrder() async throws {
        try await TemporaryDirectory.with { directory in
            let held = Held()
            let fake = try monitor(directory) { line, id in
                guard let first = held.swap(id) else { return "" }
                return "{\"return\": \"second\", \"id\": \(id)}\r\n{\"return\": \"first\", \"id\": \(first)}\r\n"
            }
            let client = try await connect(fake)
            async let one = client.execute("a", returning: String.self)
            async let two = client.execute("b", returning: String.self)
            let answers = try await [one, two]
            #expect(Set(answers) == ["first", "second"])
            await client.close()
        }
    }

    @Test func silenceRunsIntoTheLimit() async throws {
        try await TemporaryDirectory.with { directory in
            let silent = try FakeMonitor(in: directory) { _ in "" }
            let error = try await hypervisorError {
                _ = try await QMPClient.connect(toSocket: silent.path, timeout: .milliseconds(50))
            }
            #expect(error.code == .timeout)
        }
        try await TemporaryDirectory.with { directory in
            let fake = try monitor(directory) { _, _ in "" }
            let client = try await connect(fake)
            let error = try await hypervisorError { try await client.execute("stop", timeout: .milliseconds(50)) }
            #expect(error.code == .timeout)
            await client.close()
        }
    }

    @Test func missingSocketIsAnError() async throws {
        let error = try await hypervisorError {
            _ = try await QMPClient.connect(toSocket: "/nowhere/qmp.sock", timeout: .seconds(5))
        }
        #expect(error.code == .io(errno: ENOENT))
    }
}

/// Keeps the first of two ids.
private final class Held: @unchecked Sendable {
    // Unchecked: only the fake monitor's one thread uses it.
    private var id: Int?

    func swap(_ new: Int) -> Int? {
        defer { id = new }
        return id
    }
}

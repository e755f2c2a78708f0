import Foundation

extension QEMUProcess {
    /// Loads a migration stream into a machine that was launched with ``LaunchOptions/Start/incoming``.
    ///
    /// - Parameters:
    ///   - source: the stream; it is produced while QEMU reads it, so it is never on disk as a whole.
    ///   - thenRun: start the guest afterwards, whatever run state the stream carries.
    ///   - leavesOutMemory: the stream has the capability `x-ignore-shared`, because main memory is in the file of
    ///     ``LaunchOptions/memory`` already, all of it before the stream ends.
    ///   - timeout: between the end of the stream and the machine's being ready.
    /// - Throws: ``HypervisorError`` with `.streamRefused` and QEMU's own words; what the producer throws.
    package func resume(
        from source: IncomingSource, thenRun: Bool = true, leavesOutMemory: Bool = false,
        timeout: Duration = .seconds(120)
    ) async throws {
        let socket = run.paths.incomingSocket
        if leavesOutMemory { try await monitor.setIgnoresSharedMemory(true) }
        try await monitor.listenForStream(onSocket: socket)
        do {
            try await source.send(toSocket: socket)
        } catch is StreamClosed {
            // QEMU stopped reading: it says why on stderr and ends.
            try Task.checkCancellation()
            throw await refusal()
        }
        try await waitUntilLoaded(timeout)
        // Or the next savevm would leave the memory out.
        if leavesOutMemory { try await monitor.setIgnoresSharedMemory(false) }
        if thenRun { try await monitor.continueGuest() }
    }

    private func waitUntilLoaded(_ timeout: Duration) async throws {
        let deadline = ContinuousClock.now + timeout
        do {
            while try await monitor.status().status == "inmigrate" {
                if try await monitor.migration().status == "failed" { throw await refusal() }
                guard ContinuousClock.now < deadline else {
                    throw HypervisorError(
                        .timeout, "QEMU did not finish loading the machine state within \(timeout).",
                        cause: standardError)
                }
                try await Task.sleep(for: .milliseconds(1))
            }
        } catch let error as HypervisorError where error.code == .disconnected {
            throw await refusal()
        }
    }

    /// The error for a stream that QEMU did not take, once QEMU has ended.
    private func refusal() async -> HypervisorError {
        let exit = await child.waitForExit(within: .seconds(5))
        let text = standardError
        let cause = text.trimmingCharacters(in: .whitespacesAndNewlines)
        return HypervisorError(
            .streamRefused(stderr: text),
            "QEMU refused the machine state" + (exit.map { " and ended (\($0))" } ?? "")
                + ". Its devices must be those of the machine that was saved; 'stemma check' names what does not fit.",
            cause: cause)
    }
}

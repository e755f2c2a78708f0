import Foundation

extension QEMUProcess {
    /// What the guest does after a snapshot.
    package enum AfterSnapshot: Sendable {
        /// As before: a running guest runs on.
        case unchanged
        /// It is paused. It may have run for some milliseconds after the snapshot's moment; that is not in the
        /// snapshot.
        case paused
    }

    /// Saves the whole machine into the overlays. See ``QEMUMonitor/saveSnapshot(_:)``.
    ///
    /// - Throws: ``HypervisorError``: `.snapshotFailed`, or `.qemuFailed` when QEMU dies meanwhile.
    @discardableResult
    package func saveSnapshot(_ name: String, then state: AfterSnapshot = .unchanged) async throws -> InternalSnapshot {
        try await explaining("while it saved the snapshot '\(name)'") {
            // Not stopped beforehand: QEMU notes in the stream whether the guest ran, and a resumed guest should run.
            let snapshot = try await monitor.saveSnapshot(name)
            if state == .paused { try await monitor.stopGuest() }
            return snapshot
        }
    }

    /// Stops the guest and saves everything but its main memory. See ``QEMUMonitor/captureDevices()``.
    ///
    /// - Throws: ``HypervisorError``: `.snapshotFailed`, or `.qemuFailed` when QEMU dies meanwhile.
    package func captureDevices() async throws -> DeviceCapture {
        try await explaining("while its devices were saved") { try await monitor.captureDevices() }
    }

    /// Runs a step of saving; its errors say what the user can do.
    private func explaining<Result>(_ what: String, _ step: () async throws -> Result) async throws -> Result {
        do {
            return try await step()
        } catch let error as HypervisorError where error.code == .disconnected {
            guard let exit = await child.waitForExit(within: .seconds(2)) else { throw error }
            throw endedEarly(exit, while: what)
        } catch let error as HypervisorError where error.code == .snapshotFailed {
            throw withAdviceOnSpace(error)
        }
    }

    /// QEMU calls a full disk an input/output error; the amount of free space tells the user more.
    private func withAdviceOnSpace(_ error: HypervisorError) -> HypervisorError {
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: run.paths.directory)
        guard let free = attributes?[.systemFreeSize] as? Int64,
            free >> 20 < Int64(configuration.memoryMiB)
        else { return error }
        return HypervisorError(
            error.code,
            "\(error.message) Only \(free >> 20) MiB are free below \(run.paths.directory), less than the guest's "
                + "memory; free some space and try again.", cause: error.cause)
    }

    /// Waits until a text appears on the guest's serial console.
    ///
    /// - Parameters:
    ///   - offset: where in the serial log to begin; 0 is the start of the run.
    ///   - timeout: how long to wait.
    /// - Returns: the offset behind the text, for the next wait.
    /// - Throws: ``HypervisorError``: `.timeout` with the console's last lines, `.qemuFailed` or `.notRunning` when
    ///   QEMU ends first or the guest has stopped for good; `CancellationError`.
    @discardableResult
    package func waitForSerial(_ text: String, from offset: Int64 = 0, timeout: Duration) async throws -> Int64 {
        let deadline = ContinuousClock.now + timeout
        let log = LogFile(path: run.paths.serialLog)
        var position = offset
        var search = StreamSearch(text)
        while true {
            // Look at the state first: what was printed before QEMU ended is then surely in the file.
            let exit = child.exit
            let trouble = supervisor.trouble
            if access(log.path, F_OK) == 0 {
                let file = try FileDescriptor(opening: log.path, O_RDONLY)
                lseek(file.raw, off_t(position), SEEK_SET)
                while true {
                    let part = try file.readAll(limit: 65_536)
                    if let end = search.feed(part) { return position + Int64(end) }
                    position += Int64(part.count)
                    if part.count < 65_536 || ContinuousClock.now >= deadline { break }
                }
            }
            if let exit {
                if !exit.isSuccess { throw endedEarly(exit, while: "before '\(text)' appeared on the console") }
                throw HypervisorError(
                    .notRunning, "The guest was switched off before '\(text)' appeared on its console.",
                    cause: log.lastLines())
            }
            if let trouble { throw stopped(trouble, waitingFor: text) }
            guard ContinuousClock.now < deadline else {
                throw HypervisorError(
                    .timeout,
                    "'\(text)' did not appear on the guest's console within \(timeout). The console's last lines "
                        + "follow; the whole log is \(log.path).", cause: log.lastLines())
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// The guest's console output so far, at most the last `limit` bytes.
    package func serialTail(bytes limit: Int = 8_192) -> String {
        LogFile(path: run.paths.serialLog).tail(bytes: limit)
    }

    private func stopped(_ status: String, waitingFor text: String) -> HypervisorError {
        let advice =
            status == "io-error"
            ? "A disk could not be written; free some space below \(run.paths.directory)."
            : "The CPU emulation or KVM gave up; see QEMU's text and try the other accelerator."
        return HypervisorError(
            .notRunning, "The guest stopped (\(status)) before '\(text)' appeared on its console. \(advice)",
            cause: standardError.trimmingCharacters(in: .whitespacesAndNewlines))
    }
}

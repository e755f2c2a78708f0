import Foundation
import Hypervisor

/// A resumed guest under observation.
struct WatchedGuest: Sendable {
    private let task: Task<ResumeDiagnosis, any Error>

    /// Lets the guest run and begins to watch it.
    ///
    /// - Parameters:
    ///   - clock: finds the counter by which the guest's own clock is seen to go on, while the guest runs.
    ///   - diagnose: makes the diagnosis when the time is over, unless the watch was ended before.
    static func start(
        _ process: QEMUProcess, for limit: Duration, clock: @escaping @Sendable () async -> GuestWatch.Clock?,
        diagnose: @escaping @Sendable (GuestObservation) async -> ResumeDiagnosis
    ) async throws -> WatchedGuest {
        let watch = try await GuestWatch.begin(process)
        try await process.monitor.continueGuest()
        Task { if let clock = await clock() { watch.follow(clock) } }
        return WatchedGuest(
            task: Task {
                do {
                    let observation = try await watch.observe(for: limit)
                    // First the diagnosis: a guest that may go on changes what is looked at.
                    let diagnosis = await diagnose(observation)
                    try await watch.end(observation)
                    return diagnosis
                } catch {
                    // Not in this task, which may be cancelled.
                    await Task { try? await watch.end(nil) }.value
                    throw error
                }
            })
    }

    /// The diagnosis, when the time is over.
    var diagnosis: ResumeDiagnosis { get async throws { try await task.value } }

    /// Ends the watch before its time.
    func end() async {
        task.cancel()
        _ = await task.result
    }
}

extension RunSession {
    /// Watches the guest of a resumed snapshot, which stands still, and lets it run; nil when it is not to be watched.
    func watch(_ process: QEMUProcess) async throws -> WatchedGuest? {
        guard memory.state != nil, !request.isTrial else { return nil }
        guard let limit = watchTime else {
            try await process.monitor.continueGuest()
            return nil
        }
        let (stemma, origin) = (stemma, origin)
        do {
            return try await WatchedGuest.start(process, for: limit, clock: { await stemma.guestClock(of: origin) }) {
                await stemma.diagnosis($0, of: origin)
            }
        } catch let error as HypervisorError where error.code == .invalidConfiguration {
            stemma.progress.step("\(title) is not watched: \(error)")
            try await process.monitor.continueGuest()
            return nil
        }
    }

    /// How long the guest is watched; nil for not at all. Under KVM, QEMU sees nothing of the guest's interrupts.
    private var watchTime: Duration? {
        guard request.mode.accelerator == .tcg, !request.isMeasured, request.watch > .zero else { return nil }
        return request.watch
    }

    /// Tells the user what became of the guest, while the run goes on.
    func report(_ watched: WatchedGuest) async {
        guard let diagnosis = try? await watched.diagnosis else { return }
        if diagnosis.verdict.isHealthy {
            if request.isVerbose { stemma.progress.step("\(title): \(diagnosis.text)") }
        } else {
            stemma.progress.step("\(title): \(diagnosis.text)")
        }
    }

    /// Waits for a text on the console, but not longer than the guest lives.
    ///
    /// - Throws: ``GuestFailure`` when the watch is sure that the guest does not live; what waiting throws.
    func wait(for text: String, on process: QEMUProcess, _ watched: WatchedGuest?) async throws {
        guard let watched else {
            try await process.waitForSerial(text, timeout: request.timeout)
            return
        }
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { [request] in try await process.waitForSerial(text, timeout: request.timeout) }
                group.addTask { [self] in try await failWhenDead(watched, process) }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch {
            await watched.end()
            throw error
        }
        await watched.end()
    }

    private func failWhenDead(_ watched: WatchedGuest, _ process: QEMUProcess) async throws {
        if let diagnosis = try? await watched.diagnosis {
            try judge(diagnosis, process)
        }
        // The other task decides.
        try await Task.sleep(for: .seconds(1 << 30))
    }

    private func judge(_ diagnosis: ResumeDiagnosis, _ process: QEMUProcess) throws {
        if diagnosis.isSure {
            throw GuestFailure(
                snapshot: title, diagnosis: diagnosis,
                console: process.serialTail(bytes: 600).split(whereSeparator: \.isNewline).suffix(5)
                    .joined(separator: "\n"))
        }
        if !diagnosis.verdict.isHealthy { stemma.progress.step("\(title): \(diagnosis.text)") }
    }
}

import Glibc
import Synchronization

/// Watches a guest that has just been resumed by the translator, for a bounded time.
///
/// The order matters: ``begin(_:)`` while the guest is stopped, so that nothing is missed; let it run; then
/// ``observe(for:)``; then ``end(_:)`` in any case. ``follow(_:)`` may come at any time, because finding the guest's clock may
/// take longer than a guest should have to wait.
package struct GuestWatch: Sendable {
    /// A counter in guest memory that the guest's kernel moves on, eight bytes at a guest-physical address.
    package struct Clock: Sendable, Hashable {
        package var name: String
        package var address: UInt64

        package init(name: String, address: UInt64) {
            self.name = name
            self.address = address
        }
    }

    /// Bytes of QEMU's log that are read at most: a guest that has so many exceptions in the time is not a silent one.
    static let logLimit = 8 << 20

    private let process: QEMUProcess
    private let clock: ClockNote
    private let log: String
    private let consoleStart: Int64
    private let endings: EndingNote

    private var monitor: QEMUMonitor { process.monitor }

    /// Prepares QEMU: it logs interrupts, and a guest that resets or switches itself off is stopped as it is then.
    ///
    /// - Throws: ``HypervisorError`` when QEMU does not answer or cannot log.
    package static func begin(_ process: QEMUProcess) async throws -> GuestWatch {
        let watch = GuestWatch(
            process: process, clock: ClockNote(), log: process.run.paths.interruptLog,
            consoleStart: LogFile(path: process.run.paths.serialLog).size, endings: EndingNote())
        let events = process.monitor.client.events()
        let endings = watch.endings
        // Ends with the connection.
        Task { for await event in events { endings.take(event) } }
        try await watch.monitor.setActions(pausesAtEnd: true)
        try await watch.monitor.logInterrupts(to: watch.log)
        return watch
    }

    /// Looks at a counter of the guest's kernel too, from now on.
    package func follow(_ clock: Clock) { self.clock.take(clock) }

    /// Watches for the given time, or until the guest has come to an end.
    package func observe(for limit: Duration) async throws -> GuestObservation {
        let start = ContinuousClock.now
        var observation = GuestObservation()
        var log = InterruptLog()
        var position: Int64 = 0
        var first = try await reading()
        var middle: Reading?
        var texts: [Int: String] = [:]
        var moved: Set<Int> = []
        do {
            repeat {
                try await Task.sleep(for: .milliseconds(250))
                try await read(&log, &position, &observation)
                try await readOpcodes(log, into: &observation)
                for (index, cpu) in try await monitor.processors().enumerated() {
                    if let before = texts.updateValue(cpu.text, forKey: index), before != cpu.text {
                        moved.insert(index)
                    }
                }
                if first == nil { first = try await reading() }
                if middle == nil, limit >= .seconds(4), (ContinuousClock.now - start) * 2 >= limit {
                    middle = try await reading()
                }
                observation.ending = endings.ending
            } while observation.ending == nil && ContinuousClock.now - start < limit
            try await finish(&observation, moved: moved, first: first, middle: middle)
        } catch let error as HypervisorError where error.code == .disconnected {
            observation.ending = endings.ending ?? .ended
        }
        let elapsed = ContinuousClock.now - start
        observation.seconds = Double(elapsed.nanoseconds) / 1e9
        try await read(&log, &position, &observation)
        if log.hasTripleFault, observation.ending == .reset { observation.ending = .tripleFault }
        observation.interrupts = log.interrupts
        observation.exceptions = log.exceptions
        observation.consoleBytes = Int(LogFile(path: process.run.paths.serialLog).size - consoleStart)
        return observation
    }

    /// Lets QEMU be as it was before ``begin(_:)``. A guest that was stopped because it wanted to reboot or to be
    /// switched off gets its will.
    ///
    /// - Parameter observation: nil when the guest was not watched to the end.
    package func end(_ observation: GuestObservation?) async throws {
        do {
            try await monitor.stopLogging()
            unlink(log)
            try await monitor.setActions(pausesAtEnd: false)
            switch observation?.ending ?? endings.ending {
            case .switchedOff: try await monitor.quit()
            case .reset, .tripleFault:
                try await monitor.systemReset()
                try await monitor.continueGuest()
            default: break
            }
        } catch let error as HypervisorError where error.code == .disconnected {
            // QEMU has ended: nothing is left to be put back.
        }
    }

    /// What the guest's clock says at a moment.
    private struct Reading {
        let value: UInt64
        let moment: ContinuousClock.Instant
    }

    private func reading() async throws -> Reading? {
        guard let clock = clock.noted, let value = try await monitor.quadword(atPhysical: clock.address) else {
            return nil
        }
        return Reading(value: value, moment: .now)
    }

    /// Reads on in QEMU's log; closes it when it has grown too long.
    private func read(
        _ log: inout InterruptLog, _ position: inout Int64, _ observation: inout GuestObservation
    ) async throws {
        guard access(self.log, F_OK) == 0 else { return }
        let file = try FileDescriptor(opening: self.log, O_RDONLY)
        lseek(file.raw, off_t(position), SEEK_SET)
        while position < Int64(Self.logLimit) {
            let part = try file.readAll(limit: 1 << 16)
            if part.isEmpty { return }
            log.feed(part)
            position += Int64(part.count)
        }
        if !observation.logWasFull {
            observation.logWasFull = true
            try await monitor.stopLogging()
        }
    }

    /// Reads the instructions that were invalid while they are still mapped.
    private func readOpcodes(_ log: InterruptLog, into observation: inout GuestObservation) async throws {
        for (index, place) in log.invalidOpcodes.enumerated() {
            if index < observation.invalidOpcodes.count {
                observation.invalidOpcodes[index].count = place.count
            } else {
                var place = place
                place.bytes = try await monitor.bytes(at: place.address, count: 4)
                observation.invalidOpcodes.append(place)
            }
        }
    }

    /// The state at the end.
    private func finish(
        _ observation: inout GuestObservation, moved: Set<Int>, first: Reading?, middle: Reading?
    ) async throws {
        let status = try await monitor.status()
        observation.status = status.status
        if observation.ending == nil, !status.running {
            // Somebody may have typed `stop`; that is no trouble of the guest.
            observation.ending = ["internal-error", "io-error"].contains(status.status) ? .stopped : nil
        }
        for (index, cpu) in try await monitor.processors().enumerated() {
            observation.cpus.append(
                GuestObservation.CPU(
                    index: index, moved: moved.contains(index), registers: cpu.view,
                    apic: try await monitor.localAPIC(index)))
        }
        if let clock = clock.noted, let first, let last = try await reading() {
            func seconds(since reading: Reading) -> Double { Double((last.moment - reading.moment).nanoseconds) / 1e9 }
            observation.clock = .init(
                name: clock.name, first: first.value, last: last.value, seconds: seconds(since: first),
                middle: middle?.value, secondsSinceMiddle: middle.map(seconds(since:)))
        }
    }
}

/// The guest's clock, once somebody knows it.
private final class ClockNote: Sendable {
    private let clock = Mutex<GuestWatch.Clock?>(nil)

    var noted: GuestWatch.Clock? { clock.withLock { $0 } }

    /// The first one counts: readings of two counters cannot be compared.
    func take(_ clock: GuestWatch.Clock) { self.clock.withLock { if $0 == nil { $0 = clock } } }
}

/// The first event that ends a watch.
private final class EndingNote: Sendable {
    private let noted = Mutex<GuestObservation.Ending?>(nil)

    var ending: GuestObservation.Ending? { noted.withLock { $0 } }

    func take(_ event: QMPEvent) {
        let ending: GuestObservation.Ending? =
            switch event.kind {
            case .guestPanicked: .panicked
            case .reset(byGuest: true, _): .reset
            case .shutdown(byGuest: true, let reason): reason == "guest-reset" ? .reset : .switchedOff
            default: nil
            }
        guard let ending else { return }
        noted.withLock { if $0 == nil { $0 = ending } }
    }
}

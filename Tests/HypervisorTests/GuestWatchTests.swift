import Foundation
import Hypervisor
import Testing

/// Guests under observation, with a real QEMU. How long a guest is watched has no meaning for any expectation: each is in a
/// state that does not end.
@Suite struct GuestWatchTests {
    /// Resumes a guest that printed READY, and watches it.
    private func observe(
        _ kernel: [UInt8], for limit: Duration, clock: GuestWatch.Clock? = nil,
        then done: (GuestObservation, QEMUProcess) async throws -> Void = { _, _ in }
    ) async throws -> GuestObservation {
        var result: GuestObservation?
        try await Laboratory.with { lab in
            let file = try lab.directory.file("fate", kernel)
            func launch(_ start: LaunchOptions.Start) async throws -> QEMUProcess {
                try await QEMUProcess.launch(
                    Laboratory.kernelMachine, options: LaunchOptions(start: start, bootFiles: .init(kernel: file)),
                    in: lab.newRun(), using: lab.installation)
            }
            let first = try await launch(.boot)
            try await first.waitForSerial("READY", timeout: .seconds(60))
            let path = lab.directory.path + "/state"
            try await first.monitor.migrate(toFile: path)
            await first.quit()

            let qemu = try await launch(.incoming)
            try await qemu.resume(from: .file(path), thenRun: false)
            let watch = try await GuestWatch.begin(qemu)
            try await qemu.monitor.continueGuest()
            // As where it is found only after the guest went on.
            let finding = Task { if let clock { watch.follow(clock) } }
            let observation = try await watch.observe(for: limit)
            await finding.value
            try await watch.end(observation)
            #expect(!FileManager.default.fileExists(atPath: qemu.run.paths.interruptLog))
            try await done(observation, qemu)
            await qemu.quit()
            result = observation
        }
        return try #require(result)
    }

    @Test func aTickingGuestLives() async throws {
        let observation = try await observe(TestGuest.kernel, for: .seconds(2))
        #expect(observation.verdict == .alive)
        #expect((observation.interrupts[8] ?? 0) > 0)
        #expect(observation.consoleBytes > 0)
        #expect(observation.status == "running")
        #expect(observation.cpus.count == 1)
        #expect(observation.cpus[0].apic != nil)
        #expect(observation.text.contains("lives"))
    }

    @Test func theGuestsClockIsWatchedFromWhenItIsKnown() async throws {
        // The BIOS counts timer interrupts there, 18 a second.
        let going = GuestWatch.Clock(name: "ticks of the BIOS", address: 0x46c)
        let living = try await observe(TestGuest.kernel, for: .seconds(3), clock: going)
        let clock = try #require(living.clock)
        #expect(clock.seconds >= 1 && clock.seconds <= living.seconds && clock.last > clock.first)
        #expect(living.verdict == .alive)
        #expect(living.text.contains("ticks of the BIOS went on by"))
        // Interrupts come, and still nothing moves on.
        let standing = GuestWatch.Clock(name: "nothing", address: 0x6000)
        let dead = try await observe(TestGuest.kernel, for: .seconds(3), clock: standing)
        #expect(dead.verdict == .clockStands)
    }

    @Test func aGuestThatHaltsForEverIsSilent() async throws {
        let observation = try await observe(TestGuest.kernel(.halts), for: .seconds(2))
        #expect(observation.verdict == .silent)
        #expect(observation.cpus[0].registers.isHalted)
        #expect(!observation.cpus[0].registers.takesInterrupts)
        #expect(!observation.cpus[0].moved)
    }

    @Test func aGuestThatRunsInCirclesIsSeen() async throws {
        let observation = try await observe(TestGuest.kernel(.spins), for: .seconds(2))
        #expect(observation.verdict == .spinning)
        #expect(observation.cpus[0].moved)
    }

    @Test func aTripleFaultIsCaughtBeforeTheReset() async throws {
        let observation = try await observe(TestGuest.kernel(.faults), for: .seconds(60)) { observation, qemu in
            // Afterwards it gets its reset.
            let isRunning = try await qemu.monitor.status().running
            #expect(isRunning)
        }
        #expect(observation.ending == .tripleFault)
        #expect(observation.verdict == .reset)
        #expect(observation.status == "shutdown")
        // The CPU is as it was then: the table without entries is still loaded.
        #expect(observation.cpus.count == 1)
    }

    @Test func aGuestWhoseQEMUDiesHasStopped() async throws {
        try await Laboratory.with { lab in
            let qemu = try await lab.startKernelGuest(in: try lab.newRun())
            try await qemu.waitForSerial("READY", timeout: .seconds(60))
            let watch = try await GuestWatch.begin(qemu)
            async let observation = watch.observe(for: .seconds(60))
            await qemu.kill()
            let seen = try await observation
            #expect(seen.verdict == .stopped)
            try await watch.end(seen)
        }
    }
}

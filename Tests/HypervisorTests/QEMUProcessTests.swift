import CPUModel
import Foundation
import Hypervisor
import Testing

@Suite struct QEMUProcessTests {
    @Test func runsUntilTextAndQuits() async throws {
        try await Laboratory.with { lab in
            let run = try lab.newRun()
            let qemu = try await lab.startKernelGuest(in: run)
            let offset = try await qemu.waitForSerial("READY", timeout: .seconds(60))
            try await qemu.waitForSerial("tick b", from: offset, timeout: .seconds(60))
            #expect(try await qemu.monitor.status().running)
            #expect(try await qemu.monitor.version().version >= QEMUVersion(7, 2))
            #expect(ticks(qemu.serialTail()).prefix(2) == ["a", "b"])
            let result = await qemu.quit()
            #expect(result.exit == .code(0))
            #expect(result.snapshots.isEmpty && result.problem == nil)
            let command = try String(contentsOfFile: run.paths.commandFile, encoding: .utf8)
            #expect(command.contains("qemu-system-x86_64 \\\n    -name guest=vm"))
            let entries = try RunRegistry(base: lab.runs).entries()
            #expect(entries.map(\.record.commandLine) == [qemu.commandLine])
            #expect(await qemu.quit() == result)
        }
    }

    @Test func badCPUModelIsExplainedByQEMU() async throws {
        try await Laboratory.with { lab in
            var configuration = Laboratory.kernelMachine
            configuration.cpu = "no-such-model"
            let broken = configuration
            let error = try await hypervisorError {
                _ = try await lab.startKernelGuest(in: try lab.newRun(), configuration: broken)
            }
            guard case .qemuFailed(.code(1), let text) = error.code else {
                Issue.record("\(error)")
                return
            }
            #expect(text.contains("unable to find CPU model 'no-such-model'"))
            #expect(error.description.contains("unable to find CPU model"))
        }
    }

    @Test func waitEndsWithTheLimitAndShowsTheConsole() async throws {
        try await Laboratory.with { lab in
            let qemu = try await lab.startKernelGuest(in: try lab.newRun())
            try await qemu.waitForSerial("tick a", timeout: .seconds(60))
            let error = try await hypervisorError {
                try await qemu.waitForSerial("never printed", timeout: .milliseconds(100))
            }
            #expect(error.code == .timeout)
            #expect(error.cause?.contains("tick ") == true)
            await qemu.quit()
        }
    }

    @Test func waitEndsWhenQEMUIsKilled() async throws {
        try await Laboratory.with { lab in
            let run = try lab.newRun()
            let qemu = try await lab.startKernelGuest(in: run)
            try await qemu.waitForSerial("READY", timeout: .seconds(60))
            async let waiting = hypervisorError { try await qemu.waitForSerial("never", timeout: .seconds(600)) }
            kill(qemu.processID, SIGKILL)
            let error = try await waiting
            guard case .qemuFailed(.signal(SIGKILL), _) = error.code else {
                Issue.record("\(error)")
                return
            }
            let result = try await qemu.waitForExit()
            #expect(result.exit == .signal(SIGKILL))
            let command = try await hypervisorError { _ = try await qemu.monitor.status() }
            #expect(command.code == .disconnected)
        }
    }

    @Test func waitEndsWhenTheGuestIsSwitchedOff() async throws {
        try await Laboratory.with { lab in
            let qemu = try await lab.startKernelGuest(in: try lab.newRun())
            try await qemu.waitForSerial("READY", timeout: .seconds(60))
            try await qemu.monitor.quit()
            let error = try await hypervisorError { try await qemu.waitForSerial("never", timeout: .seconds(60)) }
            #expect(error.code == .notRunning)
            #expect(error.cause?.isEmpty == false)
        }
    }

    @Test func cancellationEndsQEMU() async throws {
        try await Laboratory.with { lab in
            let run = try lab.newRun()
            let options = LaunchOptions(bootFiles: .init(kernel: lab.kernel))
            let task = Task {
                try await QEMUProcess.with(
                    Laboratory.kernelMachine, options: options, in: run, using: lab.installation
                ) { qemu in
                    try await qemu.waitForSerial("never", timeout: .seconds(600))
                }
            }
            let log = run.paths.serialLog
            for _ in 0..<6_000 where (try? String(contentsOfFile: log, encoding: .utf8))?.contains("READY") != true {
                try await Task.sleep(for: .milliseconds(10))
            }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            let entry = try #require(try RunRegistry(base: lab.runs).entries().first)
            guard case .alive = entry.state else {
                Issue.record("the owner still holds the lock")
                return
            }
            let result = try String(contentsOfFile: run.paths.resultFile, encoding: .utf8)
            #expect(result.contains(#""exit""#))
        }
    }

    @Test func interruptCancelsAndIsReported() async throws {
        let error = try await hypervisorError {
            try await Interruption.cancelling(on: [SIGUSR1]) {
                kill(getpid(), SIGUSR1)
                try await Task.sleep(for: .seconds(600))
            }
        }
        #expect(error.code == .interrupted)
        let value = try await Interruption.cancelling(on: [SIGUSR2]) { 5 }
        #expect(value == 5)
    }

    /// Work that a signal ends in order has a result; work that it only cancels was interrupted.
    @Test func whatASignalEndsHasItsOutcome() async throws {
        let ended = await Interruption.outcome(on: [SIGUSR1]) {
            kill(getpid(), SIGUSR1)
            try? await Task.sleep(for: .seconds(600))
            return 5
        }
        #expect(ended.signal == SIGUSR1)
        #expect(try ended.result.get() == 5)
        let cancelled = await Interruption.outcome(on: [SIGUSR1]) {
            kill(getpid(), SIGUSR1)
            try await Task.sleep(for: .seconds(600))
        }
        #expect(try await hypervisorError { try cancelled.result.get() }.code == .interrupted)
        let undisturbed = await Interruption.outcome(on: [SIGUSR1]) { 6 }
        #expect(undisturbed.signal == nil)
        #expect(try undisturbed.result.get() == 6)
    }

    /// A trial resumes a guest more than once, a benchmark runs guests within an operation of its own: a signal reaches all that is under way.
    @Test func aSignalEndsWhatIsWithinToo() async throws {
        for _ in 0..<3 {
            let outer = await Interruption.outcome(on: [SIGUSR1]) {
                let inner = await Interruption.outcome(on: [SIGUSR2, SIGUSR1]) {
                    kill(getpid(), SIGUSR1)
                    try await Task.sleep(for: .seconds(600))
                }
                #expect(throws: (any Error).self) { try inner.result.get() }
                // Ends when it is told, too, before or after the inner one.
                try? await Task.sleep(for: .seconds(600))
                return 7
            }
            #expect(outer.signal == SIGUSR1)
            #expect(try outer.result.get() == 7)
        }
    }

    @Test func machineAliasesAreResolved() async throws {
        let installation = try QEMUInstallation.find()
        let name = try await installation.resolveMachine("pc")
        #expect(name.hasPrefix("pc-i440fx-"))
        #expect(try await installation.resolveMachine(name) == name)
        let error = try await hypervisorError { _ = try await installation.resolveMachine("toaster") }
        #expect(error.code == .invalidConfiguration)
        let models = try await installation.ask { try await $0.cpuDefinitions() }
        #expect(models.contains { $0.name == "qemu64" && $0.unavailableFeatures?.isEmpty == true })
    }

    @Test func missingProgramsAreNamed() async throws {
        try await Laboratory.with { lab in
            let missing = try await hypervisorError { _ = try QEMUInstallation.find(in: [lab.directory.path]) }
            #expect(missing.code == .qemuNotFound)
            #expect(missing.message.contains("qemu-system-x86"))
            let broken = QEMUInstallation(system: "/nowhere/qemu", imageTool: lab.installation.images.executable)
            let error = try await hypervisorError {
                _ = try await QEMUProcess.launch(
                    Laboratory.kernelMachine, options: LaunchOptions(bootFiles: .init(kernel: lab.kernel)),
                    in: try lab.newRun(), using: broken)
            }
            #expect(error.code == .qemuNotFound)
        }
    }
}

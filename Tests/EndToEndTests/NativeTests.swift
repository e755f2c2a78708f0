import Foundation
import Testing

/// Snapshots in Stemma's own engine: a shell on the serial console, files, time, and the way to QEMU and back.
@Suite(.serialized) struct NativeTests {
    /// The guest of `images/mini-shell.yaml`, booted once under the translator and saved at its prompt.
    actor ShellGuest {
        static let shared = ShellGuest()
        private var making: Task<TestHome, any Error>?

        func home() async throws -> TestHome {
            if let making { return try await making.value }
            let task = Task {
                let home = try TestHome()
                try await home.stemma("image", "build", Tool.path("images/mini-shell.yaml"), "--name", "Shell")
                try await home.stemma(
                    "run", "Shell", "prep", "--headless", "--until", "# ", "--save", "prompt", "--watch", "0")
                return home
            }
            making = task
            return try await task.value
        }
    }

    struct Report: Decodable {
        let end: String
        let instructions: UInt64
        let virtualSeconds: Double
        let digest: String
        let console: String
        let snapshots: [String]
        let notes: [String]
    }

    private func run(_ home: TestHome, _ snapshot: String, _ arguments: String...) async throws -> Report {
        let output = try await home.stemma(
            ["run", snapshot, "native", "--headless", "--json"] + arguments)
        return try JSONDecoder().decode(Report.self, from: Data(output.standardOutput.utf8))
    }

    @Test func aPersonWorksInTheGuestsShell() async throws {
        let home = try await ShellGuest.shared.home()
        let session = "stemma-test-\(UUID().uuidString.prefix(8))"
        func tmux(_ arguments: String...) async throws -> Output {
            try await Tool.run("/usr/bin/tmux", ["-L", session] + arguments)
        }
        func type(_ command: String, _ expected: String, at place: SourceLocation = #_sourceLocation) async throws {
            _ = try await tmux("send-keys", command, "Enter")
            var screen = ""
            for _ in 0..<600 {
                screen = try await tmux("capture-pane", "-p", "-S", "-200").standardOutput
                if screen.contains(expected) { return }
                try await Task.sleep(for: .milliseconds(100))
            }
            Issue.record("'\(expected)' did not appear on the screen:\n\(screen)", sourceLocation: place)
        }
        _ = try await tmux("new-session", "-d", "-x", "120", "-y", "50", "/bin/bash")
        let command = "STEMMA_HOME=\(home.path) \(try Tool.stemma()) run Shell:prompt native; echo ended with $?"
        try await type(command, "Ctrl-a x ends it")
        try await type("echo one$((1 + 1))", "one2")
        try await type("cat /data/README", "The data disk of mini-shell")
        try await type("echo kept > /data/new; sync; cat /data/new | tr a-z A-Z", "KEPT")
        try await type("grep -c timer /proc/interrupts; echo counted", "counted")
        try await type("sleep 1; echo slept", "slept")
        try await type("poweroff -f", "ended with 0")
        _ = try await tmux("kill-server")
        // The disk of the store was not touched.
        let after = try await run(home, "Shell:prompt", "--until", "No such file", "--input", "cat /data/new\\n")
        #expect(after.end == "text")
    }

    @Test func theGuestsSecondIsASecond() async throws {
        let home = try await ShellGuest.shared.home()
        let script = "cat /proc/uptime; sleep 1; cat /proc/uptime; echo do''ne\\n"
        let report = try await run(home, "Shell:prompt", "--until", "done", "--input", script)
        let times = report.console.matches(of: /(\d+\.\d+) \d+\.\d+/).compactMap { Double($0.output.1) }
        try #require(times.count == 2, "\(report.console)")
        // In hundredths, as the guest counts.
        #expect((100..<110).contains(Int(((times[1] - times[0]) * 100).rounded())), "\(times)")
        #expect(report.virtualSeconds >= 1 && report.virtualSeconds < 2)
    }

    @Test func equalRunsAreEqualToTheLastBit() async throws {
        let home = try await ShellGuest.shared.home()
        func twice(_ arguments: String...) async throws -> [Report] {
            var reports: [Report] = []
            for _ in 0..<2 {
                let output = try await home.stemma(
                    ["run", "Shell:prompt", "native", "--headless", "--json", "--for", "0.5", "--input", "ls /bin\\n"]
                        + arguments)
                reports.append(try JSONDecoder().decode(Report.self, from: Data(output.standardOutput.utf8)))
            }
            return reports
        }
        let plain = try await twice()
        #expect(plain[0].digest == plain[1].digest && plain[0].instructions == plain[1].instructions)
        let interpreted = try await twice("--interpreter")
        #expect(interpreted[0].digest == interpreted[1].digest)
        // Machine code and interpreter are one machine.
        #expect(interpreted[0].digest == plain[0].digest)
    }

    @Test func aSnapshotOfTheEngineGoesOnInQEMUAndBack() async throws {
        let home = try await ShellGuest.shared.home()
        let written = try await run(
            home, "Shell:prompt", "--until", "tick 2", "--save", "native", "--input",
            "echo from-the-engine > /data/x; sync; n=0; while sleep 1; do n=$((n + 1)); echo tick $n $(cat /data/x); done\\n"
        )
        #expect(written.snapshots == ["Shell:native"])
        try await home.stemma(
            "run", "Shell:native", "prep", "--headless", "--until", "tick 4 from-the-engine", "--save", "back")
        let again = try await run(home, "Shell:back", "--for", "2.5")
        let ticks = again.console.matches(of: /tick (\d+) from-the-engine/).compactMap { Int($0.output.1) }
        // It goes on where QEMU was, a tick a second.
        #expect((2...3).contains(ticks.count) && ticks.first ?? 0 > 4, "\(again.console)")
    }

    /// A shell that works without sleeping: kernel and user code, system calls, page faults, programs that start.
    @Test func engineAndQEMUAgreeInstructionByInstruction() async throws {
        struct Lockstep: Decodable {
            let instructions: UInt64
            let userInstructions: UInt64
            let pagesCompared: Int
        }
        let home = try await ShellGuest.shared.home()
        _ = try await run(
            home, "Shell:prompt", "--until", "busy 3", "--save", "busy", "--input",
            "n=0; while :; do n=$((n + 1)); echo busy $n; ls /proc > /dev/null; done\n")
        let output = try await home.stemma(
            "engine", "lockstep", "Shell:busy", "--count", "20000", "--json")
        let report = try JSONDecoder().decode(Lockstep.self, from: Data(output.standardOutput.utf8))
        #expect(report.instructions == 20_000 && report.userInstructions > 1000 && report.pagesCompared > 10)
    }
}

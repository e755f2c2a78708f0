import Foundation
import Testing

/// Snapshots, resumes and clones of a real guest whose memory is a file that QEMU and `stemma` share.
@Suite(.serialized) struct MemoryTests {
    private struct Saved: Decodable {
        let snapshot: String
        let way: String
        let newBytes: UInt64?
    }

    /// Starts a headless guest, and waits until its console has a text.
    private func start(_ home: TestHome, _ arguments: [String], until text: String) async throws -> RunningProgram {
        let run = try Tool.start(
            Tool.stemma(), ["run"] + arguments + ["prep", "--headless"], environment: ["STEMMA_HOME": home.path])
        try await run.waitForStandardError("its console is")
        try await wait(for: text, on: try console(home))
        return run
    }

    /// The console of the only run.
    private func console(_ home: TestHome) throws -> String {
        let runs = try FileManager.default.contentsOfDirectory(atPath: home.path + "/runs").filter {
            $0.hasPrefix("r")
        }
        return home.path + "/runs/\(try #require(runs.first))/serial.log"
    }

    private func wait(for text: String, on console: String) async throws {
        for _ in 0..<3000 {
            if (try? String(contentsOfFile: console, encoding: .utf8))?.contains(text) == true { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("'\(text)' did not appear")
    }

    private func lastTick(_ console: String) throws -> Int {
        let text = try String(contentsOfFile: console, encoding: .utf8)
        let ticks = text.split(whereSeparator: \.isNewline).compactMap { line in
            line.hasPrefix("tick ") ? Int(line.dropFirst(5).prefix { $0.isNumber }) : nil
        }
        return try #require(ticks.last)
    }

    private func save(_ home: TestHome, _ name: String, _ more: String...) async throws -> Saved {
        let output = try await Tool.run(
            Tool.stemma(), ["snapshot", "save", "Mini", name, "--json"] + more, environment: ["STEMMA_HOME": home.path])
        try #require(output.status == 0, "\(output.all)")
        return try JSONDecoder().decode(Saved.self, from: Data(output.standardOutput.utf8))
    }

    @Test func aRunningGuestIsSavedTwiceResumedAndExplored() async throws {
        let home = try await MiniGuest.shared.home()
        let run = try await start(home, ["Mini"], until: "tick 1")
        let console = try console(home)
        let one = try await save(home, "one")
        let two = try await save(home, "two")
        #expect(one.way == "direct" && two.way == "direct")
        // What the first one stored is not stored again.
        #expect(try #require(one.newBytes) > 4 * #require(two.newBytes))
        let tick = try lastTick(console)
        try await wait(for: "tick \(tick + 1)", on: console)
        let three = try await save(home, "three", "--savevm")
        #expect(three.way == "savevm")
        run.signal(SIGINT)
        #expect(await run.wait().status == 130)
        #expect(try await home.snapshots(of: "Mini") == ["one", "three", "two"])

        // The ticks go on, and a resumed guest is saved as fast as one that booted.
        let resumed = try await start(home, ["Mini:two"], until: "tick ")
        let again = try await save(home, "again")
        #expect(again.way == "direct")
        resumed.signal(SIGINT)
        #expect(await resumed.wait().status == 130)
        for name in ["two", "three", "again"] {
            let output = try await home.stemma(
                "run", "Mini:\(name)", "prep", "--headless", "--until", "tick", "--verbose")
            #expect(!output.standardOutput.contains("Linux version"))
            #expect(!output.standardError.contains("not shared"))
        }
        try await home.stemma("check", "Mini:two")
        try await home.stemma("run", "Mini:one", "sym", "--expname", "Direct")
        let shown = try await home.stemma("experiment", "show", "Direct", "--json")
        let experiment = try JSONDecoder().decode(
            MainJobTests.Experiment.self, from: Data(shown.standardOutput.utf8))
        #expect(experiment.paths.filter { $0.end.message == "right password" }.count == 1)
        try await home.stemma("store", "verify", "--deep")
    }

    @Test func whatWasSavedSurvivesTheSuddenDeathOfTheRun() async throws {
        let home = try await MiniGuest.shared.home()
        let run = try await start(home, ["Mini"], until: "tick 1")
        _ = try await save(home, "one")
        // In the middle of another one, whichever step that is.
        let second = try Tool.start(
            Tool.stemma(), ["snapshot", "save", "Mini", "two"], environment: ["STEMMA_HOME": home.path])
        try await second.waitForStandardError("saving Mini:two")
        try await Task.sleep(for: .milliseconds(60))
        run.signal(SIGKILL)
        _ = await run.wait()
        let ended = await second.wait()
        // The next run clears up, and takes no half snapshot for a whole one. QEMU dies with its owner, but takes a moment;
        // until then the VM counts as running.
        var next: Output
        repeat {
            next = try await Tool.run(
                Tool.stemma(), ["run", "Mini:one", "prep", "--headless", "--until", "tick"],
                environment: ["STEMMA_HOME": home.path])
        } while next.status == 75
        #expect(next.status == 0, "\(next.all)")
        #expect(!next.standardError.contains("recovered"))
        let names = try await home.snapshots(of: "Mini")
        // Whoever is told that it is saved finds it; it may be durable although nobody could say so any more.
        #expect(names == ["one", "two"] || (names == ["one"] && ended.status != 0), "\(ended.all)")
        try await home.stemma("store", "verify", "--deep")
        let left = try FileManager.default.contentsOfDirectory(atPath: home.path + "/runs").filter { $0.hasPrefix("r") }
        #expect(left.isEmpty)
    }

    @Test func aGuestRunsOnWhenItsMemoryDoesNotFitTheDisk() async throws {
        let home = try TestHome()
        let script = """
            set -u
            mount -t tmpfs -o size=300m none "$STEMMA_HOME"
            "\(try Tool.stemma())" image build "\(Tool.path("images/mini-linux.yaml"))" --name Mini || exit 90
            rm -rf "$STEMMA_HOME/cache"
            "\(try Tool.stemma())" run Mini prep --headless &
            run=$!
            for _ in $(seq 600); do grep -q 'tick 1' "$STEMMA_HOME"/runs/r*/serial.log 2>/dev/null && break; sleep 0.2; done
            free=$(df --output=avail -BM "$STEMMA_HOME" | tail -1 | tr -dc 0-9)
            dd if=/dev/zero of="$STEMMA_HOME/ballast" bs=1M count=$((free - 6)) 2>/dev/null
            "\(try Tool.stemma())" snapshot save Mini full
            code=$?
            rm "$STEMMA_HOME/ballast"
            before=$(grep -c tick "$STEMMA_HOME"/runs/r*/serial.log)
            for _ in $(seq 600); do
                [ "$(grep -c tick "$STEMMA_HOME"/runs/r*/serial.log)" -gt $((before + 1)) ] && break; sleep 0.2
            done
            [ "$(grep -c tick "$STEMMA_HOME"/runs/r*/serial.log)" -gt $((before + 1)) ] || exit 91
            "\(try Tool.stemma())" snapshot save Mini fits || exit 92
            kill -INT $run; wait $run
            "\(try Tool.stemma())" run Mini:fits prep --headless --until tick || exit 93
            "\(try Tool.stemma())" store verify --deep || exit 94
            "\(try Tool.stemma())" snapshot list Mini
            exit $code
            """
        let output = try await Tool.run(
            "/usr/bin/unshare", ["--mount", "--map-root-user", "/bin/bash", "-c", script],
            environment: ["STEMMA_HOME": home.path])
        #expect(output.status == 74, "\(output.all)")
        #expect(output.standardError.lowercased().contains("free some space"), "\(output.all)")
        #expect(!output.standardOutput.contains("full"), "\(output.all)")
    }

    @Test func clonesRunSideBySideAndEndTogether() async throws {
        struct Report: Decodable {
            struct Memory: Decodable {
                let shared: UInt64
                let unshared: UInt64
            }
            struct Guest: Decodable {
                let number: Int
                let console: String
                let memory: Memory
            }
            let guests: [Guest]
            let sharedFileBytes: UInt64
        }
        let home = try await MiniGuest.shared.home()
        try await home.stemma("run", "Mini", "prep", "--headless", "--until", "READY", "--save", "prepared")
        let output = try await home.stemma(
            "run", "Mini:prepared", "prep", "--count", "3", "--until", "tick", "--save", "clone", "--json")
        let report = try JSONDecoder().decode(Report.self, from: Data(output.standardOutput.utf8))
        #expect(report.guests.map(\.number) == [1, 2, 3])
        for guest in report.guests { #expect(guest.console.contains("tick")) }
        #expect(try await home.snapshots(of: "Mini") == ["clone-1", "clone-2", "clone-3", "prepared"])
        try await home.stemma("run", "Mini:clone-3", "prep", "--headless", "--until", "tick")

        // Without an end of their own: the kernel counts pages that several QEMUs map, and Ctrl-C ends all.
        let run = try home.start("run", "Mini:prepared", "prep", "--headless", "--count", "3")
        for number in 1...3 { try await run.waitForStandardError("Mini:prepared#\(number) is running") }
        let runs = try FileManager.default.contentsOfDirectory(atPath: home.path + "/runs").filter {
            $0.hasPrefix("r")
        }
        #expect(runs.count == 3)
        for name in runs {
            struct Record: Decodable { let qemuProcess: Int32 }
            let record = try JSONDecoder().decode(
                Record.self, from: Data(contentsOf: URL(fileURLWithPath: "\(home.path)/runs/\(name)/run.json")))
            let file = try #require(FileHandle(forReadingAtPath: "/proc/\(record.qemuProcess)/smaps"))
            // The mapping of main memory, and its counts.
            let lines = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self).split(separator: "\n")
            let start = try #require(lines.firstIndex { $0.contains("memfd:guest-ram") })
            let mapping = lines[start...].prefix(24)
            func kibibytes(_ key: String) -> Int {
                mapping.filter { $0.hasPrefix(key) }.compactMap { Int($0.split(separator: " ")[1]) }.reduce(0, +)
            }
            #expect(lines[start].contains("rw-p"))
            #expect(kibibytes("Shared_") > 0)
        }
        run.signal(SIGINT)
        let ended = await run.wait()
        #expect(ended.status == 130, "\(ended.all)")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: home.path + "/runs").filter { $0.hasPrefix("r") }
                .isEmpty)
        try await home.stemma("run", "Mini", "prep", "--count", "2", expecting: 64)
    }
}

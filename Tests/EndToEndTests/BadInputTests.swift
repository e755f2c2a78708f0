import Foundation
import Testing

/// Wrong use, damage and interruptions: a clear error, a documented exit code, and nothing stored is lost.
@Suite(.serialized) struct BadInputTests {
    @Test func namesThatAreMissingOrTakenAreRefused() async throws {
        let home = try await MiniGuest.shared.home()
        let missing = try await home.stemma("run", "Other", "prep", "--headless", expecting: 66)
        #expect(missing.standardError.contains("stemma vm list"))
        try await home.stemma("snapshot", "show", "Mini:gone", expecting: 66)
        try await home.stemma("vm", "clone", "Mini", "Mini", expecting: 73)
        let recipe = Tool.path("images/mini-linux.yaml")
        try await home.stemma("image", "build", recipe, "--name", "Mini", expecting: 73)
        try await home.stemma("run", "Mini", "prep", "--until", "READY", expecting: 64)
        try await home.stemma("run", "Mini", "fly", expecting: 64)
    }

    @Test func aTakenSnapshotNameIsRefusedBeforeTheGuestStarts() async throws {
        let home = try await MiniGuest.shared.home()
        try await home.stemma("run", "Mini", "prep", "--headless", "--until", "READY", "--save", "one")
        let again = try await home.stemma(
            "run", "Mini", "prep", "--headless", "--until", "READY", "--save", "one", expecting: 73)
        #expect(again.standardError.contains("snapshot remove Mini:one"))
        #expect(try await home.snapshots(of: "Mini") == ["one"])
    }

    @Test(arguments: [0, 7, 100, 4_096, 100_000])
    func aStreamThatIsCutShortIsRefused(length: Int) async throws {
        let home = try await MiniGuest.shared.home()
        let stream = home.path + "/cut.stream"
        var bytes = Data([0x51, 0x45, 0x56, 0x4D, 0, 0, 0, 3, 7, 0, 0, 0, 13]) + Data("pc-i440fx-7.2".utf8)
        bytes.append(Data(repeating: 0x41, count: 100_000))
        try bytes.prefix(length).write(to: URL(fileURLWithPath: stream))
        let output = try await home.stemma("snapshot", "import", stream, "--vm", "Mini", "--name", "cut", expecting: 65)
        #expect(output.standardError.contains("stemma: "))
        #expect(try await home.snapshots(of: "Mini") == [])
        try await home.stemma("store", "verify", "--deep")
    }

    @Test func aDamagedQcow2FileIsRefused() async throws {
        let home = try await MiniGuest.shared.home()
        let file = home.path + "/disk.qcow2"
        let made = try await Tool.run("/usr/bin/qemu-img", ["create", "-q", "-f", "qcow2", file, "8M"])
        try #require(made.status == 0)
        try await home.stemma(
            "snapshot", "import", file, "--vm", "Mini", "--name", "x", "--from-snapshot", "none", expecting: 66)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        // The number of snapshots, and the place of their table.
        bytes.replaceSubrange(60..<72, with: Data(repeating: 0x7F, count: 12))
        try bytes.write(to: URL(fileURLWithPath: file))
        try await home.stemma(
            "snapshot", "import", file, "--vm", "Mini", "--name", "x", "--from-snapshot", "1", expecting: 65)
    }

    @Test func aDamagedPackIsFoundAndNeverRead() async throws {
        let home = try await MiniGuest.shared.home()
        let packs = home.path + "/store/packs"
        let names = try FileManager.default.subpathsOfDirectory(atPath: packs).filter { $0.hasSuffix(".pack") }
        #expect(!names.isEmpty)
        for name in names {
            let file = URL(fileURLWithPath: packs + "/" + name)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
            var bytes = try Data(contentsOf: file)
            for position in stride(from: bytes.count / 3, to: bytes.count / 3 + 64, by: 1) { bytes[position] ^= 0x10 }
            try bytes.write(to: file)
        }
        let verify = try await home.stemma("store", "verify", "--deep", expecting: 1)
        #expect(verify.standardOutput.contains("damaged"))
        let run = try await home.stemma("run", "Mini", "prep", "--headless", "--until", "READY", expecting: 65)
        #expect(run.standardError.contains("pack"))
    }

    @Test func aRunningVMCannotBeRunAgainOrRemoved() async throws {
        let home = try await MiniGuest.shared.home()
        let run = try home.start("run", "Mini", "prep", "--headless")
        try await run.waitForStandardError("is running")
        let second = try await home.stemma("run", "Mini", "prep", "--headless", expecting: 75)
        #expect(second.standardError.contains("running already"))
        try await home.stemma("vm", "remove", "Mini", expecting: 75)

        // From another terminal, meanwhile.
        try await home.stemma("snapshot", "save", "Mini", "live")
        #expect(try await home.snapshots(of: "Mini") == ["live"])
        try await home.stemma("snapshot", "save", "Mini", "live", expecting: 73)

        run.signal(SIGINT)
        let ended = await run.wait()
        #expect(ended.status == 130, "\(ended.all)")
        try await home.stemma("snapshot", "save", "Mini", "late", expecting: 66)
        try await home.stemma("run", "Mini:live", "prep", "--headless", "--until", "tick")
    }

    @Test func aQEMUThatDiesLosesNoFinishedSnapshot() async throws {
        let home = try await MiniGuest.shared.home()
        let run = try home.start("run", "Mini", "prep", "--headless", "--until", "never to be seen", "--timeout", "300")
        try await run.waitForStandardError("waiting")
        try await home.stemma("snapshot", "save", "Mini", "before")
        let killed = try await Tool.run("/usr/bin/pkill", ["-KILL", "-P", "\(run.id)"])
        #expect(killed.status == 0)
        let ended = await run.wait()
        #expect(ended.status == 69, "\(ended.all)")
        #expect(ended.standardError.contains("QEMU ended"))
        try await home.stemma("run", "Mini:before", "prep", "--headless", "--until", "tick")
    }

    @Test func aStemmaThatIsKilledLosesNoFinishedSnapshot() async throws {
        let home = try await MiniGuest.shared.home()
        let run = try home.start("run", "Mini", "prep", "--headless", "--until", "never to be seen", "--timeout", "300")
        try await run.waitForStandardError("waiting")
        // Stopped, it cannot store the snapshot that QEMU saves for another client; then it dies.
        run.signal(SIGSTOP)
        let runs = home.path + "/runs"
        let directory = try #require(try FileManager.default.contentsOfDirectory(atPath: runs).first { $0 != "lock" })
        let monitor = try MonitorClient(socket: "\(runs)/\(directory)/control.sock")
        try monitor.execute(#"{"execute": "qmp_capabilities"}"#)
        try monitor.execute(
            #"{"execute": "snapshot-save", "arguments": {"job-id": "save", "tag": "orphan", "vmstate": "vmstate", "#
                + #""devices": ["vmstate", "disk0"]}}"#)
        try monitor.wait(for: #""status": "concluded", "id": "save""#)
        run.signal(SIGKILL)
        _ = await run.wait()
        // The run is over when its QEMU, which notices that, has ended too.
        var list = try await home.stemma("vm", "list")
        for _ in 0..<100 where !list.standardOutput.contains("orphan") {
            try await Task.sleep(for: .milliseconds(200))
            list = try await home.stemma("vm", "list")
        }
        #expect(list.standardOutput.contains("orphan"), "\(list.all)")
        try await home.stemma("run", "Mini:orphan", "prep", "--headless", "--until", "tick")
        #expect(try FileManager.default.contentsOfDirectory(atPath: home.path + "/runs").allSatisfy { $0 == "lock" })
    }

    @Test func interruptingABuildLeavesNothingBehind() async throws {
        let home = try TestHome()
        let recipe = Tool.path("images/mini-linux.yaml")
        let build = try home.start("image", "build", recipe, "--name", "Mini")
        try await Task.sleep(for: .milliseconds(700))
        build.signal(SIGINT)
        let ended = await build.wait()
        #expect(ended.status != 0)
        let list = try await home.stemma("vm", "list")
        #expect(list.standardOutput == "")
        try await home.stemma("store", "verify", "--deep")
        try await home.stemma("image", "build", recipe, "--name", "Mini")
    }

    @Test func kvmThatCannotRunGuestsIsSaidSo() async throws {
        let home = try await MiniGuest.shared.home()
        let doctor = try await home.stemma("doctor", "--json")
        let output = try await Tool.run(
            Tool.stemma(), ["run", "Mini", "kvm", "--headless", "--until", "READY", "--save", "booted"],
            environment: ["STEMMA_HOME": home.path])
        if doctor.standardOutput.contains("not usable") {
            #expect(output.status == 2, "\(output.all)")
            #expect(output.standardError.contains("KVM cannot run this guest"))
            #expect(try await home.snapshots(of: "Mini") == [])
        } else {
            #expect(output.status == 0, "\(output.all)")
            #expect(try await home.snapshots(of: "Mini") == ["booted"])
            try await home.stemma("check", "Mini:booted", expecting: 1)
        }
    }
}

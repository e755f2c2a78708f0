import Foundation
import Testing

/// Real KVM snapshots from the lab: what the checker says of each, and what QEMU's translator does with it.
@Suite(.serialized) struct LabTests {
    /// The lab's snapshots, made once and kept in the user's cache.
    actor Lab {
        static let shared = Lab()
        static let names = ["clean", "deadline", "smp-pv-ipi", "x2apic"]
        private var making: Task<Made, any Error>?

        /// What there is once the snapshots are made.
        struct Made: Sendable {
            /// Holds the images.
            let home: TestHome
            /// The directory of the snapshots.
            let directory: String

            var mini: String { home.path + "/mini" }
            var lab: String { home.path + "/lab" }
        }

        func made() async throws -> Made {
            if let making { return try await making.value }
            let task = Task {
                // With the packages of the first build.
                let home = try await MiniGuest.shared.home()
                let images = (mini: home.path + "/mini", lab: home.path + "/lab")
                try await home.stemma("image", "build", Tool.path("images/mini-linux.yaml"), "--output", images.mini)
                try await home.stemma("image", "build", Tool.path("Tests/lab/lab.yaml"), "--output", images.lab)
                let output = try await Tool.run(
                    Tool.path("Tests/lab/make-snapshots"),
                    [
                        "--image", images.mini, "--lab", images.lab, "--only", Self.names.joined(separator: ","),
                        "--patience", "600",
                    ])
                try #require(output.status == 0, "\(output.all)")
                return Made(
                    home: home, directory: output.standardOutput.trimmingCharacters(in: .whitespacesAndNewlines))
            }
            making = task
            return try await task.value
        }

        func directory() async throws -> String { try await made().directory }
    }

    private func imported(_ name: String) async throws -> TestHome {
        let directory = try await Lab.shared.directory()
        let home = try await MiniGuest.shared.home()
        try await home.stemma("snapshot", "import", "\(directory)/\(name).stream", "--vm", "Mini", "--name", "booted")
        return home
    }

    @Test func aCleanKVMSnapshotIsConvertedAndTicks() async throws {
        let home = try await imported("clean")
        let refused = try await home.stemma(
            "run", "Mini:booted", "prep", "--headless", "--until", "tick ", expecting: 65)
        #expect(refused.standardError.contains("kvmclock"))

        let check = try await home.stemma("check", "Mini:booted", expecting: 1)
        for id in ["C02", "C06"] { #expect(check.standardOutput.contains(id)) }
        let before = try await home.stemma("snapshot", "show", "Mini:booted", "--json")
        try await home.stemma("convert", "Mini:booted", "--as", "booted-dbt")
        let after = try await home.stemma("snapshot", "show", "Mini:booted", "--json")
        #expect(before.standardOutput == after.standardOutput)

        try await home.stemma("check", "Mini:booted-dbt")
        let resumed = try await home.stemma("run", "Mini:booted-dbt", "prep", "--headless", "--until", "tick ")
        #expect(!resumed.standardOutput.contains("Linux version"))
        // The clock goes on: a second tick follows the first.
        let number = try #require(Self.ticks(resumed.standardOutput).first)
        try await home.stemma("run", "Mini:booted-dbt", "prep", "--headless", "--until", "tick \(number + 3)")
        #expect(try await home.stemma("log", "Mini", "--graph").standardOutput.contains("C02"))
    }

    @Test func aKernelInMemoryTellsOfItsCPU() async throws {
        let home = try await imported("clean")
        // Nothing was recorded: registers, and what the kernel remembers. The lab's CPU is that of QEMU's translator.
        let shown = try await home.stemma("cpu", "show", "Mini:booted")
        for text in ["boot_cpu_data", "AuthenticAMD, family 15 model 107 stepping 1", "ssse3", "sse4.2", "bmi2"] {
            #expect(shown.standardOutput.contains(text), "\(text)")
        }
    }

    @Test func anInterruptedImportLeavesNothingBehind() async throws {
        let directory = try await Lab.shared.directory()
        let home = try await MiniGuest.shared.home()
        for delay in [20, 60, 100, 140] {
            let run = try home.start("snapshot", "import", "\(directory)/clean.stream", "--vm", "Mini", "--name", "cut")
            try await Task.sleep(for: .milliseconds(delay))
            run.signal(SIGINT)
            _ = await run.wait()
            try await home.stemma("store", "verify", "--deep")
            // It came to its end before the signal, or there is nothing of it.
            if try await home.snapshots(of: "Mini") == ["cut"] {
                try await home.stemma("snapshot", "remove", "Mini:cut")
            }
        }
        try await home.stemma("snapshot", "import", "\(directory)/clean.stream", "--vm", "Mini", "--name", "whole")
        #expect(try await home.snapshots(of: "Mini") == ["whole"])
    }

    @Test(arguments: [("deadline", "C09"), ("smp-pv-ipi", "C21"), ("x2apic", "C10")])
    func aSnapshotThatWouldHangOrResetIsFatal(name: String, id: String) async throws {
        let home = try await imported(name)
        try await home.stemma("run", "Mini:booted", "prep", "--headless", "--until", "tick ", expecting: 65)
        let check = try await home.stemma("check", "Mini:booted", expecting: 2)
        #expect(check.standardOutput.contains(id))
        let convert = try await home.stemma("convert", "Mini:booted", "--as", "booted-dbt", expecting: 2)
        #expect(convert.all.contains(id))
        #expect(try await home.snapshots(of: "Mini") == ["booted"])

        // The prediction is right: with the fatal findings waived, the guest does not live.
        let policy = home.path + "/waive.yaml"
        try Self.waiving().write(toFile: policy, atomically: true, encoding: .utf8)
        try await home.stemma("convert", "Mini:booted", "--as", "forced", "--policy", policy)
        let dead = try await home.stemma(
            "run", "Mini:forced", "prep", "--headless", "--until", "tick ", "--timeout", "120", expecting: 2)
        // It is not left to the user to find out why.
        #expect(dead.standardError.contains("\(id) is"))
        // The same without a conversion and a policy: as saved it is refused, with the fixes it does not live.
        let trial = try await home.stemma("check", "Mini:booted", "--trial", expecting: 2)
        #expect(trial.standardOutput.contains("C02 is the cause"))
        #expect(trial.standardOutput.contains("\(id) is"))
        #expect(trial.standardOutput.contains("'fatal', which was right"))
    }

    @Test func aTrialOfACleanSnapshotPredictsThatItLives() async throws {
        let home = try await imported("clean")
        let trial = try await home.stemma("check", "Mini:booted", "--trial", "--seconds", "5", expecting: 1)
        #expect(trial.standardOutput.contains("Unknown savevm section or instance 'kvmclock' 0"))
        #expect(trial.standardOutput.contains("the guest lives"))
        #expect(trial.standardOutput.contains("'fixable', which was right"))
        #expect(try await home.snapshots(of: "Mini") == ["booted"])
    }

    @Test(arguments: ["raw", "gzip", "zstd"]) func aFileOfVirshSaveComesInAndGoesOut(packing: String) async throws {
        let directory = try await Lab.shared.directory()
        let home = try await MiniGuest.shared.home()
        try await home.stemma("snapshot", "import", "\(directory)/clean.stream", "--vm", "Mini", "--name", "one")
        let domain = home.path + "/domain.xml"
        let text = "<domain type='kvm'><name>mini</name><cpu mode='custom'><model>EPYC</model></cpu></domain>"
        try text.write(toFile: domain, atomically: true, encoding: .utf8)
        let file = home.path + "/one.save"
        // Without the XML there is nothing that virsh could restore.
        try await home.stemma("snapshot", "export", "Mini:one", file, expecting: 64)
        try await home.stemma("snapshot", "export", "Mini:one", file, "--domain", domain, "--compression", packing)
        try await home.stemma("snapshot", "export", "Mini:one", file, "--domain", domain, expecting: 73)
        try await home.stemma("snapshot", "import", file, "--vm", "Mini", "--name", "two")
        // The same state to the byte; and its XML comes along.
        for name in ["one", "two"] {
            try await home.stemma("snapshot", "export", "Mini:\(name)", "\(home.path)/\(name).stream")
        }
        func contents(_ name: String) throws -> Data {
            try Data(contentsOf: URL(fileURLWithPath: "\(home.path)/\(name)"))
        }
        #expect(try contents("one.stream") == contents("two.stream"))
        try await home.stemma("snapshot", "export", "Mini:two", "\(home.path)/two.save")
        #expect(try contents("two.save").range(of: Data("<model>EPYC</model>".utf8)) != nil)
        #expect(try contents("two.save").prefix(16) == Data("LibvirtQemudSave".utf8))
    }

    /// The way back: guests of the translator go on under KVM, with one CPU and with two. A snapshot of KVM itself shows that it
    /// is not the lab if one does not.
    @Test func whatTheTranslatorPreparedGoesOnUnderKVM() async throws {
        let made = try await Lab.shared.made()
        let home = try await MiniGuest.shared.home()
        var streams = ["\(made.directory)/clean.stream"]
        for cpus in [1, 2] {
            let (name, stream) = ("prepared-\(cpus)", "\(home.path)/prepared-\(cpus)")
            try await home.stemma(
                "run", "Mini", "prep", "--cpus", "\(cpus)", "--headless", "--until", "tick 1", "--save", name)
            let convert = try await home.stemma("convert", "Mini:\(name)", "--to", "kvm", "--as", "\(name)-kvm")
            #expect(convert.standardOutput.contains("C42 (hand-over-tsc)"))
            try await home.stemma("check", "Mini:\(name)-kvm", "--target", "kvm")
            try await home.stemma("snapshot", "export", "Mini:\(name)-kvm", "\(stream).stream")
            try #"{"machine": "pc-i440fx-7.2", "cpu": "qemu64", "cpus": \#(cpus), "disks": 1}"#
                .write(toFile: "\(stream).json", atomically: true, encoding: .utf8)
            streams.append("\(stream).stream")
        }
        let output = try await Tool.run(
            Tool.path("Tests/lab/resume-under-kvm"),
            ["--image", made.mini, "--lab", made.lab, "--seconds", "3", "--patience", "300"] + streams)
        #expect(output.status == 0, "\(output.all)")
        for stream in streams { #expect(output.standardOutput.contains("\(stream) lives")) }
    }

    /// The default policy, with every fatal finding no more than a warning.
    private static func waiving() throws -> String {
        try String(contentsOfFile: Tool.path("policies/default.yaml"), encoding: .utf8)
            .replacing("severity: fatal", with: "severity: warning")
            .replacing("C10: {fix: allow}", with: "C10: {fix: allow, fatal: warning}")
    }

    private static func ticks(_ console: String) -> [Int] {
        console.matches(of: /tick (\d+)/).compactMap { Int($0.1) }
    }
}

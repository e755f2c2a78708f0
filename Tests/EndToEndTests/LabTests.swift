import Foundation
import Testing

/// Real KVM snapshots from the lab: what the checker says of each, and what QEMU's translator does with it.
@Suite(.serialized) struct LabTests {
    /// The lab's snapshots, made once and kept in the user's cache.
    actor Lab {
        static let shared = Lab()
        static let names = ["clean", "deadline", "smp-pv-ipi", "x2apic"]
        private var making: Task<String, any Error>?

        func directory() async throws -> String {
            if let making { return try await making.value }
            let task = Task {
                let home = try TestHome()
                let images = (mini: home.path + "/mini", lab: home.path + "/lab")
                try await home.stemma("image", "build", Tool.path("images/mini-linux.yaml"), "--output", images.mini)
                try await home.stemma("image", "build", Tool.path("Tests/lab/lab.yaml"), "--output", images.lab)
                let output = try await Tool.run(
                    Tool.path("Tests/lab/make-snapshots"),
                    ["--image", images.mini, "--lab", images.lab, "--only", Self.names.joined(separator: ",")])
                try #require(output.status == 0, "\(output.all)")
                return output.standardOutput.trimmingCharacters(in: .whitespacesAndNewlines)
            }
            making = task
            return try await task.value
        }
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
        try await home.stemma(
            "run", "Mini:forced", "prep", "--headless", "--until", "tick ", "--timeout", "15", expecting: 75)
    }

    /// The default policy, with every fatal finding no more than a warning.
    private static func waiving() throws -> String {
        try String(contentsOfFile: Tool.path("policies/default.yaml"), encoding: .utf8)
            .replacing("severity: fatal", with: "severity: warning").replacing("C10: {", with: "C10: {fatal: warning, ")
    }

    private static func ticks(_ console: String) -> [Int] {
        console.matches(of: /tick (\d+)/).compactMap { Int($0.1) }
    }
}

import Foundation
import Testing

/// The main job of the README, on a real Linux guest.
@Suite(.serialized) struct MainJobTests {
    /// What the tests read of `stemma experiment show --json`.
    struct Experiment: Decodable {
        struct Path: Decodable {
            struct Input: Decodable {
                let name: String
                let hex: String
            }
            struct End: Decodable { let message: String? }
            let end: End
            let inputs: [Input]
        }
        let paths: [Path]
    }

    @Test func aGuestIsBuiltClonedPreparedResumedAndExplored() async throws {
        let home = try await MiniGuest.shared.home()
        try await home.stemma("vm", "clone", "Mini", "Mini_base")
        try await home.stemma("run", "Mini", "prep", "--headless", "--until", "READY", "--save", "prepared")

        let list = try await home.stemma("vm", "list")
        #expect(
            list.standardOutput == """
                Mini
                  Size: 64.0MiB
                  Snapshots:
                    prepared
                Mini_base
                  Size: 64.0MiB

                """)
        #expect(try await home.snapshots(of: "Mini") == ["prepared"])

        // The guest goes on where it was saved: it prints its next ticks without booting again.
        let resumed = try await home.stemma("run", "Mini:prepared", "prep", "--headless", "--until", "tick")
        #expect(!resumed.standardOutput.contains("Linux version"))

        // Whoever looks on hears that its kernel's clock goes on.
        let watched = try home.start("run", "Mini:prepared", "prep", "--headless", "--watch", "4", "--verbose")
        try await watched.waitForStandardError("jiffies went on by")
        watched.signal(SIGINT)
        _ = await watched.wait()

        try await home.stemma("run", "Mini:prepared", "sym", "--expname", "First")
        let shown = try await home.stemma("experiment", "show", "First", "--json")
        let experiment = try JSONDecoder().decode(Experiment.self, from: Data(shown.standardOutput.utf8))
        let right = experiment.paths.filter { $0.end.message == "right password" }
        #expect(right.count == 1)
        #expect(experiment.paths.filter { $0.end.message == "wrong password" }.count > 8)
        // The engine's word is checked outside of it: the same program, run natively, takes the password.
        let password = try #require(right.first?.inputs.first { $0.name == "password" })
        #expect(try await NativePassword.accepts(hex: password.hex))

        let graph = try await home.stemma("log", "Mini", "--graph")
        for name in ["image", "Mini_base", "Mini:prepared", "First"] { #expect(graph.standardOutput.contains(name)) }
        let cases = try FileManager.default.contentsOfDirectory(atPath: home.path + "/experiments/First")
        #expect(cases.contains("report.json"))

        try await home.stemma("store", "verify", "--deep")
        try await home.stemma("snapshot", "remove", "Mini:prepared")
        #expect(try await home.snapshots(of: "Mini") == [])
        // The experiment keeps what it came from.
        #expect(try await home.stemma("log", "Mini", "--graph").standardOutput.contains("First"))
    }

    @Test func theDoctorFindsTheTranslatorFit() async throws {
        struct Diagnosis: Decodable {
            struct Line: Decodable {
                let subject: String
                let state: String
            }
            let lines: [Line]
        }
        let home = try TestHome()
        let output = try await home.stemma("doctor", "--json")
        let lines = try JSONDecoder().decode(Diagnosis.self, from: Data(output.standardOutput.utf8)).lines
        for subject in ["QEMU", "DBT target", "solver", "disk space"] {
            #expect(lines.first { $0.subject == subject }?.state == "good", "\(subject)")
        }
        #expect(lines.contains { $0.subject == "KVM" })
    }
}

/// The demo program of the guest, compiled for the machine of the tests.
enum NativePassword {
    static func accepts(hex: String) async throws -> Bool {
        let bytes = stride(from: 0, to: hex.count, by: 2).compactMap { index -> UInt8? in
            let start = hex.index(hex.startIndex, offsetBy: index)
            guard let end = hex.index(start, offsetBy: 2, limitedBy: hex.endIndex) else { return nil }
            return UInt8(hex[start..<end], radix: 16)
        }
        let text = try #require(String(bytes: bytes, encoding: .ascii))
        let program = FileManager.default.temporaryDirectory.appendingPathComponent("password-\(UUID().uuidString)")
            .path
        defer { try? FileManager.default.removeItem(atPath: program) }
        let source = Tool.path("images/guest/password.c")
        let compiled = try await Tool.run("/usr/bin/gcc", ["-O2", "-o", program, source])
        try #require(compiled.status == 0, "\(compiled.all)")
        return try await Tool.run(program, [text]).status == 0
    }
}

import Benchmarking
import Foundation
import Workflow

/// Unicorn and Icicle, from Python's package index, in a virtual environment below the scratch directory.
struct PythonPeers: Sendable {
    /// An emulator that runs bare programs.
    enum Peer: String, CaseIterable {
        case unicorn, icicle

        var title: String { self == .unicorn ? "Unicorn" : "Icicle" }
        /// What pip is asked for.
        var package: String { self == .unicorn ? "unicorn==2.1.4" : "icicle-emu==0.0.11" }
    }

    /// What a run took and gave.
    struct Run: Decodable {
        var version: String
        var seconds: Double
        var status: Int
        var output: Data
        /// Where the emulator counts them.
        var instructions: UInt64?
    }

    /// Why a peer is left out, by peer.
    let obstacles: [Peer: String]
    private let python: String
    private let script: String

    /// Makes the environment and installs the peers. One that cannot be installed is left out, and the reason kept.
    init(_ bench: EngineBench) throws {
        script = bench.path("bare-program.py")
        try Data(PackageResources.bare_program_py).write(to: URL(fileURLWithPath: script))
        python = bench.path("peers/bin/python")
        var obstacles: [Peer: String] = [:]
        do {
            bench.progress.step("making an environment for Unicorn and Icicle")
            try bench.run(bench.tool(.python, ["-m", "venv", bench.path("peers")]))
        } catch {
            try Task.checkCancellation()
            for peer in Peer.allCases { obstacles[peer] = Self.shorten(error) }
        }
        for peer in Peer.allCases where obstacles[peer] == nil {
            do {
                bench.progress.step("installing \(peer.package)")
                try bench.run(
                    Program(
                        path: python,
                        arguments: [
                            "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:",
                            peer.package,
                        ]))
            } catch {
                try Task.checkCancellation()
                obstacles[peer] = Self.shorten(error)
            }
        }
        self.obstacles = obstacles
    }

    /// The versions of those that are there.
    var versions: [String: String] {
        var versions: [String: String] = [:]
        for peer in Peer.allCases where obstacles[peer] == nil {
            versions[peer.title] = peer.package.split(separator: "=").last.map(String.init)
        }
        return versions
    }

    private static func shorten(_ error: any Error) -> String {
        "\(error)".split(separator: "\n").suffix(2).joined(separator: " ")
    }

    /// The command that runs a program bare.
    ///
    /// - Parameter text: the file that the program finds at ``Workload/textFile``.
    func command(_ peer: Peer, _ workload: Workload, programs: [String: String], text: String) throws -> Program {
        let words = workload.bareWords
        guard let name = words.first, let path = programs[name] else {
            throw WorkflowError(.missing, "There is no program '\(words.first ?? "")' on this machine.")
        }
        return Program(
            path: python,
            arguments: [script, peer.rawValue, "--file", Workload.textFile + "=" + text, path] + words.dropFirst())
    }

    /// Runs a program to its end.
    func run(_ program: Program, limit: Int, scratch: String) throws -> Run {
        var limited = program
        limited.path = "/usr/bin/timeout"
        limited.arguments = ["\(limit)", program.path] + program.arguments
        let usage = try limited.runAnyway(scratch: scratch)
        // timeout(1) says so when the time was over.
        guard usage.status != 124 else { throw WorkflowError(.unavailable, "it did not end within \(limit) s") }
        guard usage.status == 0 else {
            throw WorkflowError(
                .unavailable, usage.errors.split(separator: "\n").last.map(String.init) ?? "no reason given")
        }
        // Base64 is how JSON holds `Data`.
        return try JSONDecoder().decode(Run.self, from: Data(usage.output.utf8))
    }
}

import Benchmarking
import Foundation
import Workflow

/// Every program by machine code: in the guest next to QEMU's translator, and next to Unicorn and Icicle, which run it bare.
struct MachineCodeRow {
    let bench: EngineBench
    private static let geometricLimit = 0.25

    /// The samples of one program.
    private struct Samples {
        /// Seconds.
        var own: [Double] = []
        var translator: [Double] = []
        var peers: [PythonPeers.Peer: [Double]] = [:]
        /// Instructions of the run in the guest.
        var instructions: UInt64 = 0
        var bare: [Double] = []
        var bareInstructions: UInt64 = 0
        /// Why a peer does not run it.
        var obstacles: [PythonPeers.Peer: String] = [:]
        /// Who gave something else than the right output.
        var wrong: Set<String> = []
    }

    func measure(_ report: inout RowReport) async throws {
        _ = try bench.preparedGuest()
        let peers = try bench.preparedPeers()
        for (peer, reason) in peers.obstacles.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            report.notes.append("\(peer.title) is left out: \(reason)")
        }
        var ratios: [Double] = []
        var comparedWithUnicorn = 0
        for workload in bench.request.workloads {
            let samples = try await sample(workload, peers)
            ratios.append(add(workload, samples, to: &report))
            if samples.peers[.unicorn] != nil { comparedWithUnicorn += 1 }
        }
        let mean = RatioMath.geometricMean(ratios)
        report.comparisons.append(
            Comparison("geometric mean of QEMU / stemma in time", ratio: mean, .atLeast, Self.geometricLimit))
        report.check("Unicorn ran at least one of the programs", comparedWithUnicorn > 0)
        report.notes.append("stemma runs the programs in the guest, with its kernel; Unicorn and Icicle run them bare")
    }

    private func sample(_ workload: Workload, _ peers: PythonPeers) async throws -> Samples {
        let guest = try bench.preparedGuest()
        var samples = Samples()
        for round in 1...bench.request.repetitions {
            bench.progress.step("\(workload.rawValue), \(round) of \(bench.request.repetitions)")
            let translator = try await TranslatorGuest(bench: bench).run(workload)
            samples.translator.append(translator.seconds)
            if !translator.isRight(for: workload) { samples.wrong.insert("QEMU") }
            let own = try OwnRun.guest(bench, workload, .machineCode).run
            samples.own.append(own.seconds)
            samples.instructions = own.instructions ?? 0
            if !own.isRight(for: workload) { samples.wrong.insert("stemma") }
            if workload.isFreestanding {
                let run = try bare(workload, guest)
                samples.bare.append(run.seconds)
                samples.bareInstructions = run.instructions
                if run.output != workload.expected + "\n" || run.status != 0 { samples.wrong.insert("stemma, bare") }
            }
            for peer in PythonPeers.Peer.allCases where peers.obstacles[peer] == nil && samples.obstacles[peer] == nil {
                try run(peer, workload, peers, guest, &samples)
            }
        }
        return samples
    }

    private func bare(_ workload: Workload, _ guest: BenchGuest) throws -> BareProgram.Run {
        guard let file = guest.programs[workload.rawValue] else {
            throw WorkflowError(.missing, "The recipe has no program '\(workload.rawValue)'.")
        }
        return try bench.work(
            ["bare", file, EngineWorker.Execution.machineCode.rawValue], as: BareProgram.Run.self
        ).result
    }

    /// A peer that cannot run one of the programs is left out of its lines, with the reason.
    private func run(
        _ peer: PythonPeers.Peer, _ workload: Workload, _ peers: PythonPeers, _ guest: BenchGuest,
        _ samples: inout Samples
    ) throws {
        do {
            let command = try peers.command(peer, workload, programs: guest.programs, text: guest.text)
            let run = try peers.run(command, limit: bench.request.limit, scratch: bench.scratch)
            samples.peers[peer, default: []].append(run.seconds)
            if try run.status != 0 || !isRight(run.output, workload) { samples.wrong.insert(peer.title) }
        } catch {
            try Task.checkCancellation()
            samples.peers[peer] = nil
            samples.obstacles[peer] = "\(error)"
        }
    }

    /// Whether a bare program has written the right thing.
    private func isRight(_ output: Data, _ workload: Workload) throws -> Bool {
        if workload.isFreestanding { return output == Data((workload.expected + "\n").utf8) }
        let file = bench.path("peer.out")
        defer { bench.remove("peer.out") }
        try output.write(to: URL(fileURLWithPath: file))
        let reader = workload == .gzip ? "gzip -dc \"$0\"" : "cat \"$0\""
        let shell = Program(path: "/bin/sh", arguments: ["-c", reader + " | sha256sum", file])
        return try bench.run(shell).output.hasPrefix(workload.expected)
    }

    /// Adds the lines of a program.
    ///
    /// - Returns: QEMU's time over ours.
    private func add(_ workload: Workload, _ samples: Samples, to report: inout RowReport) -> Double {
        let name = workload.rawValue
        let own = Figure(
            "\(name), \(Figure.format(Double(samples.instructions), .instructions))", .seconds, samples.own)
        report.add(own)
        func rate(_ seconds: [Double], _ instructions: UInt64) -> [Double] { seconds.map { Double(instructions) / $0 } }
        report.add(Figure("\(name), its speed", .instructionsPerSecond, rate(samples.own, samples.instructions)))
        if !samples.bare.isEmpty {
            report.add(Figure("\(name), bare", .instructionsPerSecond, rate(samples.bare, samples.bareInstructions)))
        }
        let translator = Figure("QEMU: \(name)", .seconds, samples.translator, command: workload.command)
        let ratio = translator.value / own.value
        // Its limit is that of all programs together.
        report.comparisons.append(Comparison("QEMU / stemma in time", peer: translator, ratio: ratio, .atLeast, nil))
        for peer in PythonPeers.Peer.allCases {
            if let reason = samples.obstacles[peer] {
                report.notes.append("\(peer.title) does not run \(name): \(reason)")
            }
            guard let seconds = samples.peers[peer] else { continue }
            let figure = Figure(
                "\(peer.title): \(name)", .seconds, seconds, command: workload.bareWords.joined(separator: " "))
            report.comparisons.append(
                Comparison(
                    "\(peer.title) / stemma in time", peer: figure, ratio: figure.value / own.value, .atLeast,
                    peer == .unicorn ? 1 : nil))
        }
        report.check(
            "\(name): the right output everywhere"
                + (samples.wrong.isEmpty ? "" : ", but not from \(samples.wrong.sorted().joined(separator: ", "))"),
            samples.wrong.isEmpty)
        return ratio
    }
}

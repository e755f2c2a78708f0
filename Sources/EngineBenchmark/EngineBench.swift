import Benchmarking
import Foundation
import Lineage
import Synchronization
import Workflow

/// What the rows share: the guest's snapshot, the programs, the peers.
final class EngineBench: Bench {
    let request: EngineBenchmarkRequest
    let place: ScratchPlace
    let progress: ProgressLog
    private let guest = Mutex<BenchGuest?>(nil)
    private let peers = Mutex<PythonPeers?>(nil)

    init(request: EngineBenchmarkRequest, tools: [String: String], progress: ProgressLog) throws {
        self.request = request
        self.progress = progress
        guard FileManager.default.isReadableFile(atPath: request.recipe) else {
            throw WorkflowError(
                .missing,
                "The recipe \(request.recipe) cannot be read; name that of the engine's benchmark "
                    + "(images/engine-benchmark.yaml of Stemma's sources) with --recipe.")
        }
        place = try ScratchPlace(under: request.scratch, tools: tools)
    }

    /// The guest at its shell's prompt; made when it is asked for first.
    func preparedGuest() throws -> BenchGuest {
        if let guest = guest.withLock({ $0 }) { return guest }
        let made = try BenchGuest(self)
        guest.withLock { $0 = made }
        return made
    }

    /// Unicorn and Icicle; installed when they are asked for first.
    func preparedPeers() throws -> PythonPeers {
        if let peers = peers.withLock({ $0 }) { return peers }
        let made = try PythonPeers(self)
        peers.withLock { $0 = made }
        return made
    }

    /// The versions of the peers that were used, by name.
    var peerVersions: [String: String] {
        peers.withLock { $0?.versions ?? [:] }
    }

    /// Runs a part of a measurement in a process of its own.
    func work<Result: Decodable>(_ words: [String], as type: Result.Type) throws -> (
        result: Result, usage: Program.Usage
    ) {
        let usage = try run(worker(["engine"] + words, home: path(BenchGuest.home)))
        do {
            return (try JSONDecoder().decode(type, from: Data(usage.output.utf8)), usage)
        } catch {
            throw WorkflowError(
                .malformed, "A part of the benchmark printed something else than its result: \(usage.output)")
        }
    }
}

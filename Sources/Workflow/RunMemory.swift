import Foundation
import Hypervisor
import Lineage

/// Main memory of a run, and the state that it resumes.
struct RunMemory: Sendable {
    /// What QEMU gets.
    let options: LaunchOptions.Memory
    /// What is resumed; `nil` for a guest that boots.
    let state: StoredMachineState?
    /// Puts main memory into the file; `nil` when nothing has to be put, or it has been.
    let filling: Task<Void, any Error>?

    /// Main memory is in a file, not in the stream.
    var isFile: Bool { options.file != nil }

    /// Everything in the stream, main memory in QEMU.
    static func anonymous(_ state: StoredMachineState?) -> RunMemory {
        RunMemory(options: .anonymous, state: state, filling: nil)
    }

    /// Makes the file for a run and begins to fill it; where that cannot be, the run goes without.
    static func prepare(
        _ request: RunRequest, origin: NamedCommit, configuration: MachineConfiguration, stemma: Stemma
    ) throws -> RunMemory {
        let state = request.reference.snapshot == nil ? nil : try stemma.machineState(of: origin)
        guard let file = file(request, state, configuration, stemma) else { return .anonymous(state) }
        return RunMemory(
            options: .shared(file), state: state,
            filling: state.map { state in Task { try await Blocking.run { try state.fill(file) } } })
    }

    /// Makes and fills one file for several guests, each of which writes to copies of its own.
    ///
    /// - Returns: the memory of each guest, and the seconds that it took to fill the file.
    static func prepareForClones(
        _ request: RunRequest, origin: NamedCommit, configuration: MachineConfiguration, stemma: Stemma
    ) async throws -> (memory: RunMemory, seconds: Double) {
        let state = try stemma.machineState(of: origin)
        guard let file = file(request, state, configuration, stemma) else { return (.anonymous(state), 0) }
        let clock = ContinuousClock()
        let start = clock.now
        try await Blocking.run { try state.fill(file) }
        return (
            RunMemory(options: .copyOnWrite(file), state: state, filling: nil), (clock.now - start).seconds
        )
    }

    private static func file(
        _ request: RunRequest, _ state: StoredMachineState?, _ configuration: MachineConfiguration, _ stemma: Stemma
    ) -> SharedMemory? {
        var obstacle = request.sharesMemory ? nil : "it was not wanted"
        obstacle = obstacle ?? state?.obstacleToSharedMemory(in: configuration) ?? configuration.obstacleToSharedMemory
        if obstacle == nil {
            do {
                return try SharedMemory(size: configuration.memoryBytes)
            } catch {
                obstacle = "\(error)"
            }
        }
        if request.isVerbose {
            stemma.progress.step("main memory is not shared with QEMU: \(obstacle ?? "")")
        }
        return nil
    }
}

/// Work that blocks, on a thread of its own and not on one of the few that run tasks.
enum Blocking {
    static func run<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            let thread = Thread { continuation.resume(with: Swift.Result { try work() }) }
            thread.name = "memory"
            thread.start()
        }
    }
}

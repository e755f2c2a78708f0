import ContentStore
import Hypervisor
import Lineage
import Synchronization

extension Duration {
    /// As a fraction.
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

/// How a snapshot of a running machine is taken.
package enum SaveWay: String, Sendable, Codable, CaseIterable {
    /// Devices and disks by QEMU, main memory from the file that QEMU and the run share; `savevm` where it is not shared.
    case direct
    /// Everything by QEMU's `savevm` into the overlays, and from there into the store.
    case savevm
}

/// A snapshot that was saved.
package struct SavedSnapshot: Sendable, Codable {
    /// VM:SNAPSHOT.
    package let snapshot: String
    /// How it was taken in the end.
    package let way: SaveWay
    /// Seconds that the guest stood still.
    package let pause: Double
    /// Seconds from the request until the snapshot was durable in the store.
    package let total: Double
    /// Bytes of objects that the store did not have, before compression; `nil` by `savevm`.
    package let newBytes: UInt64?
    /// Bytes of packs that were written; `nil` by `savevm`.
    package let storedBytes: UInt64?
}

/// Saves snapshots of one running machine, one after the other, for the run itself and for other processes.
package final class RunSaver: Sendable {
    private let process: QEMUProcess
    private let keeper: SnapshotKeeper
    private let stemma: Stemma
    private let vm: Name
    /// The save that was asked for last.
    private let last = Mutex<Task<Void, Never>?>(nil)

    init(process: QEMUProcess, keeper: SnapshotKeeper, stemma: Stemma, vm: Name) {
        self.process = process
        self.keeper = keeper
        self.stemma = stemma
        self.vm = vm
    }

    /// Saves a snapshot and takes it into the store.
    ///
    /// After a failure the guest goes on as before. A save that has begun is not cancelled with the task that waits for it.
    ///
    /// - Parameter state: what the guest does afterwards.
    package func save(
        _ name: Name, way: SaveWay = .direct, then state: QEMUProcess.AfterSnapshot = .unchanged
    ) async throws -> SavedSnapshot {
        let task = last.withLock { last in
            let before = last
            let task = Task {
                await before?.value
                return try await self.perform(name, way, state)
            }
            last = Task { _ = await task.result }
            return task
        }
        return try await task.value
    }

    /// Waits until nothing is being saved.
    func drain() async { await last.withLock({ $0 })?.value }

    private func perform(
        _ name: Name, _ way: SaveWay, _ state: QEMUProcess.AfterSnapshot
    ) async throws -> SavedSnapshot {
        try stemma.catalogue.requireFree(snapshot: name, of: vm)
        if way == .direct, let memory = process.options.memory.visible {
            return try await saveDirectly(name, memory, state)
        }
        let clock = ContinuousClock()
        let start = clock.now
        let snapshot = try await process.saveSnapshot(name.text, then: state)
        let pause = clock.now - start
        let reference = try await keeper.keep(snapshot)
        return SavedSnapshot(
            snapshot: reference.description, way: .savevm, pause: pause.seconds, total: (clock.now - start).seconds,
            newBytes: nil, storedBytes: nil)
    }

    private func saveDirectly(
        _ name: Name, _ memory: SharedMemory, _ state: QEMUProcess.AfterSnapshot
    ) async throws -> SavedSnapshot {
        let clock = ContinuousClock()
        let start = clock.now
        let ingest = try stemma.store.beginIngest(label: "snapshot \(vm):\(name)")
        let monitor = process.monitor
        let stopped = clock.now
        let capture = try await process.captureDevices()
        var resumed = clock.now
        let reference: Reference
        let statistics: IngestStatistics
        do {
            let root: TreeRoot
            do {
                root = try MachineStateIngest(ingest: ingest).capture(memory)
                try await monitor.requireStopped()
            } catch {
                try? await monitor.resume(capture)
                throw error
            }
            if state == .unchanged { try await monitor.resume(capture) }
            resumed = clock.now
            (reference, statistics) = try await keeper.keep(capture, mainMemory: root, as: name, ingest: ingest)
        } catch {
            try? await monitor.discard(capture)
            throw error
        }
        // The snapshot is safe; what is left in the overlays is only space.
        try? await monitor.discard(capture)
        return SavedSnapshot(
            snapshot: reference.description, way: .direct, pause: (resumed - stopped).seconds,
            total: (clock.now - start).seconds, newBytes: statistics.newBytes, storedBytes: statistics.storedBytes)
    }
}

import ContentStore
import Foundation
import Hypervisor
import Lineage
import Machine
import Synchronization
import VMState

/// Takes snapshots of a machine in Stemma's engine into the store, each one on the one before.
///
/// The cost grows with what the guest has written since the snapshot that the run began with.
final class NativeSaver: Sendable {
    private struct Kept {
        /// The commit that the next snapshot follows.
        var parent: Digest
        var references: [Reference] = []
    }

    private let stemma: Stemma
    private let driver: NativeDriver
    private let origin: NamedCommit
    private let configuration: MachineConfiguration
    private let state: StoredMachineState
    private let vm: Name
    private let kept: Mutex<Kept>

    init(
        stemma: Stemma, driver: NativeDriver, origin: NamedCommit, configuration: MachineConfiguration,
        state: StoredMachineState, vm: Name
    ) {
        self.stemma = stemma
        self.driver = driver
        self.origin = origin
        self.configuration = configuration
        self.state = state
        self.vm = vm
        kept = Mutex(Kept(parent: origin.digest))
    }

    /// How the engine is called in the attributes of commits.
    static let accelerator = "native"

    /// What was stored, in order.
    var references: [Reference] { kept.withLock { $0.references } }

    /// Saves the machine as it is now. On the machine's thread.
    func save(_ name: Name, of machine: Machine, remarks: Remarks) throws -> SavedSnapshot {
        let clock = ContinuousClock()
        let start = clock.now
        try stemma.catalogue.requireFree(snapshot: name, of: vm)
        let ingest = try stemma.store.beginIngest(label: "snapshot \(vm):\(name)")
        let stream = try machine.save(over: state.stream)
        var commit = origin.commit.successor(
            .snapshot, of: kept.withLock { $0.parent }, message: "Saved in Stemma's engine as '\(name)'")
        commit.ram = try memory(of: machine, ingest)
        for (index, disk) in configuration.disks.enumerated() {
            commit.disks[disk.id] = try changed(origin.commit.disks[disk.id], disk: index, of: machine, ingest)
        }
        commit.state = try MachineStateIngest(ingest: ingest).put(stream)
        commit.attributes[Attribute.accelerator] = Self.accelerator
        for name in [Attribute.cpu, Attribute.commandLine] {
            commit.attributes[name] = origin.commit.attributes[name]
        }
        remarks.apply(to: &commit)
        let digest = try stemma.catalogue.addSnapshot(
            name, of: vm, commit: commit, ingest: ingest, operation: "snapshot save \(vm) \(name)")
        let reference = Reference(vm: vm, snapshot: name)
        kept.withLock {
            $0.parent = digest
            $0.references.append(reference)
        }
        let seconds = (clock.now - start).seconds
        let statistics = ingest.statistics
        return SavedSnapshot(
            snapshot: reference.description, way: .direct, pause: seconds, total: seconds,
            newBytes: statistics.newBytes, storedBytes: statistics.storedBytes)
    }

    /// The RAM trees of the origin with the pages that the guest has written since.
    private func memory(of machine: Machine, _ ingest: Ingest) throws -> [String: TreeRoot] {
        let map = try GuestPhysicalMap(state.stream)
        var editors: [String: TreeEditor] = [:]
        try machine.forEachWrittenPage { address, bytes in
            guard let place = map.locate(address), let root = state.ram[place.block] else {
                throw WorkflowError(.malformed, "The engine wrote to \(address), which is no RAM of the snapshot.")
            }
            let editor = try editors[place.block] ?? ingest.edit(root, kind: .memory, length: root.length)
            editors[place.block] = editor
            try editor.write(bytes, at: place.offset)
        }
        return try state.ram.merging(editors.mapValues { try $0.finish() }) { $1 }
    }

    private func changed(
        _ root: TreeRoot?, disk: Int, of machine: Machine, _ ingest: Ingest
    ) throws -> TreeRoot? {
        guard let root else { return nil }
        let editor = try ingest.edit(root, kind: .disk, length: root.length)
        try machine.forEachWrittenRange(ofDisk: disk) { offset, count, contents in
            if let contents {
                try editor.write(contents, at: offset)
            } else {
                try editor.zero(at: offset, length: count)
            }
        }
        return try editor.finish()
    }

    /// SHA-256 over everything that the guest could find out: sections, written pages and disk clusters in order.
    func digest(of machine: Machine) throws -> Digest {
        let hasher = SHA256Hasher()
        func add(_ numbers: UInt64...) { numbers.map(\.littleEndian).withUnsafeBytes { hasher.update($0) } }
        try machine.save(over: state.stream).skeleton().withUnsafeBytes { hasher.update($0) }
        try machine.forEachWrittenPage { address, bytes in
            add(address)
            hasher.update(bytes)
        }
        for disk in configuration.disks.indices {
            machine.forEachWrittenRange(ofDisk: disk) { offset, count, contents in
                add(UInt64(disk), offset, count)
                contents?.withUnsafeBytes { hasher.update($0) }
            }
        }
        return hasher.finish()
    }

    /// Answers a request of another process.
    func answer(_ line: String) async -> String {
        var answer = RunMessage.Answer()
        do {
            let message = try JSONDecoder().decode(RunMessage.self, from: Data(line.utf8))
            let remarks = Remarks(
                message: message.message, tags: try (message.tags ?? []).map { try Name($0, role: "tag") })
            let name = try Name(message.save, role: "snapshot")
            answer.saved = try await onMachine { try self.save(name, of: $0, remarks: remarks) }
        } catch {
            let failure = Failure(error)
            answer.error = failure?.message ?? "\(error)"
            answer.exitCode = failure?.exitCode ?? 70
        }
        guard let data = try? JSONEncoder().encode(answer) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    private func onMachine<Value: Sendable>(
        _ work: @escaping @Sendable (Machine) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<Value, any Error>) in
            driver.perform { machine in
                done.resume(
                    with: Result {
                        guard let machine else {
                            throw WorkflowError(.busy, "The run ended before it could save the snapshot.")
                        }
                        return try work(machine)
                    })
            }
        }
    }
}

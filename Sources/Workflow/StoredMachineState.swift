import ContentStore
import Hypervisor
import Lineage
import VMState

/// The machine state of a snapshot: devices in memory, RAM in the store.
package struct StoredMachineState: Sendable {
    package let stream: MigrationStream
    package let ram: [String: TreeRoot]
    let store: ContentStore

    /// Writes the state as a migration stream that QEMU loads. Pages are read from the store while it is written.
    ///
    /// - Parameter leavesOutMemory: main memory is not in the stream, because ``fill(_:)`` puts it where QEMU finds it.
    package func write(toDescriptor descriptor: Int32, name: String, leavesOutMemory: Bool = false) throws {
        var output = DescriptorByteOutput(descriptor: descriptor, name: name)
        try write(to: &output, leavesOutMemory: leavesOutMemory)
    }

    /// Writes the state as a migration stream. Pages are read from the store while it is written.
    func write<Output: ByteOutput & ~Copyable>(to output: inout Output, leavesOutMemory: Bool = false) throws {
        var pages = StoredPageProvider(ram: ram, store: store)
        let shared: Set<String> = leavesOutMemory ? [MachineConfiguration.mainMemoryBlock] : []
        try MigrationStreamWriter().write(stream, pages: &pages, leavingOut: shared, to: &output)
    }

    /// Why main memory cannot go straight into a file that QEMU maps, or `nil` when it can.
    package func obstacleToSharedMemory(in configuration: MachineConfiguration) -> String? {
        if let obstacle = configuration.obstacleToSharedMemory { return obstacle }
        guard let block = stream.mainRAM, let root = ram[block.idstr] else {
            return "the snapshot has no RAM block '\(MachineConfiguration.mainMemoryBlock)'"
        }
        guard block.usedLength == configuration.memoryBytes, root.length == block.usedLength else {
            return "the snapshot has \(block.usedLength) bytes of main memory, the machine \(configuration.memoryBytes)"
        }
        return nil
    }

    /// Puts main memory into a file of zeros, on all cores. Zero pages stay holes.
    package func fill(_ memory: SharedMemory) throws {
        guard let root = ram[MachineConfiguration.mainMemoryBlock], root.length == memory.size else {
            throw WorkflowError(.malformed, "The snapshot's main memory does not have \(memory.size) bytes.")
        }
        try store.forEachPiece(of: root) { offset, bytes in try memory.write(bytes, at: offset) }
    }
}

extension Stemma {
    /// The machine state of a snapshot.
    package func machineState(of snapshot: NamedCommit) throws -> StoredMachineState {
        guard let digest = snapshot.commit.state else {
            throw WorkflowError(
                .malformed, "'\(snapshot.name)' has no machine state: its commit is incomplete.")
        }
        let stream = try MigrationStream(skeleton: store.blob(digest))
        return StoredMachineState(stream: stream, ram: snapshot.commit.ram, store: store)
    }
}

/// Gives the pages of RAM blocks from the store.
private struct StoredPageProvider: RAMPageProvider {
    let ram: [String: TreeRoot]
    let store: ContentStore

    mutating func page(
        block: RAMBlock, page: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws -> RAMPageContent {
        guard let root = ram[block.idstr] else {
            throw WorkflowError(.malformed, "The snapshot lacks the RAM block '\(block.idstr)'.")
        }
        return try store.page(root, index: page, into: buffer) ? .data : .zero
    }
}

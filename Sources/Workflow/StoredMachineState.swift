import ContentStore
import Lineage
import VMState

/// The machine state of a snapshot: devices in memory, RAM in the store.
package struct StoredMachineState: Sendable {
    package let stream: MigrationStream
    package let ram: [String: TreeRoot]
    let store: ContentStore

    /// Writes the state as a migration stream that QEMU loads. Pages are read from the store while it is written.
    package func write(toDescriptor descriptor: Int32, name: String) throws {
        var output = DescriptorByteOutput(descriptor: descriptor, name: name)
        var pages = StoredPageProvider(ram: ram, store: store)
        try MigrationStreamWriter().write(stream, pages: &pages, to: &output)
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

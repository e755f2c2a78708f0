import VMState
import X86

/// Guest memory of a snapshot: the stream's memory map over pages that someone keeps by RAM block.
package struct SnapshotPageSource: PageSource {
    /// Delivers page `page` (in units of 4096 bytes) of a RAM block into a zeroed buffer of 4096 bytes.
    package typealias Reader =
        @Sendable (
            _ block: String, _ page: UInt64, _ buffer: UnsafeMutableRawBufferPointer
        ) throws -> Void

    package let regions: [MemoryRegion]
    private let map: GuestPhysicalMap
    private let reader: Reader

    /// - Parameters:
    ///   - stream: the snapshot's stream, for the memory map.
    ///   - reader: where the pages are: the store, or a table in memory. Called from several threads.
    package init(_ stream: MigrationStream, reader: @escaping Reader) throws(MachineError) {
        do throws(VMStateError) {
            map = try GuestPhysicalMap(stream)
        } catch {
            throw MachineError(.invalidLayout, "the snapshot's memory map is not known", cause: "\(error)")
        }
        regions = map.regions.map {
            MemoryRegion(name: $0.block, start: $0.base, byteCount: $0.length, isWritable: $0.isWritable)
        }
        self.reader = reader
    }

    package func readPage(at address: UInt64, into page: UnsafeMutableRawBufferPointer) throws {
        guard let place = map.locate(address) else { return }
        try reader(place.block, place.offset / 4096, page)
    }
}

import GuestInspection
import VMState

/// The main memory of a snapshot as its guest addresses it, for ``KernelLogScanner`` and others.
package struct SnapshotMemory: GuestMemory {
    /// Gives a page of a RAM block, as ``RAMPageProvider`` does.
    package typealias PageReader =
        @Sendable (
            _ block: RAMBlock, _ page: UInt64, _ buffer: UnsafeMutableRawBufferPointer
        ) throws -> RAMPageContent

    package let pages: [Range<UInt64>]
    private let map: GuestPhysicalMap
    private let ram: RAMBlock
    private let reader: PageReader

    /// Finds out where the snapshot's RAM lies.
    package init(_ stream: MigrationStream, reader: @escaping PageReader) throws(VMStateError) {
        guard let ram = stream.mainRAM else {
            throw VMStateError(.notFound, "the snapshot has no RAM block pc.ram", section: "ram")
        }
        map = try GuestPhysicalMap(stream)
        self.ram = ram
        self.reader = reader
        // Regions that touch are one run: texts may lie across their border.
        var runs: [Range<UInt64>] = []
        for region in map.regions where region.block == ram.idstr {
            let run = region.base >> 12..<region.end >> 12
            if let last = runs.last, last.upperBound == run.lowerBound {
                runs[runs.count - 1] = last.lowerBound..<run.upperBound
            } else {
                runs.append(run)
            }
        }
        pages = runs
    }

    package func read(page: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Bool {
        guard let place = map.locate(page << 12), place.block == ram.idstr else { return false }
        return try reader(ram, place.offset >> 12, buffer) == .data
    }
}

/// One stretch of guest-physical memory that a page source can deliver.
package struct MemoryRegion: Sendable, Hashable {
    /// Name in reports, e.g. `pc.ram` or `pc.bios`.
    package let name: String
    /// First guest-physical address; a multiple of 4096.
    package let start: UInt64
    /// Length in bytes; a multiple of 4096.
    package let byteCount: UInt64
    /// False for ROM: guest writes are dropped.
    package let isWritable: Bool

    package init(name: String, start: UInt64, byteCount: UInt64, isWritable: Bool = true) {
        self.name = name
        self.start = start
        self.byteCount = byteCount
        self.isWritable = isWritable
    }
}

/// Where the base snapshot's memory comes from, page by page: once for all states that read a page, and once for each that writes it
/// before any has read it.
///
/// Several threads may ask at the same time.
package protocol PageSource: Sendable {
    /// The mapped guest-physical regions, without overlap, in any order.
    var regions: [MemoryRegion] { get }

    /// Fills `page` (4096 bytes, zeroed) with the page at guest-physical address `address` (a multiple of 4096 inside a region).
    func readPage(at address: UInt64, into page: UnsafeMutableRawBufferPointer) throws
}

/// A page source in memory: regions that read as zero except for the pages that were given. For tests and small guests.
package struct MemoryPageSource: PageSource {
    package let regions: [MemoryRegion]
    private let pages: [UInt64: [UInt8]]

    /// - Parameter pages: contents by page address; shorter pages are filled up with zeros.
    package init(regions: [MemoryRegion], pages: [UInt64: [UInt8]] = [:]) {
        self.regions = regions
        self.pages = pages
    }

    package func readPage(at address: UInt64, into page: UnsafeMutableRawBufferPointer) throws {
        guard let bytes = pages[address] else { return }
        page.copyBytes(from: bytes.prefix(page.count))
    }
}

import Glibc
import Synchronization

/// The base snapshot's pages: immutable, loaded on first use, shared by every fork on every thread.
///
/// Pages are numbered densely over the regions ("page index"), so that a sparse physical address space costs nothing. Making one takes no
/// time that grows with the guest's memory, and its memory grows with the pages that were touched: 4 KiB for each that is not zero, and
/// 4 KiB of addresses for each touched stretch of 2 MiB.
package final class BaseMemory: Sendable {
    struct Mapping: Sendable {
        let region: MemoryRegion
        let firstPage: UInt64
        let pageCount: UInt64
        let firstIndex: Int
    }

    package let source: any PageSource
    package let regions: [MemoryRegion]
    /// Number of 4 KiB pages in all regions together.
    package let pageCount: Int
    let mappings: [Mapping]

    /// A mapping as the look-up needs it, without anything to retain.
    private struct Extent {
        var firstPage: UInt64
        var pageCount: UInt64
        var firstIndex: Int
        var isWritable: Bool
    }

    /// The mappings, largest first. Never changed after `init`, so sharing is safe.
    private nonisolated(unsafe) let extents: UnsafeMutablePointer<Extent>
    private let extentCount: Int

    /// Address of each loaded page, 0 when not loaded yet. Written once per page by compare-and-exchange.
    /// Safe to share: the table never moves, and a page is complete before its address is published. It is memory of the system's, all
    /// zeros: the entries are trivial, and zero bits are what `Atomic(0)` holds.
    private nonisolated(unsafe) let table: UnsafeMutablePointer<Atomic<UInt>>
    private nonisolated(unsafe) let zeroPage: UnsafeMutableRawPointer
    private let slabs = PageSlabs()
    private let loaded = Atomic<Int>(0)
    /// See `init`.
    private let isConfined: Bool
    /// What the states made of this base hold apart from it.
    package let census = StateCensus()

    /// - Parameters:
    ///   - source: where pages come from.
    ///   - isConfined: all states over this base are used on one thread. Then, as long as there is only one, a page that it
    ///     has written is not kept here, too.
    package init(source: any PageSource, isConfined: Bool = false) throws(MachineError) {
        self.source = source
        self.isConfined = isConfined
        regions = source.regions.sorted { $0.start < $1.start }
        var mappings: [Mapping] = []
        var index = 0
        var end: UInt64 = 0
        for region in regions {
            let (regionEnd, overflow) = region.start.addingReportingOverflow(region.byteCount)
            guard region.start % 4096 == 0, region.byteCount % 4096 == 0, region.byteCount > 0, !overflow,
                regionEnd <= 1 << 52, region.start >= end
            else {
                throw MachineError(
                    .invalidLayout,
                    "memory region \(region.name) at 0x\(String(region.start, radix: 16)) is empty, not aligned to pages "
                        + "or overlaps another; the page source must describe each page once")
            }
            end = regionEnd
            let count = Int(region.byteCount / 4096)
            mappings.append(
                Mapping(
                    region: region, firstPage: region.start / 4096, pageCount: UInt64(count), firstIndex: index))
            index += count
        }
        guard index <= GuestMemory.maximumPages else {
            throw MachineError(
                .invalidLayout, "the guest has \(index) pages; the engine maps up to \(GuestMemory.maximumPages)")
        }
        guard let zeroPage = slabs.take(), let memory = HostPages.map(byteCount: Self.tableBytes(index)) else {
            throw MachineError(.outOfMemory, "the host has no memory for the table of the guest's \(index) pages")
        }
        self.zeroPage = zeroPage
        table = memory.bindMemory(to: Atomic<UInt>.self, capacity: max(index, 1))
        self.mappings = mappings
        pageCount = index
        extentCount = mappings.count
        extents = .allocate(capacity: max(mappings.count, 1))
        for (position, mapping) in mappings.sorted(by: { $0.pageCount > $1.pageCount }).enumerated() {
            (extents + position).initialize(
                to: Extent(
                    firstPage: mapping.firstPage, pageCount: mapping.pageCount, firstIndex: mapping.firstIndex,
                    isWritable: mapping.region.isWritable))
        }
    }

    deinit {
        munmap(table, Self.tableBytes(pageCount))
        extents.deallocate()
    }

    private static func tableBytes(_ pageCount: Int) -> Int { max(pageCount, 1) * MemoryLayout<Atomic<UInt>>.stride }

    /// Pages that hold something other than zeros and were loaded so far.
    package var loadedPageCount: Int { loaded.load(ordering: .relaxed) }

    /// Dense index of the page that holds a physical address, -1 when nothing is mapped there.
    @inline(__always)
    func pageIndex(ofPhysical address: UInt64) -> (index: Int, isWritable: Bool) {
        let page = address >> 12
        var position = 0
        while position < extentCount {
            let extent = extents + position
            let offset = page &- extent.pointee.firstPage
            if offset < extent.pointee.pageCount {
                return (extent.pointee.firstIndex &+ Int(offset), extent.pointee.isWritable)
            }
            position += 1
        }
        return (-1, false)
    }

    /// The physical address of a page index.
    func physicalAddress(ofIndex index: Int) -> UInt64 {
        for mapping in mappings where index >= mapping.firstIndex && index - mapping.firstIndex < Int(mapping.pageCount)
        {
            return (mapping.firstPage + UInt64(index - mapping.firstIndex)) << 12
        }
        return 0
    }

    /// The 4096 bytes of page `index`, loaded if needed. They must not be written.
    func page(_ index: Int) throws(MachineError) -> UnsafeMutableRawPointer {
        let known = table[index].load(ordering: .acquiring)
        if let pointer = UnsafeMutableRawPointer(bitPattern: known) { return pointer }
        return try load(index)
    }

    /// The bytes of page `index` if they were loaded.
    func loadedPage(_ index: Int) -> UnsafeMutableRawPointer? {
        UnsafeMutableRawPointer(bitPattern: table[index].load(ordering: .acquiring))
    }

    /// Page `index` is among those that ``loadedPageCount`` counts.
    func holds(_ index: Int) -> Bool { loadedPage(index).map { $0 != zeroPage } ?? false }

    /// Puts the 4096 bytes of page `index` into `target`, and keeps none of them: for who writes the page and needs no second copy.
    func copyPage(_ index: Int, into target: UnsafeMutableRawPointer) throws(MachineError) {
        if let known = loadedPage(index) { return target.copyMemory(from: known, byteCount: 4096) }
        target.initializeMemory(as: UInt8.self, repeating: 0, count: 4096)
        try readSource(index, into: target)
    }

    /// Lets go of page `index`, of which the only state has a copy of its own, if the base is confined. Nobody must know the page's
    /// address any more.
    func letGo(of index: Int) {
        guard isConfined, census.stateCount == 1, let page = loadedPage(index), page != zeroPage else { return }
        table[index].store(0, ordering: .relaxed)
        loaded.wrappingSubtract(1, ordering: .relaxed)
        slabs.giveBack(page, isZero: false)
    }

    private func readSource(_ index: Int, into target: UnsafeMutableRawPointer) throws(MachineError) {
        let address = physicalAddress(ofIndex: index)
        do {
            try source.readPage(at: address, into: UnsafeMutableRawBufferPointer(start: target, count: 4096))
        } catch {
            throw MachineError(
                .pageUnreadable,
                "the page at 0x\(String(address, radix: 16)) of the snapshot cannot be read; verify the store",
                cause: "\(error)")
        }
    }

    private func load(_ index: Int) throws(MachineError) -> UnsafeMutableRawPointer {
        guard let fresh = slabs.take() else {
            throw MachineError(.outOfMemory, "the host has no memory for another page of the snapshot")
        }
        do throws(MachineError) {
            try readSource(index, into: fresh)
        } catch {
            slabs.giveBack(fresh, isZero: false)
            throw error
        }
        let words = fresh.assumingMemoryBound(to: UInt64.self)
        var any: UInt64 = 0
        for word in 0..<512 { any |= words[word] }
        let chosen = any == 0 ? zeroPage : fresh
        let (exchanged, original) = table[index].compareExchange(
            expected: 0, desired: UInt(bitPattern: chosen), ordering: .acquiringAndReleasing)
        if any == 0 || !exchanged { slabs.giveBack(fresh, isZero: any == 0) }
        if exchanged, any != 0 { loaded.wrappingAdd(1, ordering: .relaxed) }
        return exchanged ? chosen : (UnsafeMutableRawPointer(bitPattern: original) ?? chosen)
    }
}

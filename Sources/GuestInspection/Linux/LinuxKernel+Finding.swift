extension LinuxKernel {
    /// Where x86-64 Linux maps its image: the last 2 GiB but for modules and the fixed mappings.
    private static let imageRegion: Range<UInt64> = 0xffff_ffff_8000_0000..<0xffff_ffff_c000_0000
    /// The most bytes of a run of the image that are searched.
    private static let maximumRun: UInt64 = 256 << 20

    /// Finds the kernel that a CPU runs.
    ///
    /// - Parameter readsTypes: without, `types` is nil: for who wants symbols only, and soon.
    /// - Returns: nil if none of the CPUs is in 64-bit mode with a Linux kernel whose symbol table is in memory.
    /// - Throws: only for failures of the storage.
    package static func find(
        in memory: any GuestMemory, processors: [PagingRegisters], readsTypes: Bool = true
    ) throws(GuestMemoryError) -> LinuxKernel? {
        let cached = PageCache(memory)
        var tried: Set<[UInt64]> = []
        for registers in processors where registers.isLongMode && imageRegion.contains(registers.lstar) {
            // With page table isolation, user mode has tables of its own, one page above the kernel's.
            for root in [registers.cr3, registers.cr3 & ~0x1000] {
                let pages = PageTables(memory: cached, root: root, levels: registers.levels)
                guard tried.insert([pages.root, UInt64(pages.levels)]).inserted else { continue }
                if let kernel = try find(pages, in: memory, entry: registers.lstar, readsTypes) {
                    return kernel.reading(memory)
                }
            }
        }
        return nil
    }

    /// - Parameter memory: the same as that of the page tables, for long runs that shall not go through its cache.
    private static func find(
        _ pages: PageTables, in memory: any GuestMemory, entry: UInt64, _ readsTypes: Bool
    ) throws(GuestMemoryError) -> LinuxKernel? {
        guard let code = try pages.translate(entry), code.isExecutable else { return nil }
        // The image is contiguous in physical memory; whatever else is mapped here lies elsewhere.
        let distance = entry &- code.address
        let image = try pages.runs(in: imageRegion).filter { $0.address &- $0.physical == distance }
        guard let first = image.first, let last = image.last else { return nil }
        let kernel = first.address..<last.end
        // Symbols are in read-only data.
        let order =
            image.filter { !$0.isExecutable && !$0.isWritable } + image.filter { !$0.isExecutable && $0.isWritable }
            + image.filter(\.isExecutable)
        for run in order {
            let bytes = try memory.bytes(at: run.physical, count: Int(min(run.length, maximumRun)))
            guard let symbols = KernelSymbols(searching: bytes, kernel: kernel) else { continue }
            let wanted = symbols.symbols(named: ["linux_banner", "__start_BTF", "__stop_BTF"])
            guard let banner = wanted["linux_banner"]?.first, kernel.contains(banner.address) else { continue }
            let text = ByteTable(try readable(pages, banner.address, 512)).string(at: 0) ?? ""
            guard text.hasPrefix("Linux version ") else { continue }
            return LinuxKernel(
                pages: pages, image: image, banner: text.trimmingNewline, symbols: symbols,
                types: try readsTypes ? types(pages, wanted, kernel) : nil)
        }
        return nil
    }

    /// The types between their two symbols.
    private static func types(
        _ pages: PageTables, _ symbols: [String: [KernelSymbols.Symbol]], _ kernel: Range<UInt64>
    ) throws(GuestMemoryError) -> KernelTypes? {
        guard let start = symbols["__start_BTF"]?.first?.address, let stop = symbols["__stop_BTF"]?.first?.address,
            start < stop, kernel.contains(start), stop <= kernel.upperBound, stop - start <= maximumRun
        else { return nil }
        let bytes = try readable(pages, start, Int(stop - start))
        // A section that cannot be read is as good as none; who needs types says so.
        return try? KernelTypes(bytes)
    }

    /// Bytes at a virtual address, up to the first that is not mapped.
    private static func readable(
        _ pages: PageTables, _ address: UInt64, _ count: Int
    ) throws(GuestMemoryError) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        var position = address
        while result.count < count {
            guard let mapping = try pages.translate(position) else { break }
            let left = mapping.pageSize - position % mapping.pageSize
            let part = Int(min(left, UInt64(count - result.count)))
            result += try pages.memory.bytes(at: mapping.address, count: part)
            position &+= UInt64(part)
        }
        return result
    }
}

extension String {
    fileprivate var trimmingNewline: String { String(prefix { $0 != "\n" }) }
}

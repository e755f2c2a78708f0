/// The page tables of a 64-bit guest: what a virtual address means.
///
/// Source: Intel SDM, volume 3, "4-Level Paging and 5-Level Paging". Tables come from the guest and may be anything: an entry
/// that points outside of RAM maps nothing, and the walk ends after as many steps as there are levels.
package struct PageTables: Sendable {
    /// A mapping of one page.
    package struct Mapping: Sendable, Hashable {
        /// Guest-physical address of the byte that was asked for.
        package var address: UInt64
        /// Bytes of the page: 4 KiB, 2 MiB or 1 GiB.
        package var pageSize: UInt64
        /// All levels allow writing.
        package var isWritable: Bool
        /// No level forbids execution.
        package var isExecutable: Bool
        /// Guest-physical address of the entry that maps the page.
        package var entryAddress: UInt64
    }

    /// A run of virtual addresses that is mapped to a run of physical ones with the same rights.
    package struct Run: Sendable, Hashable {
        /// First virtual address.
        package var address: UInt64
        /// First guest-physical address.
        package var physical: UInt64
        /// Bytes.
        package var length: UInt64
        /// Writing is allowed.
        package var isWritable: Bool
        /// Execution is allowed.
        package var isExecutable: Bool

        /// First address behind the run.
        package var end: UInt64 { address + length }
    }

    /// The memory that holds tables and pages.
    package let memory: any GuestMemory
    /// Guest-physical address of the top table.
    package let root: UInt64
    /// 4 or 5.
    package let levels: Int

    private static let addressMask: UInt64 = 0x000f_ffff_ffff_f000

    /// Tables at a guest-physical address.
    package init(memory: any GuestMemory, root: UInt64, levels: Int) {
        self.memory = memory
        self.root = root & Self.addressMask
        self.levels = levels == 5 ? 5 : 4
    }

    /// The mapping of a virtual address; nil if there is none.
    ///
    /// - Throws: only for failures of the storage.
    package func translate(_ address: UInt64) throws(GuestMemoryError) -> Mapping? {
        guard isCanonical(address) else { return nil }
        var table = root
        var isWritable = true
        var isExecutable = true
        for level in stride(from: levels - 1, through: 0, by: -1) {
            let shift = UInt64(12 + 9 * level)
            let entryAddress = table + (address >> shift & 511) * 8
            guard memory.contains(page: entryAddress / 4096) else { return nil }
            let entry: UInt64 = try memory.integer(at: entryAddress)
            guard entry & 1 == 1 else { return nil }
            isWritable = isWritable && entry & 2 != 0
            isExecutable = isExecutable && entry >> 63 == 0
            if level == 0 || (level <= 2 && entry & 0x80 != 0) {
                let offsetMask = (UInt64(1) << shift) - 1
                return Mapping(
                    address: entry & Self.addressMask & ~offsetMask | address & offsetMask, pageSize: offsetMask + 1,
                    isWritable: isWritable, isExecutable: isExecutable, entryAddress: entryAddress)
            }
            table = entry & Self.addressMask
        }
        return nil
    }

    /// All runs of mapped pages in a range of virtual addresses, upwards.
    ///
    /// - Parameter limit: the most entries that are looked at, against tables that point to each other.
    package func runs(
        in range: Range<UInt64>, limit: Int = 4 << 20
    ) throws(GuestMemoryError) -> [Run] {
        var walk = Walk(tables: self, range: range, budget: limit)
        try walk.visit(
            table: root, level: levels - 1, base: 0, Walk.Rights(isWritable: true, isExecutable: true))
        return walk.runs
    }

    /// Bits above the highest translated one repeat it.
    private func isCanonical(_ address: UInt64) -> Bool {
        let top = address >> UInt64(11 + 9 * levels)
        return top == 0 || top == UInt64.max >> UInt64(11 + 9 * levels)
    }
}

/// Collects runs, table by table.
private struct Walk {
    struct Rights {
        var isWritable: Bool
        var isExecutable: Bool
    }

    let tables: PageTables
    let range: Range<UInt64>
    var budget: Int
    var runs: [PageTables.Run] = []

    init(tables: PageTables, range: Range<UInt64>, budget: Int) {
        self.tables = tables
        self.range = range
        self.budget = budget
    }

    /// Looks at the entries of a table that lie in the range. `base` is the virtual address of the first, without the bits that
    /// repeat the highest one.
    mutating func visit(table: UInt64, level: Int, base: UInt64, _ rights: Rights) throws(GuestMemoryError) {
        guard tables.memory.contains(page: table / 4096) else { return }
        let bytes = try tables.memory.contents(ofPage: table / 4096)
        let shift = UInt64(12 + 9 * level)
        let signBit = UInt64(11 + 9 * tables.levels)
        for index in UInt64(0)..<512 {
            var address = base | index << shift
            if level == tables.levels - 1, address >> signBit & 1 == 1 { address |= UInt64.max << signBit }
            let last = address | ((1 << shift) - 1)
            guard last >= range.lowerBound else { continue }
            guard address < range.upperBound, budget > 0 else { return }
            budget -= 1
            let place = Int(index) * 8
            let entry = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[place + $1]) << UInt64(8 * $1) }
            guard entry & 1 == 1 else { continue }
            let own = Rights(
                isWritable: rights.isWritable && entry & 2 != 0, isExecutable: rights.isExecutable && entry >> 63 == 0)
            let target = entry & 0x000f_ffff_ffff_f000
            if level == 0 || (level <= 2 && entry & 0x80 != 0) {
                add(address, physical: target & ~((1 << shift) - 1), size: 1 << shift, own)
            } else {
                try visit(table: target, level: level - 1, base: address, own)
            }
        }
    }

    private mutating func add(_ address: UInt64, physical: UInt64, size: UInt64, _ rights: Rights) {
        if let last = runs.last, last.address &+ last.length == address, last.physical &+ last.length == physical,
            last.isWritable == rights.isWritable, last.isExecutable == rights.isExecutable
        {
            runs[runs.count - 1].length += size
        } else {
            runs.append(
                PageTables.Run(
                    address: address, physical: physical, length: size, isWritable: rights.isWritable,
                    isExecutable: rights.isExecutable))
        }
    }
}

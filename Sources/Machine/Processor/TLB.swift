import X86

/// One entry of the software TLB: a guest-virtual page and where its bytes are. Translated code knows the layout (`TLB.Layout`).
struct TLBEntry {
    /// Virtual page address when loads may go to `host`, else `TLB.invalid`.
    let read: UInt64
    /// Virtual page address when stores may go to `host`, else `TLB.invalid`.
    var write: UInt64
    /// The page's bytes.
    let host: UnsafeMutableRawPointer?
    /// What to add to a virtual address of the page to get the host's address.
    let addend: UInt64

    init(read: UInt64, write: UInt64, host: UnsafeMutableRawPointer?) {
        self.read = read
        self.write = write
        self.host = host
        addend = UInt64(UInt(bitPattern: host)) &- read
    }

    static var empty: TLBEntry { TLBEntry(read: TLB.invalid, write: TLB.invalid, host: nil) }
}

/// Direct-mapped translation cache for data, one for pages with code, and one for the next block by address.
///
/// Only RAM pages are entered: for reading when not watched, for writing when moreover private to the state and without cached code.
/// There is one set of entries per way of accessing (`Set`), because U/S and SMAP are judged when an entry is made. Whoever forgets entries
/// looks only at those that were made since the last time (`EntryGroups`): guests flush often.
///
/// Its memory is on loan from the pool of the thread's block cache, from the first use on until others need it more.
final class TLB {
    /// Who accesses: each has its own entries.
    enum Set: Int {
        case supervisor = 0
        /// Supervisor while SMAP is on and RFLAGS.AC allows user pages.
        case supervisorWithAccess = 1
        case user = 2
    }

    /// Entries per set.
    static let setCount = 2048
    static let count = 3 * setCount
    /// Never equal to a page-aligned address.
    static let invalid: UInt64 = 1
    static let jumpCount = 16384

    /// Where things are, in bytes, for translated code: the entries of the three sets, then the jump cache.
    enum Layout {
        /// Binary logarithm of the size of both kinds of entries.
        static let entryShift: UInt64 = 5
        static let read: Int32 = 0
        static let write: Int32 = 8
        static let addend: Int32 = 24
        static let jumps = Int32(TLB.count << 5)
        static let jumpKey: Int32 = 0
        static let jumpCode: Int32 = 20
        fileprivate static let codePages = (TLB.count + TLB.jumpCount) << 5
        fileprivate static let usedEntries = codePages + CodePageCache.byteCount
        fileprivate static let usedJumps = usedEntries + EntryGroups.byteCount(TLB.count, shift: entryGroupShift)
        fileprivate static let byteCount = usedJumps + EntryGroups.byteCount(TLB.jumpCount, shift: jumpGroupShift)
        fileprivate static let entryGroupShift = 3
        fileprivate static let jumpGroupShift = 2
    }

    /// Everything that a flush empties.
    ///
    /// Unsafe: all of it lies in one piece of memory from the pool, which is this processor's as long as `TLB.tables` is not nil.
    struct Tables {
        let memory: UnsafeMutableRawPointer
        let entries: UnsafeMutablePointer<TLBEntry>
        let jumps: UnsafeMutablePointer<JumpEntry>
        let codePages: CodePageCache
        /// Which entries are not empty, in groups.
        let usedEntries: EntryGroups
        let usedJumps: EntryGroups

        fileprivate init(_ memory: UnsafeMutableRawPointer) {
            self.memory = memory
            entries = memory.assumingMemoryBound(to: TLBEntry.self)
            jumps = (memory + Int(Layout.jumps)).assumingMemoryBound(to: JumpEntry.self)
            codePages = CodePageCache(memory + Layout.codePages)
            usedEntries = EntryGroups(memory + Layout.usedEntries, count: TLB.count, shift: Layout.entryGroupShift)
            usedJumps = EntryGroups(memory + Layout.usedJumps, count: TLB.jumpCount, shift: Layout.jumpGroupShift)
        }
    }

    @exclusivity(unchecked) private(set) var tables: Tables?
    /// Of `flush` and `flushJumps`, for `MachineStatistics`.
    @exclusivity(unchecked) var flushCount: UInt64 = 0
    @exclusivity(unchecked) var jumpFlushCount: UInt64 = 0
    /// `NativeCode.generation` that `JumpEntry.code` belongs to.
    @exclusivity(unchecked) var codeGeneration = 0
    /// The cache with the blocks that the jump cache names, and its `BlockCache.generation` when they were entered.
    let blocks: BlockCache
    @exclusivity(unchecked) var blockGeneration = 0
    /// When the processor ran last, in runs of the thread.
    @exclusivity(unchecked) private(set) var lastUse: UInt64 = 0
    /// Some entry may allow writing.
    @exclusivity(unchecked) var allowsWrites = false

    init(_ blocks: BlockCache) { self.blocks = blocks }

    /// What the run loop needs of a block, without reference counting.
    struct JumpEntry {
        /// Virtual address combined with who executes; see `TLB.key`.
        var key: UInt64
        /// Nil when the entry was made for translated code.
        var operations: UnsafeMutablePointer<MicroOp>?
        var instructionCount: UInt32
        /// Offset of the translated block, 0 when there is none.
        var code: UInt32
        /// Kept alive by the block cache until its generation changes.
        var block: Unmanaged<CachedBlock>?

        static var empty: JumpEntry {
            JumpEntry(key: TLB.noKey, operations: nil, instructionCount: 0, code: 0, block: nil)
        }

        private init(
            key: UInt64, operations: UnsafeMutablePointer<MicroOp>?, instructionCount: UInt32, code: UInt32,
            block: Unmanaged<CachedBlock>?
        ) {
            self.key = key
            self.operations = operations
            self.instructionCount = instructionCount
            self.code = code
            self.block = block
        }

        init(key: UInt64, _ cached: CachedBlock, operations: UnsafeMutablePointer<MicroOp>? = nil) {
            self.key = key
            self.operations = operations
            instructionCount = UInt32(truncatingIfNeeded: cached.instructionCount)
            code = 0
            block = Unmanaged.passUnretained(cached)
        }

        /// Address behind the block's last lifted instruction.
        var nextRIP: UInt64 {
            block.map { $0.takeUnretainedValue().block }.map { $0.rip &+ UInt64($0.byteCount) } ?? 0
        }

        /// Address of the block's first instruction.
        var rip: UInt64 { block?.takeUnretainedValue().block.rip ?? 0 }

        var repetition: RepeatedString? { block?.takeUnretainedValue().block.repetition }

        var unsupportedBytes: [UInt8] { block?.takeUnretainedValue().block.unsupportedBytes ?? [] }
    }

    /// The key of no block: executing there is not possible in any set, because the address is not canonical.
    static let noKey: UInt64 = 0x8000_0000_0000_0001

    /// Key of a block by its virtual address and the set of the executing processor: a bit is inverted, so that the address is not
    /// canonical and the sets' keys are disjoint.
    @inline(__always)
    static func key(_ rip: UInt64, _ set: Int) -> UInt64 { set == 0 ? rip : rip ^ (UInt64(1) << UInt64(60 &+ set)) }

    @inline(__always)
    static func jumpIndex(_ rip: UInt64) -> Int { Int((rip ^ (rip >> 10)) & UInt64(jumpCount - 1)) }

    /// Address ranges that large pages were entered for, per half of the address space: inside them one page cannot be
    /// forgotten alone.
    @exclusivity(unchecked) var largeLow: (base: UInt64, mask: UInt64)?
    @exclusivity(unchecked) var largeHigh: (base: UInt64, mask: UInt64)?

    deinit { release() }

    /// The tables, made on first use: empty ones.
    @inline(__always)
    var madeTables: Tables { tables ?? makeTables() }

    @inline(never)
    private func makeTables() -> Tables {
        let made = Tables(blocks.translations.take(for: self))
        tables = made
        return made
    }

    /// The entries, followed by the jump cache.
    var entries: UnsafeMutablePointer<TLBEntry> { madeTables.entries }

    /// Memory for a processor's tables, all of them empty.
    static func makeMemory() -> UnsafeMutableRawPointer {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: Layout.byteCount, alignment: 64)
        memory.initializeMemory(as: TLBEntry.self, repeating: .empty, count: count)
        (memory + Int(Layout.jumps)).initializeMemory(as: JumpEntry.self, repeating: .empty, count: jumpCount)
        // Code pages and groups are empty when they are 0.
        let rest = Layout.byteCount - Layout.codePages
        (memory + Layout.codePages).initializeMemory(as: UInt8.self, repeating: 0, count: rest)
        return memory
    }

    /// Must come before the processor executes blocks: it is in use now, and names no block that was dropped.
    func beginUse() {
        lastUse = blocks.nextUse()
        forgetDroppedBlocks()
    }

    /// Blocks by virtual address for the current translation and mode. They are changed by `enter` and `flush` only.
    var jumps: UnsafeMutablePointer<JumpEntry> { madeTables.jumps }

    /// Where blocks are looked up.
    var codePages: CodePageCache { madeTables.codePages }

    /// Makes an entry for the page of a virtual address.
    func enter(_ address: UInt64, set: Int, host: UnsafeMutableRawPointer, canWrite: Bool) {
        let page = address & ~4095
        if canWrite { allowsWrites = true }
        let index = set * Self.setCount + Int((address >> 12) & UInt64(Self.setCount - 1))
        let tables = madeTables
        tables.entries[index] = TLBEntry(read: page, write: canWrite ? page : Self.invalid, host: host)
        tables.usedEntries.note(index)
    }

    /// Makes the entry for the block at `rip`.
    func enter(_ jump: JumpEntry, at rip: UInt64) {
        let index = Self.jumpIndex(rip)
        let tables = madeTables
        tables.jumps[index] = jump
        tables.usedJumps.note(index)
    }

    /// Gives the memory back; the next use starts empty.
    func release() {
        if tables != nil { blocks.translations.giveBack(self) }
    }

    /// Lets go of the memory, for the pool, and empties it; nil when there is none.
    func giveUp() -> UnsafeMutableRawPointer? {
        flush()
        defer { tables = nil }
        return tables?.memory
    }
}

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
    static let jumpCount = 8192

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
        static let byteCount = (TLB.count + TLB.jumpCount) << 5
    }

    @exclusivity(unchecked) var storage: UnsafeMutablePointer<TLBEntry>?
    @exclusivity(unchecked) var jumpStorage: UnsafeMutablePointer<JumpEntry>?
    /// Which entries are not empty, in groups.
    let usedEntries = EntryGroups(count: TLB.count, groupShift: 3)
    let usedJumps = EntryGroups(count: TLB.jumpCount, groupShift: 2)
    /// Made when the first block is looked up; it is valid as long as the jump cache's entries are, whether that has memory or not.
    @exclusivity(unchecked) var knownCodePages: CodePageCache?
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

    /// The entries, followed by the jump cache; made on first use.
    var entries: UnsafeMutablePointer<TLBEntry> { storage ?? makeStorage() }

    @inline(never)
    private func makeStorage() -> UnsafeMutablePointer<TLBEntry> {
        let memory = blocks.translations.take(for: self)
        let entries = memory.assumingMemoryBound(to: TLBEntry.self)
        storage = entries
        jumpStorage = (memory + Int(Layout.jumps)).assumingMemoryBound(to: JumpEntry.self)
        return entries
    }

    /// Memory for a processor's entries, all of them empty.
    static func makeMemory() -> UnsafeMutableRawPointer {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: Layout.byteCount, alignment: 64)
        memory.initializeMemory(as: TLBEntry.self, repeating: .empty, count: count)
        (memory + Int(Layout.jumps)).initializeMemory(as: JumpEntry.self, repeating: .empty, count: jumpCount)
        return memory
    }

    /// Pages that code was fetched from; made on first use.
    var codePages: CodePageCache {
        if let knownCodePages { return knownCodePages }
        let fresh = CodePageCache()
        knownCodePages = fresh
        return fresh
    }

    /// Must come before the processor executes blocks: it is in use now, and names no block that was dropped.
    func beginUse() {
        lastUse = blocks.nextUse()
        forgetDroppedBlocks()
    }

    /// Blocks by virtual address for the current translation and mode; made on first use. They are changed by `enter` and `forget` only.
    var jumps: UnsafeMutablePointer<JumpEntry> {
        UnsafeMutableRawPointer(entries).advanced(by: Int(Layout.jumps)).assumingMemoryBound(to: JumpEntry.self)
    }

    /// Makes an entry for the page of a virtual address.
    func enter(_ address: UInt64, set: Int, host: UnsafeMutableRawPointer, canWrite: Bool) {
        let page = address & ~4095
        if canWrite { allowsWrites = true }
        let index = set * Self.setCount + Int((address >> 12) & UInt64(Self.setCount - 1))
        entries[index] = TLBEntry(read: page, write: canWrite ? page : Self.invalid, host: host)
        usedEntries.note(index)
    }

    /// Makes the entry for the block at `rip`.
    func enter(_ jump: JumpEntry, at rip: UInt64) {
        let index = Self.jumpIndex(rip)
        jumps[index] = jump
        usedJumps.note(index)
    }

    /// Gives the memory back; the next use starts empty.
    func release() {
        if storage != nil { blocks.translations.giveBack(self) }
    }

    /// Lets go of the memory, for the pool, and empties it; nil when there is none.
    func giveUp() -> UnsafeMutableRawPointer? {
        flush()
        defer {
            storage = nil
            jumpStorage = nil
            knownCodePages = nil
        }
        return storage.map { UnsafeMutableRawPointer($0) }
    }
}

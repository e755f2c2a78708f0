import X86

/// One entry of the software TLB: a guest-virtual page and where its bytes are.
struct TLBEntry {
    /// Virtual page address when loads may go to `host`, else `TLB.invalid`.
    var read: UInt64
    /// Virtual page address when stores may go to `host`, else `TLB.invalid`.
    var write: UInt64
    /// The page's bytes.
    var host: UnsafeMutableRawPointer?
}

/// Direct-mapped translation cache for data, and one for the next block by address.
///
/// Only RAM pages are entered: for reading when not watched, for writing when moreover private to the state and without cached code.
/// There is one set of entries per way of accessing (`Set`), because U/S and SMAP are judged when an entry is made.
final class TLB {
    /// Who accesses: each has its own entries.
    enum Set: Int {
        case supervisor = 0
        /// Supervisor while SMAP is on and RFLAGS.AC allows user pages.
        case supervisorWithAccess = 1
        case user = 2
    }

    /// Entries per set.
    static let setCount = 256
    static let count = 3 * setCount
    /// Never equal to a page-aligned address.
    static let invalid: UInt64 = 1
    static let jumpCount = 2048

    @exclusivity(unchecked) private var storage: UnsafeMutablePointer<TLBEntry>?
    @exclusivity(unchecked) private var jumpStorage: UnsafeMutablePointer<JumpEntry>?

    /// What the run loop needs of a block, without reference counting.
    struct JumpEntry {
        /// Virtual address combined with the privilege; see `Machine.execute`.
        var key: UInt64
        var operations: UnsafeMutablePointer<MicroOp>?
        var instructionCount: UInt64
        /// Kept alive by the block cache, which never drops a block.
        var block: Unmanaged<CachedBlock>?

        static var empty: JumpEntry { JumpEntry(key: 0, operations: nil, instructionCount: 0, block: nil) }

        private init(
            key: UInt64, operations: UnsafeMutablePointer<MicroOp>?, instructionCount: UInt64,
            block: Unmanaged<CachedBlock>?
        ) {
            self.key = key
            self.operations = operations
            self.instructionCount = instructionCount
            self.block = block
        }

        init(key: UInt64, _ cached: CachedBlock) {
            self.key = key
            operations = cached.operations
            instructionCount = cached.instructionCount
            block = Unmanaged.passUnretained(cached)
        }

        /// Address behind the block's last lifted instruction.
        var nextRIP: UInt64 {
            block.map { $0.takeUnretainedValue().block }.map { $0.rip &+ UInt64($0.byteCount) } ?? 0
        }

        /// Address of the block's first instruction.
        var rip: UInt64 { block?.takeUnretainedValue().block.rip ?? 0 }

        var unsupportedBytes: [UInt8] { block?.takeUnretainedValue().block.unsupportedBytes ?? [] }
    }

    deinit { release() }

    /// The entries; made on first use.
    var entries: UnsafeMutablePointer<TLBEntry> {
        if let storage { return storage }
        let fresh = UnsafeMutablePointer<TLBEntry>.allocate(capacity: Self.count)
        fresh.initialize(
            repeating: TLBEntry(read: Self.invalid, write: Self.invalid, host: nil), count: Self.count)
        storage = fresh
        return fresh
    }

    /// Blocks by virtual address for the current translation and mode; made on first use.
    var jumps: UnsafeMutablePointer<JumpEntry> {
        if let jumpStorage { return jumpStorage }
        let fresh = UnsafeMutablePointer<JumpEntry>.allocate(capacity: Self.jumpCount)
        fresh.initialize(repeating: JumpEntry.empty, count: Self.jumpCount)
        jumpStorage = fresh
        return fresh
    }

    /// Address ranges that large pages were entered for, per half of the address space: inside them one page cannot be
    /// forgotten alone.
    @exclusivity(unchecked) private var largeLow: (base: UInt64, mask: UInt64)?
    @exclusivity(unchecked) private var largeHigh: (base: UInt64, mask: UInt64)?

    /// Remembers that a translation from a large page is entered. `mask` has ones above the page's offset bits.
    func noteLarge(_ address: UInt64, mask: UInt64) {
        func grown(_ range: (base: UInt64, mask: UInt64)?) -> (base: UInt64, mask: UInt64) {
            guard let range else { return (address & mask, mask) }
            var wider = range.mask & mask
            while (range.base ^ address) & wider != 0 { wider <<= 1 }
            return (range.base & wider, wider)
        }
        if address >> 63 == 0 { largeLow = grown(largeLow) } else { largeHigh = grown(largeHigh) }
    }

    /// Forgets the translations of one page (INVLPG).
    func flush(page address: UInt64) {
        let large = address >> 63 == 0 ? largeLow : largeHigh
        if let large, address & large.mask == large.base {
            flush()
            return
        }
        let page = address & ~4095
        if let storage {
            let index = Int((address >> 12) & UInt64(Self.setCount - 1))
            for set in 0..<3 {
                let entry = storage + set * Self.setCount + index
                if entry.pointee.read == page || entry.pointee.write == page {
                    entry.pointee = TLBEntry(read: Self.invalid, write: Self.invalid, host: nil)
                }
            }
        }
        guard let jumpStorage else { return }
        // Blocks of this page, and those of the page before that reach into it.
        for index in 0..<Self.jumpCount where jumpStorage[index].block != nil {
            let rip = jumpStorage[index].rip
            if rip &- (page &- 4096) < 8192 { jumpStorage[index] = JumpEntry.empty }
        }
    }

    /// Forgets every translation.
    func flush() {
        largeLow = nil
        largeHigh = nil
        if let storage {
            storage.update(
                repeating: TLBEntry(read: Self.invalid, write: Self.invalid, host: nil), count: Self.count)
        }
        flushJumps()
    }

    func flushJumps() {
        jumpStorage?.update(repeating: JumpEntry.empty, count: Self.jumpCount)
    }

    /// Makes every page read-only again: after a fork, or when code was lifted from a written page.
    func flushWrites() {
        guard let storage else { return }
        for index in 0..<Self.count { storage[index].write = Self.invalid }
    }

    /// Forgets the entries that lead to a page's bytes.
    func flush(host: UnsafeMutableRawPointer) {
        guard let storage else { return }
        for index in 0..<Self.count where storage[index].host == host {
            storage[index] = TLBEntry(read: Self.invalid, write: Self.invalid, host: nil)
        }
    }

    /// Gives the memory back; the next use starts empty.
    func release() {
        storage?.deallocate()
        storage = nil
        jumpStorage?.deallocate()
        jumpStorage = nil
    }
}

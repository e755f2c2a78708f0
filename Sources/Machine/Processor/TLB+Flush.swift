// Forgetting
extension TLB {
    /// Empties the jump cache when blocks were dropped since it was last looked at.
    func forgetDroppedBlocks() {
        guard blockGeneration != blocks.generation else { return }
        blockGeneration = blocks.generation
        flushJumps()
    }

    /// Forgets where translated code is, but not the blocks.
    func forgetCode() {
        guard let tables else { return }
        tables.usedJumps.forEach { tables.jumps[$0].code = 0 }
    }

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
        guard let tables else { return }
        let page = address & ~4095
        let index = Int((address >> 12) & UInt64(Self.setCount - 1))
        for set in 0..<3 {
            let entry = tables.entries + set * Self.setCount + index
            if entry.pointee.read == page || entry.pointee.write == page { entry.pointee = .empty }
        }
        if blockGeneration != blocks.generation { return forgetDroppedBlocks() }
        // Blocks of this page, and those of the page before that reach into it.
        guard tables.codePages.forget(page) else { return }
        tables.usedJumps.forEach { index in
            guard tables.jumps[index].block != nil else { return }
            let rip = tables.jumps[index].rip
            if rip &- (page &- 4096) < 8192 { tables.jumps[index] = JumpEntry.empty }
        }
    }

    /// Forgets every translation.
    func flush() {
        flushCount &+= 1
        largeLow = nil
        largeHigh = nil
        allowsWrites = false
        guard let tables else { return }
        tables.usedEntries.forEach { tables.entries[$0] = .empty }
        tables.usedEntries.clear()
        emptyJumps()
    }

    /// Forgets where blocks are.
    func flushJumps() {
        jumpFlushCount &+= 1
        emptyJumps()
    }

    private func emptyJumps() {
        guard let tables else { return }
        tables.usedJumps.forEach { tables.jumps[$0] = .empty }
        tables.usedJumps.clear()
        tables.codePages.clear()
    }

    /// Makes every page read-only again: after a fork.
    func flushWrites() {
        guard let tables, allowsWrites else { return }
        tables.usedEntries.forEach { tables.entries[$0].write = Self.invalid }
        allowsWrites = false
    }

    /// Makes one page read-only again: when code was lifted from it.
    func flushWrites(host: UnsafeMutableRawPointer) {
        guard let tables else { return }
        tables.usedEntries.forEach { index in
            if tables.entries[index].host == host { tables.entries[index].write = Self.invalid }
        }
    }

    /// Forgets the entries that lead to a page's bytes.
    func flush(host: UnsafeMutableRawPointer) {
        guard let tables else { return }
        tables.usedEntries.forEach { index in
            if tables.entries[index].host == host { tables.entries[index] = .empty }
        }
    }
}

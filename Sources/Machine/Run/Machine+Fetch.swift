import X86

extension Machine {
    /// The lifted block that starts at `rip` in the current mode, from the cache or lifted now.
    ///
    /// Fetch faults come out as `AccessFailure.exception`; deliver them with `raise` after setting RIP to `rip`.
    /// - Parameters:
    ///   - single: lift one instruction only.
    ///   - ignoresBreakpoints: an instruction breakpoint does not count, as with RFLAGS.RF.
    package func block(
        at rip: UInt64, single: Bool = false, ignoresBreakpoints: Bool = false
    ) throws(AccessFailure) -> CachedBlock {
        counts.lookUps &+= 1
        let processor = processor
        let available = try codeBytes(at: rip)
        let linear = processor.codeAddress(rip)
        var single = single
        if processor.system.pointee.watchesCode {
            if !ignoresBreakpoints {
                let hits = processor.system.pointee.breakpoints(at: linear, byteCount: 1, .execute)
                if hits != 0 { throw .exception(.debugFault(hits)) }
            }
            // Every instruction near a breakpoint begins a block, so that none runs into it.
            if processor.system.pointee.hasCodeBreakpoint(onPageOf: linear) { single = true }
        }
        let page = try codePage(linear)
        let physical = page.physical | linear & 4095
        let (index, content) = (page.index, page.content)
        var context = processor.liftContext(options.model)
        context.hasHypercalls = options.stopsAtHypercalls
        processor.addMode(to: &context)
        // Outside of 64-bit mode the place in the page depends on the segment's base, and how much of the page is code on its limit.
        let place = (linear &- rip) & 4095
        let isCut = available < 4096 - Int(physical & 4095)
        let key = BlockCache.Key(
            content: content, rip: rip,
            context: context.bits | place << 32 | (isCut ? UInt64(available) << 44 : 0) | (single ? 1 << 63 : 0))
        if let known = blocks.find(key) {
            if known.secondPage == CachedBlock.noSecondPage {
                processor.tlb.codePages.enter(page, for: linear)
                return known
            }
            if known.secondPage == (try secondPageContent(linear)).content { return known }
        }
        let lifted = try lift(
            rip, linear: linear, available: available, physical: physical, index: index, key: key, context: context)
        // Not before a block knows the page: now a store to it will empty this cache as well.
        processor.tlb.codePages.enter(page, for: linear)
        return lifted
    }

    /// The page that code at a linear address is in. From now on stores to it are noticed, by whatever processor.
    private func codePage(_ linear: UInt64) throws(AccessFailure) -> CodePageCache.Entry {
        let tlb = processor.tlb
        // A page whose blocks were dropped is written without any notice to this processor.
        tlb.forgetDroppedBlocks()
        let key = CodePageCache.key(linear, translationSet)
        tlb.codePages.note(linear)
        if let known = tlb.codePages.find(linear, key: key) { return known }
        let translation = try translate(linear, .execute)
        if translation.pageSize > 4096 { tlb.noteLarge(linear, mask: ~(translation.pageSize - 1)) }
        let physical = translation.physicalAddress & ~4095
        let (index, _) = base.pageIndex(ofPhysical: physical)
        guard index >= 0 else {
            throw .exit(
                .unmapped(
                    UnmappedAccess(physicalAddress: translation.physicalAddress, byteCount: 1, isWrite: false)))
        }
        if let written = memory.writtenPage(index),
            PageHeader.contentID(written).pointee.load(ordering: .relaxed) == 0
        {
            for processor in processors { processor.tlb.flushWrites(host: PageHeader.data(written)) }
        }
        return CodePageCache.Entry(
            key: key, index: index, content: memory.contentIdentity(index), physical: physical)
    }

    private func secondPageContent(_ linear: UInt64) throws(AccessFailure) -> (index: Int, content: Int) {
        let page = try codePage((linear | 4095) &+ 1)
        return (page.index, page.content)
    }

    private func lift(
        _ rip: UInt64, linear: UInt64, available: Int, physical: UInt64, index: Int, key: BlockCache.Key,
        context: LiftContext
    ) throws(AccessFailure) -> CachedBlock {
        counts.liftedBlocks &+= 1
        let offset = Int(physical & 4095)
        let bytes = UnsafeRawBufferPointer(
            start: try readablePage(index) + offset, count: min(4096 - offset, available))
        let lifter = Lifter(context: context)
        let limit = key.context >> 63 == 1 ? 1 : Lifter.maximumInstructions
        if let block = lifter.lift(bytes, rip: rip, maximumInstructions: limit) {
            let cached = CachedBlock(block, firstPage: key.content)
            blocks.insert(cached, key)
            return cached
        }
        // The instruction goes beyond the limit of the code segment.
        guard available > bytes.count else { throw .exception(.generalProtection) }
        // To look for the second page may write to page tables, which may be anywhere.
        let beginning = Array(bytes)
        let second = try secondPageContent(linear)
        let joined =
            beginning
            + Array(
                UnsafeRawBufferPointer(
                    start: try readablePage(second.index), count: min(16, available - bytes.count)))
        guard let block = joined.withUnsafeBytes({ lifter.lift($0, rip: rip, maximumInstructions: 1) }) else {
            throw .exit(.unsupported(rip: rip, bytes: Array(joined.prefix(15))))
        }
        let cached = CachedBlock(block, firstPage: key.content, secondPage: second.content)
        blocks.insert(cached, key)
        return cached
    }

    /// Bytes from an instruction pointer to the end of the code segment; #GP when it is beyond.
    private func codeBytes(at rip: UInt64) throws(AccessFailure) -> Int {
        let system = processor.system
        if system.isLongCode { return 1 << 13 }
        guard system.pointee.systemFlags & RFlags.virtual8086 == 0 else {
            throw .exit(
                .unsupportedMode(
                    rip: rip,
                    reason:
                        "the processor is in virtual-8086 mode, which the engine lacks; take the snapshot at another time"
                ))
        }
        let limit = UInt64(system.pointee.segments[1].limit)
        guard rip <= limit else { throw .exception(.generalProtection) }
        return Int(min(limit - rip + 1, 1 << 13))
    }

    private func readablePage(_ index: Int) throws(AccessFailure) -> UnsafeMutableRawPointer {
        do throws(MachineError) { return try memory.readable(index) } catch { throw .exit(.memoryFailure(error)) }
    }
}

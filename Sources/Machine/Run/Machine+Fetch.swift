import X86

extension Machine {
    /// The lifted block that starts at `rip` in the current mode, from the cache or lifted now.
    ///
    /// Fetch faults come out as `AccessFailure.exception`; deliver them with `raise` after setting RIP to `rip`.
    /// - Parameter single: lift one instruction only.
    package func block(at rip: UInt64, single: Bool = false) throws(AccessFailure) -> CachedBlock {
        let processor = processor
        guard processor.system.pointee.isLongCode else {
            throw .exit(
                .unsupportedMode(
                    rip: rip,
                    reason: "the processor is not in 64-bit mode; take the snapshot when the guest's 64-bit kernel runs"
                ))
        }
        let translation = try translate(rip, .execute)
        if translation.pageSize > 4096 { processor.tlb.noteLarge(rip, mask: ~(translation.pageSize - 1)) }
        let physical = translation.physicalAddress
        let index = try codePage(physical)
        let isNew = memory.writtenPage(index).map {
            PageHeader.contentID($0).pointee.load(ordering: .relaxed) == 0
        }
        let content = memory.contentIdentity(index)
        if isNew == true { processor.tlb.flushWrites() }
        let context = processor.liftContext(options.model)
        let key = BlockCache.Key(content: content, rip: rip, context: context.bits | (single ? 1 << 63 : 0))
        if let known = blocks.find(key) {
            if known.secondPage == CachedBlock.noSecondPage { return known }
            if known.secondPage == (try secondPageContent(rip)).content { return known }
        }
        return try lift(rip, physical: physical, index: index, key: key, context: context)
    }

    private func codePage(_ physical: UInt64) throws(AccessFailure) -> Int {
        let (index, _) = base.pageIndex(ofPhysical: physical)
        guard index >= 0 else {
            throw .exit(.unmapped(UnmappedAccess(physicalAddress: physical, byteCount: 1, isWrite: false)))
        }
        return index
    }

    private func secondPageContent(_ rip: UInt64) throws(AccessFailure) -> (index: Int, content: Int) {
        let physical = try translate((rip | 4095) &+ 1, .execute).physicalAddress
        let index = try codePage(physical)
        let content = memory.contentIdentity(index)
        processor.tlb.flushWrites()
        return (index, content)
    }

    private func lift(
        _ rip: UInt64, physical: UInt64, index: Int, key: BlockCache.Key, context: LiftContext
    ) throws(AccessFailure) -> CachedBlock {
        let offset = Int(physical & 4095)
        let bytes = UnsafeRawBufferPointer(start: try readablePage(index) + offset, count: 4096 - offset)
        let lifter = Lifter(context: context)
        let limit = key.context >> 63 == 1 ? 1 : Lifter.maximumInstructions
        if let block = lifter.lift(bytes, rip: rip, maximumInstructions: limit) {
            let cached = CachedBlock(block, secondPage: CachedBlock.noSecondPage)
            blocks.insert(cached, key)
            return cached
        }
        let second = try secondPageContent(rip)
        let joined = Array(bytes) + Array(UnsafeRawBufferPointer(start: try readablePage(second.index), count: 16))
        guard let block = joined.withUnsafeBytes({ lifter.lift($0, rip: rip, maximumInstructions: 1) }) else {
            throw .exit(.unsupported(rip: rip, bytes: Array(joined.prefix(15))))
        }
        let cached = CachedBlock(block, secondPage: second.content)
        blocks.insert(cached, key)
        return cached
    }

    private func readablePage(_ index: Int) throws(AccessFailure) -> UnsafeMutableRawPointer {
        do throws(MachineError) { return try memory.readable(index) } catch { throw .exit(.memoryFailure(error)) }
    }
}

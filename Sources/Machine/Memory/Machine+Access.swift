import X86

/// Two 64-bit halves: what a guest load of up to 128 bits delivers.
struct Loaded {
    var low: UInt64
    var high: UInt64
}

/// The slow path of guest loads and stores: translation, page boundaries, watched pages, copy-on-write, devices.
extension Machine {
    /// The TLB set of the current privilege.
    @inline(__always)
    var translationSet: Int {
        let system = processor.system
        if system.pointee.privilegeLevel == 3 { return TLB.Set.user.rawValue }
        if system.pointee.cr4 & CR4.supervisorAccessPrevention != 0,
            system.pointee.systemFlags & RFlags.alignmentCheck != 0
        {
            return TLB.Set.supervisorWithAccess.rawValue
        }
        return TLB.Set.supervisor.rawValue
    }

    /// A guest load of `byteCount` (1-16) bytes.
    ///
    /// - Parameters:
    ///   - forStore: fault as a store would (read-modify-write instructions).
    ///   - asSupervisor: an implicit system access.
    ///   - ignoringWatch: do not stop at watched pages; for an interpreter that knows what is on them.
    package func load(
        _ address: UInt64, byteCount: Int, forStore: Bool = false, asSupervisor: Bool = false,
        ignoringWatch: Bool = false
    ) throws(AccessFailure) -> (low: UInt64, high: UInt64) {
        let loaded = try loadSlowly(
            address, byteCount: byteCount, forStore: forStore, asSupervisor: asSupervisor,
            ignoringWatch: ignoringWatch)
        return (loaded.low, loaded.high)
    }

    /// A guest store of the low `byteCount` (1-16) bytes of `high:low`. All bytes are written or none.
    package func store(
        _ address: UInt64, byteCount: Int, low: UInt64, high: UInt64 = 0, asSupervisor: Bool = false,
        ignoringWatch: Bool = false
    ) throws(AccessFailure) {
        let could = mayWriteCode
        mayWriteCode = true
        defer { mayWriteCode = could }
        try storeSlowly(
            address, byteCount: byteCount, low: low, high: high, asSupervisor: asSupervisor,
            ignoringWatch: ignoringWatch)
    }

    @inline(never)
    func loadSlowly(
        _ address: UInt64, byteCount: Int, forStore: Bool, asSupervisor: Bool = false, ignoringWatch: Bool = false
    ) throws(AccessFailure) -> Loaded {
        let offset = Int(address & 4095)
        let kind: AccessKind = forStore ? .write : .read
        let first = try translate(address, kind, asSupervisor: asSupervisor)
        if offset + byteCount <= 4096 {
            if processor.system.pointee.watchesData, !asSupervisor {
                try noteData(address, byteCount: byteCount, isWrite: forStore)
            }
            return try loadPart(
                address, first, byteCount: byteCount, enter: !asSupervisor, ignoringWatch: ignoringWatch)
        }
        let firstCount = 4096 - offset
        let second = try translate(address &+ UInt64(firstCount), kind, asSupervisor: asSupervisor)
        if processor.system.pointee.watchesData, !asSupervisor {
            try noteData(address, byteCount: byteCount, isWrite: forStore)
        }
        let low = try loadPart(
            address, first, byteCount: firstCount, enter: false, ignoringWatch: ignoringWatch, whole: byteCount)
        let rest = try loadPart(
            address &+ UInt64(firstCount), second, byteCount: byteCount - firstCount, enter: false,
            ignoringWatch: ignoringWatch, whole: byteCount)
        return Self.join(low, rest, at: firstCount)
    }

    /// Puts `upper` above the first `count` (1-15) bytes of `lower`.
    private static func join(_ lower: Loaded, _ upper: Loaded, at count: Int) -> Loaded {
        let shift = UInt64(count % 8 * 8)
        var result = lower
        if count < 8 {
            result.low |= upper.low << shift
            result.high = upper.high << shift | (shift == 0 ? 0 : upper.low >> (64 - shift))
        } else {
            result.high |= upper.low << shift
        }
        return result
    }

    /// A load that stays inside one page.
    private func loadPart(
        _ address: UInt64, _ translation: Translation, byteCount: Int, enter: Bool, ignoringWatch: Bool,
        whole: Int? = nil
    ) throws(AccessFailure) -> Loaded {
        let physical = translation.physicalAddress
        let (index, isWritable) = base.pageIndex(ofPhysical: physical)
        guard index >= 0 else {
            let value = try deviceRead(physical, byteCount: byteCount)
            return Loaded(low: value, high: 0)
        }
        let isWatched = memory.isWatched(index)
        if isWatched, !ignoringWatch {
            throw .exit(
                .watchedAccess(
                    WatchedAccess(
                        virtualAddress: address, physicalAddress: physical, byteCount: whole ?? byteCount,
                        isWrite: false)))
        }
        do throws(MachineError) {
            let page = try memory.readable(index)
            if enter, !isWatched, !isBreakpointPage(address) {
                let page4K = address & ~4095
                if translation.pageSize > 4096 { processor.tlb.noteLarge(address, mask: ~(translation.pageSize - 1)) }
                let entry =
                    processor.tlb.entries + translationSet * TLB.setCount
                    + Int((address >> 12) & UInt64(TLB.setCount - 1))
                let canWrite = translation.mayWrite && isWritable && memory.isWritableInPlace(index)
                entry.pointee = TLBEntry(
                    read: page4K, write: canWrite ? page4K : TLB.invalid, host: page)
            }
            var result = Loaded(low: 0, high: 0)
            withUnsafeMutableBytes(of: &result) { buffer in
                buffer.baseAddress?.copyMemory(from: page + Int(physical & 4095), byteCount: byteCount)
            }
            return result
        } catch {
            throw .exit(.memoryFailure(error))
        }
    }

    @inline(never)
    func storeSlowly(
        _ address: UInt64, byteCount: Int, low: UInt64, high: UInt64, asSupervisor: Bool = false,
        ignoringWatch: Bool = false
    ) throws(AccessFailure) {
        let offset = Int(address & 4095)
        let first = try translate(address, .write, asSupervisor: asSupervisor)
        if offset + byteCount <= 4096 {
            try checkStore(address, first, byteCount: byteCount, ignoringWatch: ignoringWatch)
            if processor.system.pointee.watchesData { try noteData(address, byteCount: byteCount, isWrite: true) }
            try storePart(
                address, first, byteCount: byteCount, low: low, high: high, enter: !asSupervisor)
            return
        }
        let firstCount = 4096 - offset
        let next = address &+ UInt64(firstCount)
        let second = try translate(next, .write, asSupervisor: asSupervisor)
        try checkStore(address, first, byteCount: byteCount, ignoringWatch: ignoringWatch)
        try checkStore(next, second, byteCount: byteCount, ignoringWatch: ignoringWatch)
        if processor.system.pointee.watchesData { try noteData(address, byteCount: byteCount, isWrite: true) }
        try storePart(address, first, byteCount: firstCount, low: low, high: high, enter: false)
        let shift = UInt64(firstCount % 8 * 8)
        let rest =
            firstCount >= 8
            ? Loaded(low: high >> shift, high: 0)
            : Loaded(low: low >> shift | high << (64 - shift), high: high >> shift)
        try storePart(
            next, second, byteCount: byteCount - firstCount, low: rest.low, high: rest.high, enter: false)
    }

    /// Stops before a store that must not happen now: to a watched page, or to code from inside a longer block.
    private func checkStore(
        _ address: UInt64, _ translation: Translation, byteCount: Int, ignoringWatch: Bool
    ) throws(AccessFailure) {
        let physical = translation.physicalAddress
        let (index, _) = base.pageIndex(ofPhysical: physical)
        guard index >= 0 else { return }
        if !ignoringWatch, memory.isWatched(index) {
            throw .exit(
                .watchedAccess(
                    WatchedAccess(
                        virtualAddress: address, physicalAddress: physical, byteCount: byteCount, isWrite: true)))
        }
        if !mayWriteCode, holdsCode(index) { throw .codeWrite }
    }

    private func holdsCode(_ index: Int) -> Bool {
        guard let page = memory.writtenPage(index) else { return blocks.hasCode(index) }
        return PageHeader.contentID(page).pointee.load(ordering: .relaxed) != 0
    }

    private func storePart(
        _ address: UInt64, _ translation: Translation, byteCount: Int, low: UInt64, high: UInt64, enter: Bool
    ) throws(AccessFailure) {
        let physical = translation.physicalAddress
        let (index, isWritable) = base.pageIndex(ofPhysical: physical)
        guard index >= 0 else {
            try deviceWrite(physical, byteCount: byteCount, value: low)
            return
        }
        guard isWritable else { return }
        do throws(MachineError) {
            let page = try writableBytes(ofPage: index)
            if enter, !memory.isWatched(index), !isBreakpointPage(address) {
                let page4K = address & ~4095
                if translation.pageSize > 4096 { processor.tlb.noteLarge(address, mask: ~(translation.pageSize - 1)) }
                let entry =
                    processor.tlb.entries + translationSet * TLB.setCount
                    + Int((address >> 12) & UInt64(TLB.setCount - 1))
                let canWrite = translation.mayWrite && memory.isWritableInPlace(index)
                entry.pointee = TLBEntry(read: page4K, write: canWrite ? page4K : TLB.invalid, host: page)
            }
            let value = Loaded(low: low, high: high)
            withUnsafeBytes(of: value) { buffer in
                if let source = buffer.baseAddress {
                    (page + Int(physical & 4095)).copyMemory(from: source, byteCount: byteCount)
                }
            }
        } catch {
            throw .exit(.memoryFailure(error))
        }
    }
}

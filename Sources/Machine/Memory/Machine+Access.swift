import X86

/// Two 64-bit halves: what a guest load of up to 128 bits delivers.
struct Loaded {
    var low: UInt64
    var high: UInt64
}

extension Loaded {
    /// The 1 to 16 bytes at `place`, zero-extended.
    @inline(__always)
    init(copying place: UnsafeMutableRawPointer, _ byteCount: Int) {
        self.init(low: 0, high: 0)
        if byteCount == 8 {
            low = place.loadUnaligned(as: UInt64.self)
        } else {
            withUnsafeMutableBytes(of: &self) { $0.baseAddress?.copyMemory(from: place, byteCount: byteCount) }
        }
    }

    /// Writes the low 1 to 16 bytes.
    @inline(__always)
    func copy(to place: UnsafeMutableRawPointer, _ byteCount: Int) {
        if byteCount == 8 {
            place.storeBytes(of: low, as: UInt64.self)
        } else {
            withUnsafeBytes(of: self) { buffer in
                if let source = buffer.baseAddress { place.copyMemory(from: source, byteCount: byteCount) }
            }
        }
    }
}

/// The slow path of guest loads and stores: translation, page boundaries, watched pages, copy-on-write, devices.
extension Machine {
    /// The TLB set of the current privilege.
    @inline(__always)
    var translationSet: Int {
        Self.translationSet(of: processor.system, CR4.supervisorAccessPrevention, RFlags.alignmentCheck)
    }

    /// The same of a processor, for a loop that has the bits CR4.SMAP and RFLAGS.AC at hand.
    @inline(__always)
    static func translationSet(
        of system: UnsafeMutablePointer<SystemState>, _ prevention: UInt64, _ alignmentCheck: UInt64
    ) -> Int {
        if system.pointee.privilegeLevel == 3 { return TLB.Set.user.rawValue }
        if system.pointee.cr4 & prevention != 0, system.pointee.systemFlags & alignmentCheck != 0 {
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
        if let place = cachedPlace(address, byteCount, isWrite: forStore, asSupervisor: asSupervisor) {
            let loaded = Loaded(copying: place, byteCount)
            return (loaded.low, loaded.high)
        }
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
        if let place = cachedPlace(address, byteCount, isWrite: true, asSupervisor: asSupervisor) {
            Loaded(low: low, high: high).copy(to: place, byteCount)
            return
        }
        try storeSlowly(
            address, byteCount: byteCount, low: low, high: high, asSupervisor: asSupervisor,
            ignoringWatch: ignoringWatch)
    }

    /// The TLB set of an access.
    @inline(__always)
    private func accessSet(asSupervisor: Bool) -> Int {
        asSupervisor ? TLB.Set.supervisor.rawValue : translationSet
    }

    /// The TLB set that an access may make an entry of. An access by the system does not, while RFLAGS.AC lets it touch more than the owner
    /// of the set `supervisor` may.
    private func enterSet(asSupervisor: Bool) -> Int? {
        guard asSupervisor else { return translationSet }
        return processor.system.pointee.systemFlags & RFlags.alignmentCheck == 0 ? TLB.Set.supervisor.rawValue : nil
    }

    /// The host's address of an access inside a page that the TLB has.
    @inline(__always)
    private func cachedPlace(
        _ address: UInt64, _ byteCount: Int, isWrite: Bool, asSupervisor: Bool
    ) -> UnsafeMutableRawPointer? {
        let offset = Int(address & 4095)
        guard offset + byteCount <= 4096 else { return nil }
        let entry =
            processor.tlb.entries + accessSet(asSupervisor: asSupervisor) * TLB.setCount
            + Int((address >> 12) & UInt64(TLB.setCount - 1))
        guard (isWrite ? entry.pointee.write : entry.pointee.read) == address & ~4095 else { return nil }
        return entry.pointee.host.map { $0 + offset }
    }

    @inline(never)
    func loadSlowly(
        _ address: UInt64, byteCount: Int, forStore: Bool, asSupervisor: Bool = false, ignoringWatch: Bool = false
    ) throws(AccessFailure) -> Loaded {
        counts.loads &+= 1
        let offset = Int(address & 4095)
        let kind: AccessKind = forStore ? .write : .read
        let first = try translate(address, kind, asSupervisor: asSupervisor)
        if offset + byteCount <= 4096 {
            if processor.system.pointee.watchesData, !asSupervisor {
                try noteData(address, byteCount: byteCount, isWrite: forStore)
            }
            return try loadPart(
                address, first, byteCount: byteCount, enterSet: enterSet(asSupervisor: asSupervisor),
                ignoringWatch: ignoringWatch)
        }
        let firstCount = 4096 - offset
        let second = try translate(address &+ UInt64(firstCount), kind, asSupervisor: asSupervisor)
        if processor.system.pointee.watchesData, !asSupervisor {
            try noteData(address, byteCount: byteCount, isWrite: forStore)
        }
        let low = try loadPart(
            address, first, byteCount: firstCount, enterSet: nil, ignoringWatch: ignoringWatch, whole: byteCount)
        let rest = try loadPart(
            address &+ UInt64(firstCount), second, byteCount: byteCount - firstCount, enterSet: nil,
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
        _ address: UInt64, _ translation: Translation, byteCount: Int, enterSet: Int?, ignoringWatch: Bool,
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
            if let enterSet, !isWatched, !isBreakpointPage(address) {
                if translation.pageSize > 4096 { processor.tlb.noteLarge(address, mask: ~(translation.pageSize - 1)) }
                processor.tlb.enter(
                    address, set: enterSet, host: page,
                    canWrite: translation.mayWrite && isWritable && memory.isWritableInPlace(index))
            }
            return Loaded(copying: page + Int(physical & 4095), byteCount)
        } catch {
            throw .exit(.memoryFailure(error))
        }
    }

    /// - Parameter block: the block that the store is one operation of, when more instructions of it follow: a store to its own code is
    ///   not carried out and throws `codeWrite`.
    @inline(never)
    func storeSlowly(
        _ address: UInt64, byteCount: Int, low: UInt64, high: UInt64, asSupervisor: Bool = false,
        ignoringWatch: Bool = false, inside block: CachedBlock? = nil
    ) throws(AccessFailure) {
        counts.stores &+= 1
        let offset = Int(address & 4095)
        let first = try translate(address, .write, asSupervisor: asSupervisor)
        if offset + byteCount <= 4096 {
            try checkStore(address, first, byteCount: byteCount, ignoringWatch: ignoringWatch, block)
            if processor.system.pointee.watchesData { try noteData(address, byteCount: byteCount, isWrite: true) }
            try storePart(
                address, first, byteCount: byteCount, low: low, high: high,
                enterSet: enterSet(asSupervisor: asSupervisor))
            return
        }
        let firstCount = 4096 - offset
        let next = address &+ UInt64(firstCount)
        let second = try translate(next, .write, asSupervisor: asSupervisor)
        try checkStore(address, first, byteCount: byteCount, ignoringWatch: ignoringWatch, block)
        try checkStore(next, second, byteCount: byteCount, ignoringWatch: ignoringWatch, block)
        if processor.system.pointee.watchesData { try noteData(address, byteCount: byteCount, isWrite: true) }
        try storePart(address, first, byteCount: firstCount, low: low, high: high, enterSet: nil)
        let shift = UInt64(firstCount % 8 * 8)
        let rest =
            firstCount >= 8
            ? Loaded(low: high >> shift, high: 0)
            : Loaded(low: low >> shift | high << (64 - shift), high: high >> shift)
        try storePart(
            next, second, byteCount: byteCount - firstCount, low: rest.low, high: rest.high, enterSet: nil)
    }

    /// Stops before a store that must not happen now: to a watched page, or to a page of the longer block that it is part of.
    ///
    /// Stores to other pages with code wait for nothing, whether it was lifted already or not: where blocks end, and with it when an
    /// interrupt comes, must not depend on what other states of the family have executed.
    private func checkStore(
        _ address: UInt64, _ translation: Translation, byteCount: Int, ignoringWatch: Bool, _ block: CachedBlock?
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
        guard let block, let content = memory.knownIdentity(index) else { return }
        if content == block.firstPage || content == block.secondPage { throw .codeWrite }
    }

    private func storePart(
        _ address: UInt64, _ translation: Translation, byteCount: Int, low: UInt64, high: UInt64, enterSet: Int?
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
            if let enterSet, !memory.isWatched(index), !isBreakpointPage(address) {
                if translation.pageSize > 4096 { processor.tlb.noteLarge(address, mask: ~(translation.pageSize - 1)) }
                processor.tlb.enter(
                    address, set: enterSet, host: page,
                    canWrite: translation.mayWrite && memory.isWritableInPlace(index))
            }
            Loaded(low: low, high: high).copy(to: page + Int(physical & 4095), byteCount)
        } catch {
            throw .exit(.memoryFailure(error))
        }
    }
}

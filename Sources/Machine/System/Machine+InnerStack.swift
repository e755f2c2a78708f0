import X86

// Stacks of inner privilege levels from the task state segment (Intel SDM volume 3, 7.2)
extension Machine {
    /// SS and stack pointer for `level` from the current task state segment, checked (#TS).
    func innerStack(_ level: Int) throws(AccessFailure) -> (segment: SegmentState, pointer: UInt64) {
        let system = processor.system
        let task = system.pointee.task
        let invalid = GuestException(.invalidTaskState, errorCode: UInt32(task.selector & 0xFFFC))
        func word(_ offset: Int, _ count: Int) throws(AccessFailure) -> UInt64 {
            guard UInt64(offset + count) <= UInt64(task.limit) + 1 else { throw .exception(invalid) }
            return try load(task.base &+ UInt64(offset), byteCount: count, asSupervisor: true).low
        }
        if system.isLongMode {
            // In long mode the stack segment is null with the new level.
            let pointer = try word(4 + level * 8, 8)
            guard Self.isCanonical(pointer) else { throw .exception(GuestException(.stackFault, errorCode: 0)) }
            return (SegmentState(selector: UInt16(level), limit: 0, attributes: UInt32(level) << 13), pointer)
        }
        let is32 = (task.attributes >> 8) & 8 != 0
        let pointer = try is32 ? word(4 + level * 8, 4) : word(2 + level * 4, 2)
        let selector = UInt16(truncatingIfNeeded: try is32 ? word(8 + level * 8, 2) : word(4 + level * 4, 2))
        let error = UInt32(selector & 0xFFFC)
        guard selector & 0xFFFC != 0 else { throw .exception(GuestException(.invalidTaskState, errorCode: error)) }
        let segment: SegmentState
        do throws(AccessFailure) {
            segment = try descriptor(selector)
        } catch {
            guard case .exception(let exception) = error, exception.vector == 13 else { throw error }
            throw .exception(GuestException(.invalidTaskState, errorCode: UInt32(selector & 0xFFFC)))
        }
        guard Int(selector & 3) == level, segment.privilegeLevel == level, segment.attributes & 0x1A00 == 0x1200 else {
            throw .exception(GuestException(.invalidTaskState, errorCode: error))
        }
        guard segment.attributes & 0x8000 != 0 else {
            throw .exception(GuestException(.stackFault, errorCode: error))
        }
        return (segment, pointer)
    }

    /// Pushes words (the first one highest) to a stack that is not current yet, with the rights of `level`; nothing is written when
    /// a word cannot be.
    ///
    /// - Returns: the new stack pointer.
    func pushFrame(
        _ words: [UInt64], size: Int, segment: SegmentState, pointer: UInt64, level: Int
    ) throws(AccessFailure) -> UInt64 {
        let system = processor.system
        let isLong = system.isLongMode && size == 8
        let mask: UInt64 = isLong ? ~0 : segment.isBig ? 0xFFFF_FFFF : 0xFFFF
        var addresses: [UInt64] = []
        for index in 1...words.count {
            let offset = (pointer &- UInt64(index * size)) & mask
            if !isLong {
                try checkSegment(segment, isStack: true, offset: offset, byteCount: size, isWrite: true)
            }
            addresses.append(isLong ? offset : (segment.base &+ offset) & 0xFFFF_FFFF)
        }
        let oldLevel = system.pointee.privilegeLevel
        system.pointee.privilegeLevel = level
        var failure: AccessFailure?
        do throws(AccessFailure) {
            for address in addresses {
                _ = try load(address, byteCount: size, forStore: true, asSupervisor: level != 3)
            }
            for (address, word) in zip(addresses, words) {
                try store(address, byteCount: size, low: word, asSupervisor: level != 3)
            }
        } catch {
            failure = error
        }
        system.pointee.privilegeLevel = oldLevel
        if let failure { throw failure }
        return isLong ? pointer &- UInt64(words.count * size) : (pointer &- UInt64(words.count * size)) & mask
    }
}

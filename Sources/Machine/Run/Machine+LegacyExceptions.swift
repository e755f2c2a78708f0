import X86

// Delivery of interrupts and exceptions outside of long mode (Intel SDM volume 3, 6.11, 6.12 and 20.1)
extension Machine {
    /// One delivery attempt. No guest-visible change unless it completes.
    func deliverLegacy(_ exception: GuestException) throws(AccessFailure) {
        if processor.system.isReal {
            try deliverReal(exception)
        } else {
            try deliverProtected(exception)
        }
    }

    /// Real-address mode: a table of far pointers, a frame of three words, no error code.
    private func deliverReal(_ exception: GuestException) throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        let vector = UInt64(exception.vector)
        let table = system.pointee.interruptDescriptorTable
        guard vector * 4 + 3 <= UInt64(table.limit) else { throw .exception(.generalProtection) }
        let entry = try load(table.base &+ vector * 4, byteCount: 4, asSupervisor: true).low
        let words = [
            processor.rflags & 0xFFFF, UInt64(system.pointee.segments[1].selector), processor[.rip] & 0xFFFF,
        ]
        var stack = system.pointee.segments[2]
        stack.base = processor[.ssBase]
        let pointer = try pushFrame(words, size: 2, segment: stack, pointer: processor[.rsp], level: 0)
        setStackPointer(pointer)
        setRealSegment(1, UInt16(truncatingIfNeeded: entry >> 16))
        processor[.rip] = entry & 0xFFFF
        system.pointee.systemFlags &= ~(RFlags.interrupt | RFlags.trap | RFlags.alignmentCheck | RFlags.resume)
    }

    private func deliverProtected(_ exception: GuestException) throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        let vector = UInt64(exception.vector)
        let checksGate = exception.isSoftware && !exception.isPrivileged
        let external: UInt32 = checksGate ? 0 : 1
        let selectorError = UInt32(vector) << 3 | 2 | external
        let table = system.pointee.interruptDescriptorTable
        guard vector * 8 + 7 <= UInt64(table.limit) else {
            throw .exception(GuestException(.generalProtection, errorCode: selectorError))
        }
        let gate = try load(table.base &+ vector * 8, byteCount: 8, asSupervisor: true).low
        let type = (gate >> 40) & 0x1F
        guard [5, 6, 7, 14, 15].contains(type) else {
            throw .exception(GuestException(.generalProtection, errorCode: selectorError))
        }
        let current = system.pointee.privilegeLevel
        if checksGate, Int(gate >> 45) & 3 < current {
            throw .exception(GuestException(.generalProtection, errorCode: selectorError))
        }
        guard gate & (1 << 47) != 0 else {
            throw .exception(GuestException(.segmentNotPresent, errorCode: selectorError))
        }
        if type == 5 { throw taskSwitch("an interrupt through a task gate") }
        let is32 = type >= 14
        let target = gate & 0xFFFF | (is32 ? (gate >> 32) & 0xFFFF_0000 : 0)
        let selector = UInt16(truncatingIfNeeded: gate >> 16)
        let error = UInt32(selector & 0xFFFC) | external
        guard selector & 0xFFFC != 0 else {
            throw .exception(GuestException(.generalProtection, errorCode: external))
        }
        var code = try descriptor(selector)
        guard code.attributes & 0x1800 == 0x1800, code.privilegeLevel <= current else {
            throw .exception(GuestException(.generalProtection, errorCode: error))
        }
        guard code.attributes & 0x8000 != 0 else {
            throw .exception(GuestException(.segmentNotPresent, errorCode: error))
        }
        let isConforming = code.attributes & 0x400 != 0
        let level = isConforming ? current : code.privilegeLevel
        var stack = system.pointee.segments[2]
        stack.base = processor[.ssBase]
        var pointer = processor[.rsp]
        var words: [UInt64] = []
        if level < current {
            words = [UInt64(stack.selector), processor[.rsp]]
            (stack, pointer) = try innerStack(level)
        }
        guard target <= UInt64(code.limit) else {
            throw .exception(GuestException(.generalProtection, errorCode: external))
        }
        words += [savedFlags(exception), UInt64(system.pointee.segments[1].selector), processor[.rip]]
        if let errorCode = exception.errorCode { words.append(UInt64(errorCode)) }
        let top = try pushFrame(words, size: is32 ? 4 : 2, segment: stack, pointer: pointer, level: level)
        code.selector = selector & ~3 | UInt16(level)
        setCode(code, stack, level: level)
        setStackPointer(top)
        processor[.rip] = target
        var cleared = RFlags.trap | RFlags.nestedTask | RFlags.resume | RFlags.virtual8086
        if type == 6 || type == 14 { cleared |= RFlags.interrupt }
        system.pointee.systemFlags &= ~cleared
    }
}

import X86

// Far JMP and CALL: code segments and call gates (Intel SDM volume 3, 5.8)
extension Machine {
    func farTransfer(
        _ kind: Helper, offset: UInt64, selector: UInt16, width: Int, length: Int
    ) throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        let isCall = kind == .farCall
        if system.isReal {
            guard offset <= UInt64(system.pointee.segments[1].limit) else { throw .exception(.generalProtection) }
            if isCall { try pushReturn(width: width, length: length) }
            setRealSegment(1, selector)
            processor[.rip] = offset
            return
        }
        let error = UInt32(selector & 0xFFFC)
        let target = try descriptor(selector)
        let level = system.pointee.privilegeLevel
        if target.attributes & 0x1000 == 0 {
            return try systemTransfer(target, selector, isCall: isCall, length: length)
        }
        try checkCode(target, selector, requested: Int(selector & 3), error: error)
        try checkTarget(offset, target)
        if isCall { try pushReturn(width: width, length: length) }
        var code = target
        code.selector = selector & ~3 | UInt16(level)
        setCode(code, system.pointee.segments[2], level: level)
        processor[.rip] = offset
    }

    /// A code segment that the current level may go to without a gate.
    private func checkCode(
        _ code: SegmentState, _ selector: UInt16, requested: Int, error: UInt32
    ) throws(AccessFailure) {
        let level = processor.system.pointee.privilegeLevel
        let isConforming = code.attributes & 0x400 != 0
        let isAllowed =
            isConforming ? code.privilegeLevel <= level : requested <= level && code.privilegeLevel == level
        guard code.attributes & 0x1800 == 0x1800, isAllowed,
            !(processor.system.isLongMode && code.isLong && code.isBig)
        else { throw .exception(GuestException(.generalProtection, errorCode: error)) }
        guard code.attributes & 0x8000 != 0 else {
            throw .exception(GuestException(.segmentNotPresent, errorCode: error))
        }
    }

    /// Pushes CS and the address behind the instruction: both words or none.
    private func pushReturn(width: Int, length: Int) throws(AccessFailure) {
        let processor = processor
        let size = width / 8
        let selector = UInt64(processor.system.pointee.segments[1].selector)
        let upper = try stackAddress(-size, byteCount: size)
        let lower = try stackAddress(-2 * size, byteCount: size)
        _ = try load(lower, byteCount: size, forStore: true)
        try store(upper, byteCount: size, low: selector)
        try store(lower, byteCount: size, low: processor[.rip] &+ UInt64(length))
        setStackPointer(processor[.rsp] &- UInt64(2 * size))
    }

    /// Call gates; task gates and task segments are refused.
    private func systemTransfer(
        _ gateSegment: SegmentState, _ selector: UInt16, isCall: Bool, length: Int
    ) throws(AccessFailure) {
        let system = processor.system
        let type = (gateSegment.attributes >> 8) & 0xF
        let level = system.pointee.privilegeLevel
        let error = UInt32(selector & 0xFFFC)
        let isLong = system.isLongMode
        let isGate = type == 0xC || (type == 4 && !isLong)
        guard isGate || (!isLong && [1, 5, 9].contains(type)),
            gateSegment.privilegeLevel >= max(level, Int(selector & 3))
        else { throw .exception(GuestException(.generalProtection, errorCode: error)) }
        guard gateSegment.attributes & 0x8000 != 0 else {
            throw .exception(GuestException(.segmentNotPresent, errorCode: error))
        }
        guard isGate else { throw taskSwitch("a far transfer to a task") }
        let raw = try load(try descriptorAddress(selector), byteCount: isLong ? 16 : 8, asSupervisor: true)
        let is16 = type == 4
        var offset = raw.low & 0xFFFF
        if !is16 { offset |= (raw.low >> 32) & 0xFFFF_0000 }
        if isLong {
            guard (raw.high >> 40) & 0x1F == 0 else {
                throw .exception(GuestException(.generalProtection, errorCode: error))
            }
            offset |= raw.high << 32
        }
        let targetSelector = UInt16(truncatingIfNeeded: raw.low >> 16)
        let target = try descriptor(targetSelector)
        let targetError = UInt32(targetSelector & 0xFFFC)
        let isConforming = target.attributes & 0x400 != 0
        let isInner = isCall && !isConforming && target.privilegeLevel < level
        guard target.attributes & 0x1800 == 0x1800, target.privilegeLevel <= level,
            isCall || isConforming || target.privilegeLevel == level, !isLong || (target.isLong && !target.isBig)
        else { throw .exception(GuestException(.generalProtection, errorCode: targetError)) }
        guard target.attributes & 0x8000 != 0 else {
            throw .exception(GuestException(.segmentNotPresent, errorCode: targetError))
        }
        try checkTarget(offset, target)
        let width = isLong ? 64 : is16 ? 16 : 32
        guard isInner else {
            if isCall { try pushReturn(width: width, length: length) }
            var code = target
            code.selector = targetSelector & ~3 | UInt16(level)
            setCode(code, system.pointee.segments[2], level: level)
            processor[.rip] = offset
            return
        }
        let count = isLong ? 0 : Int(raw.low >> 32) & 31
        try innerCall(target, targetSelector, offset, width: width, parameters: count, length: length)
    }

    /// A call through a gate to an inner level: new stack from the task segment, parameters copied.
    private func innerCall(
        _ target: SegmentState, _ selector: UInt16, _ offset: UInt64, width: Int, parameters: Int, length: Int
    ) throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        let level = target.privilegeLevel
        let size = width / 8
        let (stackSegment, stackPointer) = try innerStack(level)
        var words: [UInt64] = [UInt64(system.pointee.segments[2].selector), processor[.rsp]]
        for index in (0..<parameters).reversed() {
            words.append(try load(try stackAddress(index * size, byteCount: size), byteCount: size).low)
        }
        words += [UInt64(system.pointee.segments[1].selector), processor[.rip] &+ UInt64(length)]
        let pointer = try pushFrame(
            words, size: size, segment: stackSegment, pointer: stackPointer, level: level)
        var code = target
        code.selector = selector & ~3 | UInt16(level)
        setCode(code, stackSegment, level: level)
        setStackPointer(pointer)
        processor[.rip] = offset
    }
}

import X86

// IRET and far returns, in all modes (Intel SDM volume 2 and volume 3, 6.12 and 6.14)
extension Machine {
    /// Reads words from the stack upwards without moving the stack pointer.
    struct StackReader {
        /// Bytes per word.
        let size: Int
        var offset = 0
    }

    /// Linear address of the stack pointer plus `offset`, checked against the stack segment outside of 64-bit mode.
    func stackAddress(_ offset: Int, byteCount: Int) throws(AccessFailure) -> UInt64 {
        let processor = processor
        let width = processor.system.stackWidth
        let pointer = processor[.rsp] &+ UInt64(bitPattern: Int64(offset))
        guard width != 64 else { return pointer }
        let masked = pointer & (width == 32 ? 0xFFFF_FFFF : 0xFFFF)
        try checkSegment(2, offset: masked, byteCount: byteCount, isWrite: false)
        return (processor[.ssBase] &+ masked) & 0xFFFF_FFFF
    }

    func next(_ reader: inout StackReader) throws(AccessFailure) -> UInt64 {
        let address = try stackAddress(reader.offset, byteCount: reader.size)
        reader.offset += reader.size
        return try load(address, byteCount: reader.size).low
    }

    /// Sets the stack pointer with the width of the current stack segment.
    func setStackPointer(_ value: UInt64) {
        let processor = processor
        switch processor.system.stackWidth {
        case 64: processor[.rsp] = value
        case 32: processor[.rsp] = value & 0xFFFF_FFFF
        default: processor[.rsp] = processor[.rsp] & ~0xFFFF | value & 0xFFFF
        }
    }

    func interruptReturn(width: Int) throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        var reader = StackReader(size: width / 8)
        if system.isReal { return try realReturn(&reader) }
        if system.pointee.systemFlags & RFlags.nestedTask != 0 {
            if system.isLongMode { throw .exception(.generalProtection) }
            throw taskSwitch("IRET with NT set")
        }
        let isLong = system.isLongCode
        let target = try next(&reader)
        let codeSelector = UInt16(truncatingIfNeeded: try next(&reader))
        let flags = try next(&reader)
        let current = system.pointee.privilegeLevel
        if !system.isLongMode, flags & RFlags.virtual8086 != 0, current == 0, width == 32 {
            throw .exit(
                .unsupportedMode(
                    rip: processor[.rip], reason: "IRET to virtual-8086 mode, which the engine lacks"))
        }
        let level = Int(codeSelector & 3)
        guard level >= current else {
            throw .exception(GuestException(.generalProtection, errorCode: UInt32(codeSelector & 0xFFFC)))
        }
        let code = try returnCodeSegment(codeSelector, level: level)
        var stackSegment = system.pointee.segments[2]
        var stackPointer: UInt64?
        if isLong || level > current {
            stackPointer = try next(&reader)
            let selector = UInt16(truncatingIfNeeded: try next(&reader))
            stackSegment = try returnStackSegment(selector, level: level, code: code)
        }
        try checkTarget(target, code)
        // Which flags may change: IOPL at level 0 only, IF when the level allows.
        let old = processor.rflags
        var mask: UInt64 = 0x0025_4DD5
        if current == 0 { mask |= RFlags.privilegeLevel | 0x18_0000 }
        if current <= Int((old & RFlags.privilegeLevel) >> 12) { mask |= RFlags.interrupt }
        // RF matters to instruction breakpoints only, and lives for one instruction: without them it is not taken up.
        if !system.pointee.watchesCode { mask &= ~RFlags.resume }
        if width == 16 { mask &= 0xFFFF }
        processor.rflags = old & ~mask & ~RFlags.resume | flags & mask
        finishReturn(code, stackSegment, level: level, target, stackPointer, popped: reader.offset)
        processor.stepsChanged()
    }

    /// Loads what a return has found.
    ///
    /// - Parameters:
    ///   - stackPointer: that of the outer level; nil when the return stays on its stack.
    ///   - popped: bytes to take off the current stack then.
    private func finishReturn(
        _ code: SegmentState, _ stack: SegmentState, level: Int, _ target: UInt64, _ stackPointer: UInt64?, popped: Int
    ) {
        let processor = processor
        let inner = processor[.rsp]
        if level > processor.system.pointee.privilegeLevel { dropPrivilegedSegments(level) }
        if stackPointer == nil { setStackPointer(inner &+ UInt64(popped)) }
        setCode(code, stack, level: level)
        processor[.rip] = target
        if let stackPointer { setStackPointer(stackPointer) }
    }

    /// The offset must be canonical, or inside of the segment.
    func checkTarget(_ target: UInt64, _ code: SegmentState) throws(AccessFailure) {
        let isLong = processor.system.isLongMode && code.isLong
        guard isLong ? Self.isCanonical(target) : target <= UInt64(code.limit) else {
            throw .exception(.generalProtection)
        }
    }

    /// IRET of real-address mode.
    private func realReturn(_ reader: inout StackReader) throws(AccessFailure) {
        let processor = processor
        let target = try next(&reader)
        let selector = UInt16(truncatingIfNeeded: try next(&reader))
        let flags = try next(&reader)
        guard target <= UInt64(processor.system.pointee.segments[1].limit) else { throw .exception(.generalProtection) }
        var mask: UInt64 = reader.size == 2 ? 0x7FD5 : 0x0025_7FD5
        if !processor.system.pointee.watchesCode { mask &= ~RFlags.resume }
        processor.rflags = processor.rflags & ~mask & ~RFlags.resume | flags & mask
        setStackPointer(processor[.rsp] &+ UInt64(reader.offset))
        setRealSegment(1, selector)
        processor[.rip] = target
        processor.stepsChanged()
    }

    /// A code segment to return to at `level`.
    func returnCodeSegment(_ selector: UInt16, level: Int) throws(AccessFailure) -> SegmentState {
        var code = try descriptor(selector)
        let error = UInt32(selector & 0xFFFC)
        guard code.attributes & 0x1800 == 0x1800 else {
            throw .exception(GuestException(.generalProtection, errorCode: error))
        }
        if processor.system.isLongMode, code.isLong, code.isBig {
            throw .exception(GuestException(.generalProtection, errorCode: error))
        }
        let isConforming = code.attributes & 0x400 != 0
        guard isConforming ? code.privilegeLevel <= level : code.privilegeLevel == level else {
            throw .exception(GuestException(.generalProtection, errorCode: error))
        }
        guard code.attributes & 0x8000 != 0 else {
            throw .exception(GuestException(.segmentNotPresent, errorCode: error))
        }
        code.selector = selector
        return code
    }

    private func returnStackSegment(
        _ selector: UInt16, level: Int, code: SegmentState
    ) throws(AccessFailure) -> SegmentState {
        // A null SS is allowed on the way to 64-bit code below level 3.
        if selector & 0xFFFC == 0 {
            guard level != 3, processor.system.isLongMode, code.isLong else {
                throw .exception(.generalProtection)
            }
            return SegmentState(selector: selector, attributes: UInt32(level) << 13)
        }
        let segment = try descriptor(selector)
        guard Int(selector & 3) == level, segment.attributes & 0x1A00 == 0x1200, segment.privilegeLevel == level else {
            throw .exception(GuestException(.generalProtection, errorCode: UInt32(selector & 0xFFFC)))
        }
        guard segment.attributes & 0x8000 != 0 else {
            throw .exception(GuestException(.stackFault, errorCode: UInt32(selector & 0xFFFC)))
        }
        return segment
    }

    /// Data segments that the outer level may not use become null; in long mode FS and GS keep their bases.
    private func dropPrivilegedSegments(_ level: Int) {
        let system = processor.system
        for index in [0, 3, 4, 5] {
            let segment = system.pointee.segments[index]
            let isData = segment.attributes & 0x1800 == 0x1000 || segment.attributes & 0x1C00 == 0x1800
            if isData, segment.privilegeLevel < level, segment.selector & 0xFFFC != 0 {
                system.pointee.segments[index].selector = 0
                system.pointee.segments[index].attributes = 0
            }
        }
    }

    func farReturn(width: Int, drop: Int) throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        var reader = StackReader(size: width / 8)
        let target = try next(&reader)
        let selector = UInt16(truncatingIfNeeded: try next(&reader))
        if system.isReal {
            guard target <= UInt64(system.pointee.segments[1].limit) else { throw .exception(.generalProtection) }
            setStackPointer(processor[.rsp] &+ UInt64(reader.offset + drop))
            setRealSegment(1, selector)
            processor[.rip] = target
            return
        }
        let level = Int(selector & 3)
        guard level >= system.pointee.privilegeLevel else {
            throw .exception(GuestException(.generalProtection, errorCode: UInt32(selector & 0xFFFC)))
        }
        let code = try returnCodeSegment(selector, level: level)
        guard level > system.pointee.privilegeLevel else {
            try checkTarget(target, code)
            finishReturn(
                code, system.pointee.segments[2], level: level, target, nil, popped: reader.offset + drop)
            return
        }
        reader.offset += drop
        let outer = try next(&reader)
        let stackSelector = UInt16(truncatingIfNeeded: try next(&reader))
        let stackSegment = try returnStackSegment(stackSelector, level: level, code: code)
        try checkTarget(target, code)
        finishReturn(code, stackSegment, level: level, target, outer &+ UInt64(drop), popped: 0)
    }

    /// Where the guest asks for a hardware task switch.
    func taskSwitch(_ what: String) -> AccessFailure {
        .exit(
            .unsupportedMode(
                rip: processor[.rip], reason: "\(what) is a hardware task switch, which the engine lacks"))
    }
}

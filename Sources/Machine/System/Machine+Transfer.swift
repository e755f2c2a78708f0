import X86

// SYSCALL, SYSRET, IRET, far transfers
extension Machine {
    /// A flat segment as SYSCALL and SYSRET load it.
    private static func flat(_ selector: UInt16, level: Int, isCode: Bool) -> SegmentState {
        let type: UInt32 = isCode ? 0x00A0_9B00 : 0x00C0_9300
        return SegmentState(
            selector: selector, base: 0, limit: 0xFFFF_FFFF, attributes: type | UInt32(level) << 13)
    }

    /// Changes CS, SS and the privilege level.
    private func setCode(_ code: SegmentState, _ stack: SegmentState, level: Int) {
        let system = processor.system
        system.pointee.segments[1] = code
        system.pointee.segments[2] = stack
        processor[.csBase] = code.base
        processor[.ssBase] = stack.base
        system.pointee.privilegeLevel = level
    }

    func systemCall(length: Int) throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        guard system.pointee.efer & EFER.systemCall != 0 else { throw .exception(.invalidOpcode) }
        let flags = processor.rflags
        processor[.rcx] = processor[.rip] &+ UInt64(length)
        processor[.r11] = flags & ~RFlags.resume
        processor.rflags = flags & ~system.pointee.syscallMask & ~RFlags.resume
        let selector = UInt16(truncatingIfNeeded: system.pointee.star >> 32)
        setCode(
            Self.flat(selector & ~3, level: 0, isCode: true),
            Self.flat((selector &+ 8) & ~3, level: 0, isCode: false), level: 0)
        processor[.rip] = system.pointee.lstar
    }

    func systemReturn(width: Int) throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        guard system.pointee.efer & EFER.systemCall != 0 else { throw .exception(.invalidOpcode) }
        try requireSupervisor()
        guard width == 64 else {
            throw .exit(
                .unsupportedMode(
                    rip: processor[.rip], reason: "SYSRET to 32-bit code; 32-bit programs are not supported yet"))
        }
        guard Self.isCanonical(processor[.rcx]) else { throw .exception(.generalProtection) }
        let kept = RFlags.resume | RFlags.virtual8086
        processor.rflags = processor[.r11] & 0x3C_7FD7 & ~kept | RFlags.reserved1
        let selector = UInt16(truncatingIfNeeded: system.pointee.star >> 48)
        setCode(
            Self.flat((selector &+ 16) | 3, level: 3, isCode: true),
            Self.flat((selector &+ 8) | 3, level: 3, isCode: false), level: 3)
        processor[.rip] = processor[.rcx]
    }

    func interruptReturn(width: Int) throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        guard width == 64 else { throw unsupported() }
        guard system.pointee.systemFlags & RFlags.nestedTask == 0 else { throw .exception(.generalProtection) }
        let stack = processor[.rsp]
        var frame: [UInt64] = []
        for index in 0..<5 { frame.append(try load(stack &+ UInt64(index * 8), byteCount: 8).low) }
        let codeSelector = UInt16(truncatingIfNeeded: frame[1])
        let stackSelector = UInt16(truncatingIfNeeded: frame[4])
        let level = Int(codeSelector & 3)
        guard level >= system.pointee.privilegeLevel else {
            throw .exception(GuestException(.generalProtection, errorCode: UInt32(codeSelector & 0xFFFC)))
        }
        let code = try returnCodeSegment(codeSelector, level: level)
        let stackSegment = try returnStackSegment(stackSelector, level: level)
        guard Self.isCanonical(frame[0]) else { throw .exception(.generalProtection) }
        // Which flags may change: IOPL at level 0 only, IF when the level allows.
        let current = processor.rflags
        var mask: UInt64 = 0x0025_4DD5
        if system.pointee.privilegeLevel == 0 { mask |= RFlags.privilegeLevel | 0x18_0000 }
        if system.pointee.privilegeLevel <= Int((current & RFlags.privilegeLevel) >> 12) { mask |= RFlags.interrupt }
        processor.rflags = current & ~mask | frame[2] & mask
        if level > system.pointee.privilegeLevel { dropPrivilegedSegments(level) }
        setCode(code, stackSegment, level: level)
        processor[.rip] = frame[0]
        processor[.rsp] = frame[3]
    }

    private func returnCodeSegment(_ selector: UInt16, level: Int) throws(AccessFailure) -> SegmentState {
        var code = try descriptor(selector)
        guard code.attributes & 0x1800 == 0x1800, code.attributes & 0x8000 != 0 else {
            throw .exception(GuestException(.generalProtection, errorCode: UInt32(selector & 0xFFFC)))
        }
        guard code.isLong, !code.isBig else {
            throw .exit(
                .unsupportedMode(
                    rip: processor[.rip], reason: "return to 32-bit code; 32-bit programs are not supported yet"))
        }
        let isConforming = code.attributes & 0x400 != 0
        guard isConforming ? code.privilegeLevel <= level : code.privilegeLevel == level else {
            throw .exception(GuestException(.generalProtection, errorCode: UInt32(selector & 0xFFFC)))
        }
        code.selector = selector
        return code
    }

    private func returnStackSegment(_ selector: UInt16, level: Int) throws(AccessFailure) -> SegmentState {
        // A null SS is allowed in 64-bit mode below level 3.
        if selector & 0xFFFC == 0 {
            guard level != 3 else { throw .exception(.generalProtection) }
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
        guard width == 64 else { throw unsupported() }
        let stack = processor[.rsp]
        let target = try load(stack, byteCount: 8).low
        let selector = UInt16(truncatingIfNeeded: try load(stack &+ 8, byteCount: 8).low)
        let level = Int(selector & 3)
        guard level >= system.pointee.privilegeLevel else {
            throw .exception(GuestException(.generalProtection, errorCode: UInt32(selector & 0xFFFC)))
        }
        let code = try returnCodeSegment(selector, level: level)
        guard Self.isCanonical(target) else { throw .exception(.generalProtection) }
        guard level > system.pointee.privilegeLevel else {
            setCode(code, system.pointee.segments[2], level: level)
            processor[.rip] = target
            processor[.rsp] = stack &+ 16 &+ UInt64(drop)
            return
        }
        let outer = stack &+ 16 &+ UInt64(drop)
        let outerStack = try load(outer, byteCount: 8).low
        let stackSelector = UInt16(truncatingIfNeeded: try load(outer &+ 8, byteCount: 8).low)
        let stackSegment = try returnStackSegment(stackSelector, level: level)
        dropPrivilegedSegments(level)
        setCode(code, stackSegment, level: level)
        processor[.rip] = target
        processor[.rsp] = outerStack &+ UInt64(drop)
    }

    /// JMP and CALL through a far pointer to a 64-bit code segment of the same level.
    func farTransfer(_ kind: Helper, pointer: UInt64, width: Int, length: Int) throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        let target = try load(pointer, byteCount: width / 8).low
        let selector = UInt16(truncatingIfNeeded: try load(pointer &+ UInt64(width / 8), byteCount: 2).low)
        let level = system.pointee.privilegeLevel
        var code = try descriptor(selector)
        guard code.attributes & 0x1800 == 0x1800, code.isLong, code.privilegeLevel == level, width == 64 else {
            throw unsupported()
        }
        code.selector = selector & ~3 | UInt16(level)
        guard Self.isCanonical(target) else { throw .exception(.generalProtection) }
        if kind == .farCall {
            let stack = processor[.rsp]
            try store(stack &- 8, byteCount: 8, low: UInt64(system.pointee.segments[1].selector))
            try store(stack &- 16, byteCount: 8, low: processor[.rip] &+ UInt64(length))
            processor[.rsp] = stack &- 16
        }
        setCode(code, system.pointee.segments[2], level: level)
        processor[.rip] = target
    }
}

import X86

// SYSCALL, SYSRET, SYSENTER, SYSEXIT
extension Machine {
    /// A flat segment as SYSCALL and its kind load it.
    private static func flat(_ selector: UInt16, level: Int, isCode: Bool, isLong: Bool = true) -> SegmentState {
        let type: UInt32 = isCode ? (isLong ? 0x00A0_9B00 : 0x00C0_9B00) : 0x00C0_9300
        return SegmentState(
            selector: selector, base: 0, limit: 0xFFFF_FFFF, attributes: type | UInt32(level) << 13)
    }

    /// Changes CS, SS and the privilege level.
    func setCode(_ code: SegmentState, _ stack: SegmentState, level: Int) {
        let system = processor.system
        system.pointee.segments[1] = code
        system.pointee.segments[2] = stack
        processor[.csBase] = code.base
        processor[.ssBase] = stack.base
        system.pointee.privilegeLevel = level
        processor.modeChanged()
    }

    /// Whether CPUID names Intel, for what the two makers do differently.
    var isIntel: Bool { options.model.leaf(0, subleaf: 0).ebx == 0x756E_6547 }

    /// SYSCALL. Intel's processors know it in 64-bit mode only; AMD's go to CSTAR from compatibility mode and to the address in
    /// STAR from legacy modes (AMD APM volume 3).
    func systemCall(length: Int) throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        guard system.pointee.efer & EFER.systemCall != 0, !system.isReal else {
            throw .exception(.invalidOpcode)
        }
        let isLong = system.isLongCode
        guard isLong || !isIntel else { throw .exception(.invalidOpcode) }
        let flags = processor.rflags
        let next = processor[.rip] &+ UInt64(length)
        let selector = UInt16(truncatingIfNeeded: system.pointee.star >> 32)
        system.pointee.checksTrapAfterwards = true
        if system.isLongMode {
            processor[.rcx] = isLong ? next : next & 0xFFFF_FFFF
            processor[.r11] = flags & ~RFlags.resume
            processor.rflags = flags & ~system.pointee.syscallMask & ~RFlags.resume
            processor[.rip] = isLong ? system.pointee.lstar : system.pointee.cstar
        } else {
            processor[.rcx] = next & 0xFFFF_FFFF
            processor.rflags = flags & ~(RFlags.interrupt | RFlags.resume | RFlags.virtual8086)
            processor[.rip] = system.pointee.star & 0xFFFF_FFFF
        }
        setCode(
            Self.flat(selector & ~3, level: 0, isCode: true, isLong: system.isLongMode),
            Self.flat((selector &+ 8) & ~3, level: 0, isCode: false), level: 0)
    }

    func systemReturn(width: Int) throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        let isLong = system.isLongCode
        guard system.pointee.efer & EFER.systemCall != 0, !system.isReal, isLong || !isIntel else {
            throw .exception(.invalidOpcode)
        }
        try requireSupervisor()
        let selector = UInt16(truncatingIfNeeded: system.pointee.star >> 48)
        let toLong = isLong && width == 64
        if toLong {
            guard Self.isCanonical(processor[.rcx]) else { throw .exception(.generalProtection) }
        }
        if isLong {
            let kept = RFlags.resume | RFlags.virtual8086
            processor.rflags = processor[.r11] & 0x3C_7FD7 & ~kept | RFlags.reserved1
        } else {
            processor.rflags |= RFlags.interrupt
        }
        setCode(
            Self.flat((selector &+ (toLong ? 16 : 0)) | 3, level: 3, isCode: true, isLong: toLong),
            Self.flat((selector &+ 8) | 3, level: 3, isCode: false), level: 3)
        processor[.rip] = toLong ? processor[.rcx] : processor[.rcx] & 0xFFFF_FFFF
        // The flag that SYSRET sets counts for SYSRET itself: the trap comes as if SYSCALL had just been done.
        system.pointee.checksTrapAfterwards = true
        if system.pointee.systemFlags & RFlags.trap != 0 { system.pointee.pendingDebug |= DR6.singleStep }
        processor.stepsChanged()
    }

    /// SYSENTER (Intel SDM volume 2). AMD's processors know it outside of long mode only.
    func systemEnter() throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        let isLong = system.isLongMode
        guard !isLong || isIntel else { throw .exception(.invalidOpcode) }
        let selector = UInt16(truncatingIfNeeded: system.pointee.sysenterCS) & 0xFFFC
        guard !system.isReal, selector != 0 else { throw .exception(.generalProtection) }
        let mask: UInt64 = isLong ? ~0 : 0xFFFF_FFFF
        system.pointee.systemFlags &= ~(RFlags.virtual8086 | RFlags.interrupt)
        setCode(
            Self.flat(selector, level: 0, isCode: true, isLong: isLong),
            Self.flat(selector &+ 8, level: 0, isCode: false), level: 0)
        processor[.rsp] = system.pointee.sysenterESP & mask
        processor[.rip] = system.pointee.sysenterEIP & mask
    }

    func systemExit(width: Int) throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        guard !system.isLongMode || isIntel else { throw .exception(.invalidOpcode) }
        let selector = UInt16(truncatingIfNeeded: system.pointee.sysenterCS) & 0xFFFC
        guard !system.isReal, selector != 0 else { throw .exception(.generalProtection) }
        try requireSupervisor()
        let toLong = width == 64
        if toLong, !Self.isCanonical(processor[.rcx]) || !Self.isCanonical(processor[.rdx]) {
            throw .exception(.generalProtection)
        }
        let mask: UInt64 = toLong ? ~0 : 0xFFFF_FFFF
        setCode(
            Self.flat((selector &+ (toLong ? 32 : 16)) | 3, level: 3, isCode: true, isLong: toLong),
            Self.flat((selector &+ (toLong ? 40 : 24)) | 3, level: 3, isCode: false), level: 3)
        processor[.rsp] = processor[.rcx] & mask
        processor[.rip] = processor[.rdx] & mask
    }
}

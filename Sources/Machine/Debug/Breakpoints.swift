import X86

/// What a breakpoint of DR7 waits for (Intel SDM volume 3, 17.2.4).
enum BreakpointKind: UInt64 {
    case execute = 0
    case write = 1
    /// An I/O port, when CR4.DE is set.
    case port = 2
    case access = 3
}

extension SystemState {
    /// A single step is due: RFLAGS.TF traps, RF lets one instruction pass its breakpoint, or a trap waits.
    var needsSteps: Bool { systemFlags & (RFlags.trap | RFlags.resume) != 0 || pendingDebug != 0 }

    private func isEnabled(_ number: Int) -> Bool { debug[7] >> UInt64(2 * number) & 3 != 0 }

    private func kind(_ number: Int) -> BreakpointKind {
        BreakpointKind(rawValue: debug[7] >> UInt64(16 + 4 * number) & 3) ?? .execute
    }

    /// What the debug registers have to watch.
    var watchedKinds: Set<BreakpointKind> { Set((0..<4).filter(isEnabled).map(kind)) }

    /// DR6's bits of the enabled breakpoints of a kind that touch a span of linear addresses or ports.
    func breakpoints(at address: UInt64, byteCount: Int, _ wanted: BreakpointKind) -> UInt64 {
        var hits: UInt64 = 0
        for number in 0..<4 where isEnabled(number) && kind(number) == wanted {
            // 1, 2, 8 and 4 bytes by code; the address's low bits do not count. An instruction is met by its first byte.
            let code = debug[7] >> UInt64(18 + 4 * number) & 3
            let length: UInt64 = wanted == .execute ? 1 : (0x4821 >> (4 * code)) & 15
            let start = debug[number] & ~(length - 1)
            if address &- start < length || start &- address < UInt64(byteCount) { hits |= 1 << UInt64(number) }
        }
        return hits
    }

    /// An instruction breakpoint lies on the page of a linear address.
    func hasCodeBreakpoint(onPageOf address: UInt64) -> Bool {
        breakpoints(at: address & ~4095, byteCount: 4096, .execute) != 0
    }

    /// A data breakpoint lies on the page of a linear address.
    func hasDataBreakpoint(onPageOf address: UInt64) -> Bool {
        breakpoints(at: address & ~4095, byteCount: 4096, .write) != 0
            || breakpoints(at: address & ~4095, byteCount: 4096, .access) != 0
    }
}

extension Processor {
    /// Must follow every change of DR0-DR3, DR7 and CR4.DE.
    ///
    /// A page with a data breakpoint has no entry in the TLB, so that each access to it takes the slow path; code near an instruction
    /// breakpoint is looked up anew. Nothing costs anything while no breakpoint is set.
    func breakpointsChanged() {
        let kinds = system.pointee.watchedKinds
        let watchesData = kinds.contains(.write) || kinds.contains(.access)
        let watchesCode = kinds.contains(.execute)
        if watchesData || system.pointee.watchesData { tlb.flush() }
        if watchesCode || system.pointee.watchesCode { tlb.flushJumps() }
        system.pointee.watchesData = watchesData
        system.pointee.watchesCode = watchesCode
        system.pointee.watchesPorts =
            kinds.contains(.port) && system.pointee.cr4 & CR4.debuggingExtensions != 0
    }

    /// Must follow whatever may set RFLAGS.TF or RF, or makes a debug trap wait: the run loop goes on instruction by instruction.
    func stepsChanged() {
        if system.pointee.needsSteps { leaveEngine() }
    }
}

// Where accesses meet breakpoints
extension Machine {
    /// Notes the data breakpoints that an access meets. The trap follows the instruction; inside of a longer block the instruction is
    /// repeated alone.
    @inline(never)
    func noteData(_ address: UInt64, byteCount: Int, isWrite: Bool) throws(AccessFailure) {
        let system = processor.system
        var hits = system.pointee.breakpoints(at: address, byteCount: byteCount, .access)
        if isWrite { hits |= system.pointee.breakpoints(at: address, byteCount: byteCount, .write) }
        try note(hits)
    }

    /// Notes the breakpoints at ports that an instruction of input or output meets.
    func notePort(_ port: UInt16, byteCount: Int) throws(AccessFailure) {
        guard processor.system.pointee.watchesPorts else { return }
        try note(processor.system.pointee.breakpoints(at: UInt64(port), byteCount: byteCount, .port))
    }

    private func note(_ hits: UInt64) throws(AccessFailure) {
        guard hits != 0 else { return }
        guard isAlone else { throw .codeWrite }
        processor.system.pointee.pendingDebug |= hits
    }

    /// True when accesses to the page of a linear address must not go by the TLB.
    func isBreakpointPage(_ address: UInt64) -> Bool {
        processor.system.pointee.watchesData && processor.system.pointee.hasDataBreakpoint(onPageOf: address)
    }
}

import X86

extension Processor {
    /// The state after INIT (Intel SDM volume 3, table 9-1). Vector and x87 registers, MSRs and counters stay.
    func reset(index: Int) {
        for slot in 0..<16 { slots[slot] = 0 }
        // Family, model and stepping.
        self[.rdx] = 0x0000_0F00
        rflags = RFlags.reserved1
        self[.rip] = 0xFFF0
        let data = SegmentState(selector: 0, base: 0, limit: 0xFFFF, attributes: 0x9300)
        for segment in 0..<6 { setSegment(segment, data) }
        setSegment(1, SegmentState(selector: 0xF000, base: 0xFFFF_0000, limit: 0xFFFF, attributes: 0x9B00))
        system.pointee.globalDescriptorTable = DescriptorTableState(base: 0, limit: 0xFFFF)
        system.pointee.interruptDescriptorTable = DescriptorTableState(base: 0, limit: 0xFFFF)
        system.pointee.localDescriptorTable = SegmentState(selector: 0, base: 0, limit: 0xFFFF, attributes: 0x8200)
        system.pointee.task = SegmentState(selector: 0, base: 0, limit: 0xFFFF, attributes: 0x8B00)
        system.pointee.cr0 = system.pointee.cr0 & 0x6000_0000 | 0x10
        system.pointee.cr2 = 0
        system.pointee.cr3 = 0
        system.pointee.cr4 = 0
        system.pointee.efer = 0
        for number in 0..<4 { system.pointee.debug[number] = 0 }
        system.pointee.debug[6] = 0xFFFF_0FF0
        system.pointee.debug[7] = 0x400
        system.pointee.privilegeLevel = 0
        isHalted = false
        blocksNonMaskable = false
        system.pointee.pendingDebug = 0
        tlb.flush()
        breakpointsChanged()
        modeChanged()
    }

    /// Begins in real mode at page `vector`.
    func startUp(vector: UInt8) {
        let base = UInt64(vector) << 12
        setSegment(1, SegmentState(selector: UInt16(vector) << 8, base: base, limit: 0xFFFF, attributes: 0x9B00))
        self[.rip] = 0
        modeChanged()
    }

    private func setSegment(_ number: Int, _ state: SegmentState) {
        system.pointee.segments[number] = state
        self[.segmentBase(number)] = state.base
    }
}

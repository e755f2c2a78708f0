import X86

extension Processor {
    /// Computes the flags that translated code left as operands (`Translator.leaveFlags`).
    func settleFlags() {
        let pending = system.pointee.pendingFlags
        guard pending != 0 else { return }
        system.pointee.pendingFlags = 0
        let shift = 64 &- UInt64(pending >> 8)
        let mask = ~UInt64(0) &>> shift
        let top = UInt64(pending >> 8) &- 1
        let a = system.pointee.pendingFlagA & mask
        let b = system.pointee.pendingFlagB & mask
        let result: UInt64
        switch pending & 0xFF {
        case 1:
            result = (a &+ b) & mask
            self[.cf] = result < a ? 1 : 0
            self[.of] = (((a ^ result) & (b ^ result)) &>> top) & 1
            self[.af] = ((a ^ b ^ result) >> 4) & 1
        case 2:
            result = (a &- b) & mask
            self[.cf] = a < b ? 1 : 0
            self[.of] = (((a ^ b) & (a ^ result)) &>> top) & 1
            self[.af] = ((a ^ b ^ result) >> 4) & 1
        default:
            result = a
            self[.cf] = 0
            self[.of] = 0
            self[.af] = 0
        }
        self[.zf] = result == 0 ? 1 : 0
        self[.sf] = (result &>> top) & 1
        self[.pf] = UInt64(~(result & 0xFF).nonzeroBitCount & 1)
    }
}

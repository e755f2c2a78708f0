import CPUModel

/// Bits of control registers that the target can run a guest with.
struct TargetLimits: Sendable, Hashable {
    /// CR4.
    var cr4: UInt64
    /// XCR0.
    var xcr0: UInt64
    /// EFER.
    var efer: UInt64
    /// XSAVEC, XSAVES and the compacted format exist.
    var hasCompactedXSAVE: Bool
    /// CR3 has process-context identifiers.
    var hasPCID: Bool
    /// Width of physical addresses that `-cpu` gives without further words.
    var physicalBits: Int

    /// What a profile says.
    ///
    /// Source for TCG: QEMU 7.2 and 10.0, `target/i386` (`cr4_reserved_bits`, `TCG_*_FEATURES`, `x86_tcg_cpu_xsave_init`).
    init(_ target: TargetProfile) {
        guard target.accelerator == .tcg else {
            self.init(
                cr4: .max, xcr0: .max, efer: .max, hasCompactedXSAVE: true, hasPCID: true, physicalBits: 64)
            return
        }
        // Up to OSXMMEXCPT; UMIP, LA57; FSGSBASE; OSXSAVE; SMEP, SMAP, PKE; PKS. PCIDE has a check of its own.
        self.init(
            cr4: 0x7ff | 1 << 11 | 1 << 12 | 1 << 16 | 1 << 17 | 1 << 18 | 7 << 20 | 1 << 24, xcr0: 0x21f,
            efer: 1 | 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 14, hasCompactedXSAVE: false, hasPCID: false,
            physicalBits: 40)
        if target.name.hasPrefix("s2e") {
            cr4 = 0x7ff
            xcr0 = 1
            efer = 1 | 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12
        }
    }

    private init(cr4: UInt64, xcr0: UInt64, efer: UInt64, hasCompactedXSAVE: Bool, hasPCID: Bool, physicalBits: Int) {
        self.cr4 = cr4
        self.xcr0 = xcr0
        self.efer = efer
        self.hasCompactedXSAVE = hasCompactedXSAVE
        self.hasPCID = hasPCID
        self.physicalBits = physicalBits
    }
}

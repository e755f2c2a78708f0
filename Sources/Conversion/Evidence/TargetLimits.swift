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
        guard let features = target.features else { return }
        // A bit is allowed by its feature; those without one are allowed as above.
        cr4 = Self.allowed(cr4, RequiredFeatures.cr4Bits, features)
        efer = Self.allowed(efer, RequiredFeatures.eferBits, features)
        let components = features[.cpuid(leaf: 0xd, subleaf: 0, .eax)]
        xcr0 = features["xsave"] == false ? 3 : components.known == 0 ? xcr0 : components.value | 3
        hasCompactedXSAVE = features["xsavec"] == true && features["xsaves"] == true
        hasPCID = features["pcid"] == true
        let width = features[.cpuid(leaf: 0x8000_0008, subleaf: 0, .eax)]
        if width.known & 0xff == 0xff, width.value & 0xff >= 32 { physicalBits = Int(width.value & 0xff) }
    }

    private static func allowed(
        _ usual: UInt64, _ bits: [(bit: UInt64, name: String, feature: String?)], _ features: CPUFingerprint
    ) -> UInt64 {
        bits.reduce(usual) { mask, entry in
            switch entry.feature.flatMap({ features[$0] }) {
            case true?: mask | 1 << entry.bit
            case false?: mask & ~(1 << entry.bit)
            case nil: mask
            }
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

/// What decides, besides the bytes, how code is lifted. Part of every block cache's key.
package struct LiftContext: Sendable, Hashable {
    /// What an SSE or x87 instruction does in the current mode.
    package enum UnitAccess: UInt8, Sendable {
        case enabled
        /// Raises #NM (CR0.TS or CR0.EM for x87).
        case notAvailable
        /// Raises #UD (CR0.EM or no CR4.OSFXSR for SSE).
        case undefined
    }

    package var vector: UnitAccess
    package var x87: UnitAccess
    /// What a VEX-encoded vector instruction does: #UD without CR4.OSXSAVE or XCR0's SSE and AVX bits, #NM with CR0.TS.
    package var avx: UnitAccess
    /// XCR0 lets AVX-512 state in: EVEX instructions are unsupported then, #UD without.
    package var hasWideVectors: Bool
    /// CPUID.80000001H:ECX.LZCNT; without it the encoding is BSR.
    package var hasLeadingZeroCount: Bool
    /// CPUID.7:EBX.BMI1; without it TZCNT's encoding is BSF.
    package var hasBitManipulation: Bool

    package init(
        vector: UnitAccess = .enabled, x87: UnitAccess = .enabled, hasLeadingZeroCount: Bool = true,
        hasBitManipulation: Bool = true, avx: UnitAccess = .enabled, hasWideVectors: Bool = true
    ) {
        self.vector = vector
        self.x87 = x87
        self.avx = avx
        self.hasWideVectors = hasWideVectors
        self.hasLeadingZeroCount = hasLeadingZeroCount
        self.hasBitManipulation = hasBitManipulation
    }

    /// The context as a small number, for cache keys.
    package var bits: UInt64 {
        UInt64(vector.rawValue) | UInt64(x87.rawValue) << 2 | (hasLeadingZeroCount ? 16 : 0)
            | (hasBitManipulation ? 32 : 0) | UInt64(avx.rawValue) << 6 | (hasWideVectors ? 256 : 0)
    }
}

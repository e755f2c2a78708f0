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

    /// Default sizes of the code.
    package enum Mode: UInt8, Sendable {
        /// 64-bit mode.
        case long
        /// Operands and addresses of 32 bits (CS.D set), in compatibility or protected mode.
        case code32
        /// Operands and addresses of 16 bits.
        case code16
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
    /// Stemma's hypercall and S2E's opcode end a block; without, the first is the long NOP that it is encoded as, and the second
    /// raises #UD as on hardware.
    package var hasHypercalls = true
    package var mode = Mode.long
    /// Real-address mode: CR0.PE is clear.
    package var isReal = false
    /// Long mode is active, and the code segment is not a 64-bit one.
    package var isCompatibility = false
    /// Outside of 64-bit mode: the stack pointer is ESP (SS.B set), not SP.
    package var hasWideStack = true
    /// Outside of 64-bit mode: ES, CS, SS and DS begin at 0, end at 4 GiB and may be read and written (CS read). FS and GS are
    /// always checked.
    package var isFlat = true

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
            | (hasHypercalls ? 512 : 0) | modeBits
    }

    /// Bits 16-21 of `bits`.
    package var modeBits: UInt64 {
        UInt64(mode.rawValue) << 16 | (isReal ? 1 << 18 : 0) | (isCompatibility ? 1 << 19 : 0)
            | (hasWideStack ? 1 << 20 : 0) | (isFlat ? 1 << 21 : 0)
    }

    /// Ones where the instruction pointer has bits.
    var pointerMask: UInt64 { mode == .long ? ~0 : 0xFFFF_FFFF }
    /// Width of the stack pointer.
    var stackWidth: Int { mode == .long ? 64 : hasWideStack ? 32 : 16 }
}

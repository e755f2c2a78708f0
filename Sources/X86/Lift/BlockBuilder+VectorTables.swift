import CZydis

// Vector instructions that are one micro-operation per 64-bit word
extension BlockBuilder {
    static let laneOperations: [ZydisMnemonic: (Operation, UInt8)] = [
        ZYDIS_MNEMONIC_PXOR: (.xor, 64), ZYDIS_MNEMONIC_XORPS: (.xor, 64), ZYDIS_MNEMONIC_XORPD: (.xor, 64),
        ZYDIS_MNEMONIC_PAND: (.and, 64), ZYDIS_MNEMONIC_ANDPS: (.and, 64), ZYDIS_MNEMONIC_ANDPD: (.and, 64),
        ZYDIS_MNEMONIC_POR: (.or, 64), ZYDIS_MNEMONIC_ORPS: (.or, 64), ZYDIS_MNEMONIC_ORPD: (.or, 64),
        ZYDIS_MNEMONIC_PADDB: (.laneAdd, 8), ZYDIS_MNEMONIC_PADDW: (.laneAdd, 16),
        ZYDIS_MNEMONIC_PADDD: (.laneAdd, 32), ZYDIS_MNEMONIC_PADDQ: (.add, 64),
        ZYDIS_MNEMONIC_PSUBB: (.laneSubtract, 8), ZYDIS_MNEMONIC_PSUBW: (.laneSubtract, 16),
        ZYDIS_MNEMONIC_PSUBD: (.laneSubtract, 32), ZYDIS_MNEMONIC_PSUBQ: (.subtract, 64),
        ZYDIS_MNEMONIC_PADDUSB: (.laneAddSaturateUnsigned, 8),
        ZYDIS_MNEMONIC_PADDUSW: (.laneAddSaturateUnsigned, 16),
        ZYDIS_MNEMONIC_PADDSB: (.laneAddSaturateSigned, 8), ZYDIS_MNEMONIC_PADDSW: (.laneAddSaturateSigned, 16),
        ZYDIS_MNEMONIC_PSUBUSB: (.laneSubtractSaturateUnsigned, 8),
        ZYDIS_MNEMONIC_PSUBUSW: (.laneSubtractSaturateUnsigned, 16),
        ZYDIS_MNEMONIC_PSUBSB: (.laneSubtractSaturateSigned, 8),
        ZYDIS_MNEMONIC_PSUBSW: (.laneSubtractSaturateSigned, 16), ZYDIS_MNEMONIC_PCMPEQB: (.laneEqual, 8),
        ZYDIS_MNEMONIC_PCMPEQW: (.laneEqual, 16), ZYDIS_MNEMONIC_PCMPEQD: (.laneEqual, 32),
        ZYDIS_MNEMONIC_PCMPEQQ: (.laneEqual, 64), ZYDIS_MNEMONIC_PCMPGTB: (.laneGreaterSigned, 8),
        ZYDIS_MNEMONIC_PCMPGTW: (.laneGreaterSigned, 16), ZYDIS_MNEMONIC_PCMPGTD: (.laneGreaterSigned, 32),
        ZYDIS_MNEMONIC_PCMPGTQ: (.laneGreaterSigned, 64), ZYDIS_MNEMONIC_PMINUB: (.laneMinimumUnsigned, 8),
        ZYDIS_MNEMONIC_PMINUW: (.laneMinimumUnsigned, 16), ZYDIS_MNEMONIC_PMINUD: (.laneMinimumUnsigned, 32),
        ZYDIS_MNEMONIC_PMAXUB: (.laneMaximumUnsigned, 8), ZYDIS_MNEMONIC_PMAXUW: (.laneMaximumUnsigned, 16),
        ZYDIS_MNEMONIC_PMAXUD: (.laneMaximumUnsigned, 32), ZYDIS_MNEMONIC_PMINSB: (.laneMinimumSigned, 8),
        ZYDIS_MNEMONIC_PMINSW: (.laneMinimumSigned, 16), ZYDIS_MNEMONIC_PMINSD: (.laneMinimumSigned, 32),
        ZYDIS_MNEMONIC_PMAXSB: (.laneMaximumSigned, 8), ZYDIS_MNEMONIC_PMAXSW: (.laneMaximumSigned, 16),
        ZYDIS_MNEMONIC_PMAXSD: (.laneMaximumSigned, 32), ZYDIS_MNEMONIC_PAVGB: (.laneAverage, 8),
        ZYDIS_MNEMONIC_PAVGW: (.laneAverage, 16), ZYDIS_MNEMONIC_PMULLW: (.laneMultiply, 16),
        ZYDIS_MNEMONIC_PMULLD: (.laneMultiply, 32), ZYDIS_MNEMONIC_PMULHW: (.laneMultiplyHighSigned, 16),
        ZYDIS_MNEMONIC_PMULHUW: (.laneMultiplyHighUnsigned, 16), ZYDIS_MNEMONIC_PMADDWD: (.laneMultiplyAdd, 16),
        ZYDIS_MNEMONIC_PSADBW: (.sumAbsoluteDifferences, 8),
    ]

    static let shiftOperations: [ZydisMnemonic: (Operation, UInt8)] = [
        ZYDIS_MNEMONIC_PSLLW: (.laneShiftLeft, 16), ZYDIS_MNEMONIC_PSLLD: (.laneShiftLeft, 32),
        ZYDIS_MNEMONIC_PSLLQ: (.shiftLeft, 64), ZYDIS_MNEMONIC_PSRLW: (.laneShiftRight, 16),
        ZYDIS_MNEMONIC_PSRLD: (.laneShiftRight, 32), ZYDIS_MNEMONIC_PSRLQ: (.shiftRight, 64),
        ZYDIS_MNEMONIC_PSRAW: (.laneShiftRightArithmetic, 16),
        ZYDIS_MNEMONIC_PSRAD: (.laneShiftRightArithmetic, 32),
    ]
}

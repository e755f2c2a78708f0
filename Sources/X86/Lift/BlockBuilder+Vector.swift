import CZydis

// SSE integer instructions on XMM registers. MMX forms are not lifted. Misaligned 16-byte operands do not fault
extension BlockBuilder {
    /// A 128-bit value as two halves.
    struct Vector {
        var low: Value
        var high: Value
    }

    mutating func liftVector(_ i: DecodedInstruction) -> Outcome? {
        guard i.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY,
            i.operands.prefix(i.visibleCount).contains(where: \.isXMM)
        else { return nil }
        if let trap = unitTrap(context.vector) {
            terminate(trap)
            return .lifted
        }
        if let (operation, width) = Self.laneOperations[i.mnemonic] { return lanewise(i, operation, width) }
        if let (operation, width) = Self.shiftOperations[i.mnemonic] { return laneShift(i, operation, width) }
        if let outcome = liftVectorMove(i) { return outcome }
        return liftShuffle(i)
    }

    /// What an instruction of a unit that is switched off does instead.
    func unitTrap(_ access: LiftContext.UnitAccess) -> MicroOp? {
        switch access {
        case .enabled: nil
        case .notAvailable: MicroOp(.raise, immediate: UInt64(ExceptionVector.deviceNotAvailable.rawValue))
        case .undefined: MicroOp(.raise, immediate: UInt64(ExceptionVector.invalidOpcode.rawValue))
        }
    }

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

    /// Reads an XMM register or memory; memory of fewer bits is zero-extended.
    mutating func readVector(_ i: DecodedInstruction, _ index: Int, bits: Int = 128) -> Vector? {
        guard index < i.operands.count else { return nil }
        switch i.operands[index].value {
        case .register(let register):
            guard register.kind == .xmm else { return nil }
            let slot = Slot.xmm(register.number)
            return Vector(low: .slot(slot), high: .slot(slot.high))
        case .memory(let memory):
            let value = load(bits, address(memory, i))
            guard bits == 128, case .slot(let slot) = value else { return Vector(low: value, high: .zero) }
            return Vector(low: value, high: .slot(slot.high))
        default: return nil
        }
    }

    func vectorSlot(_ i: DecodedInstruction, _ index: Int) -> Slot? {
        guard index < i.operands.count, case .register(let register) = i.operands[index].value,
            register.kind == .xmm
        else { return nil }
        return .xmm(register.number)
    }

    mutating func commitVector(_ slot: Slot, _ vector: Vector) {
        commit(slot, vector.low)
        commit(slot.high, vector.high)
    }

    private mutating func lanewise(_ i: DecodedInstruction, _ operation: Operation, _ width: UInt8) -> Outcome {
        guard let slot = vectorSlot(i, 0), let b = readVector(i, 1) else { return .unsupported }
        commitVector(
            slot,
            Vector(
                low: binary(operation, width, .slot(slot), b.low),
                high: binary(operation, width, .slot(slot.high), b.high)))
        return .lifted
    }

    private mutating func laneShift(_ i: DecodedInstruction, _ operation: Operation, _ width: UInt8) -> Outcome {
        guard let slot = vectorSlot(i, 0) else { return .unsupported }
        let count: Value
        if case .immediate(let constant) = i.operands[1].value {
            count = .constant(constant & 0xFF)
        } else {
            guard let source = readVector(i, 1) else { return .unsupported }
            count = source.low
        }
        commitVector(
            slot,
            Vector(
                low: binary(operation, width, .slot(slot), count),
                high: binary(operation, width, .slot(slot.high), count)))
        return .lifted
    }
}

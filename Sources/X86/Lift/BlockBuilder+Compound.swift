import CZydis

// Vector integer instructions that take several lane operations: signs, horizontal sums, scaled products, variable shifts
extension BlockBuilder {
    mutating func liftCompound(_ i: DecodedInstruction, _ name: ZydisMnemonic) -> Outcome? {
        switch name {
        case ZYDIS_MNEMONIC_PABSB: return absolute(i, 8)
        case ZYDIS_MNEMONIC_PABSW: return absolute(i, 16)
        case ZYDIS_MNEMONIC_PABSD: return absolute(i, 32)
        case ZYDIS_MNEMONIC_PSIGNB: return applySign(i, 8)
        case ZYDIS_MNEMONIC_PSIGNW: return applySign(i, 16)
        case ZYDIS_MNEMONIC_PSIGND: return applySign(i, 32)
        case ZYDIS_MNEMONIC_PHADDW: return horizontal(i, .laneAdd, 16)
        case ZYDIS_MNEMONIC_PHADDD: return horizontal(i, .laneAdd, 32)
        case ZYDIS_MNEMONIC_PHADDSW: return horizontal(i, .laneAddSaturateSigned, 16)
        case ZYDIS_MNEMONIC_PHSUBW: return horizontal(i, .laneSubtract, 16)
        case ZYDIS_MNEMONIC_PHSUBD: return horizontal(i, .laneSubtract, 32)
        case ZYDIS_MNEMONIC_PHSUBSW: return horizontal(i, .laneSubtractSaturateSigned, 16)
        case ZYDIS_MNEMONIC_PMADDUBSW: return multiplyAddBytes(i)
        case ZYDIS_MNEMONIC_PMULHRSW: return multiplyRounded(i)
        case ZYDIS_MNEMONIC_PMULUDQ: return wideMultiply(i, isSigned: false)
        case ZYDIS_MNEMONIC_PMULDQ: return wideMultiply(i, isSigned: true)
        case ZYDIS_MNEMONIC_VPSLLVD: return variableShift(i, .shiftLeft, 32)
        case ZYDIS_MNEMONIC_VPSLLVQ: return variableShift(i, .shiftLeft, 64)
        case ZYDIS_MNEMONIC_VPSRLVD: return variableShift(i, .shiftRight, 32)
        case ZYDIS_MNEMONIC_VPSRLVQ: return variableShift(i, .shiftRight, 64)
        case ZYDIS_MNEMONIC_VPSRAVD: return variableShift(i, .shiftRightArithmetic, 32)
        default: return nil
        }
    }

    /// All ones in the lanes of a that are negative.
    private mutating func negatives(_ width: UInt8, _ a: Value) -> Value {
        binary(.laneShiftRightArithmetic, width, a, .constant(UInt64(width) - 1))
    }

    /// -a in the lanes where the mask is all ones.
    private mutating func negated(_ width: UInt8, _ a: Value, where mask: Value) -> Value {
        binary(.laneSubtract, width, binary(.xor, 64, a, mask), mask)
    }

    private mutating func absolute(_ i: DecodedInstruction, _ width: UInt8) -> Outcome {
        monadicLanes(i) { builder, words in
            words.map { builder.negated(width, $0, where: builder.negatives(width, $0)) }
        }
    }

    private mutating func applySign(_ i: DecodedInstruction, _ width: UInt8) -> Outcome {
        dyadic(i) { builder, a, b in
            let signed = builder.negated(width, a, where: builder.negatives(width, b))
            let zeros = builder.binary(.laneEqual, width, b, .zero)
            return builder.binary(.and, 64, signed, builder.unary(.not, 64, zeros))
        }
    }

    /// Neighbours of a, then of b: the even elements with the odd ones.
    private mutating func horizontal(_ i: DecodedInstruction, _ operation: Operation, _ width: UInt8) -> Outcome {
        let even: UInt64 = width == 16 ? 0x0D0C_0908_0504_0100 : 0x0B0A_0908_0302_0100
        let step: UInt64 = width == 16 ? 0x0202_0202_0202_0202 : 0x0404_0404_0404_0404
        return dyadicLanes(i) { builder, a, b in
            [a, b].map { source in
                builder.binary(
                    operation, width, builder.bytes(of: source, by: .constant(even)),
                    builder.bytes(of: source, by: .constant(even + step)))
            }
        }
    }

    /// PMADDUBSW: unsigned bytes of a times signed bytes of b, neighbours added with saturation.
    private mutating func multiplyAddBytes(_ i: DecodedInstruction) -> Outcome {
        dyadic(i) { builder, a, b in
            let evenA = builder.binary(.and, 64, a, .constant(0x00FF_00FF_00FF_00FF))
            let oddA = builder.binary(.laneShiftRight, 16, a, .constant(8))
            let raised = builder.binary(.laneShiftLeft, 16, b, .constant(8))
            let evenB = builder.binary(.laneShiftRightArithmetic, 16, raised, .constant(8))
            let oddB = builder.binary(.laneShiftRightArithmetic, 16, b, .constant(8))
            return builder.binary(
                .laneAddSaturateSigned, 16, builder.binary(.laneMultiply, 16, evenA, evenB),
                builder.binary(.laneMultiply, 16, oddA, oddB))
        }
    }

    /// PMULHRSW: bits 15-30 of the product plus bit 14.
    private mutating func multiplyRounded(_ i: DecodedInstruction) -> Outcome {
        dyadic(i) { builder, a, b in
            let high = builder.binary(.laneMultiplyHighSigned, 16, a, b)
            let low = builder.binary(.laneMultiply, 16, a, b)
            let bits = builder.binary(
                .or, 64, builder.binary(.laneShiftLeft, 16, high, .constant(1)),
                builder.binary(.laneShiftRight, 16, low, .constant(15)))
            let next = builder.binary(
                .and, 64, builder.binary(.laneShiftRight, 16, low, .constant(14)), .constant(0x0001_0001_0001_0001))
            return builder.binary(.laneAdd, 16, bits, next)
        }
    }

    private mutating func wideMultiply(_ i: DecodedInstruction, isSigned: Bool) -> Outcome {
        dyadic(i) { builder, a, b in
            let x = isSigned ? builder.signExtend(32, a, to: 64) : builder.zeroExtend(32, a)
            let y = isSigned ? builder.signExtend(32, b, to: 64) : builder.zeroExtend(32, b)
            return builder.binary(.multiply, 64, x, y)
        }
    }

    /// Each element by its own count; counts beyond the width shift everything out.
    private mutating func variableShift(_ i: DecodedInstruction, _ operation: Operation, _ width: UInt8) -> Outcome {
        dyadic(i) { builder, a, b in
            if width == 64 { return builder.binary(operation, 64, a, b) }
            let elements = [UInt64(0), 32].map { position in
                builder.binary(
                    operation, 32, builder.unary(.extract, 32, a, immediate: position),
                    builder.unary(.extract, 32, b, immediate: position))
            }
            return builder.joined(elements[0], elements[1])
        }
    }
}

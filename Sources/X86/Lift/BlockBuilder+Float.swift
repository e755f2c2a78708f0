import CZydis

// Floating point: SSE arithmetic, conversions, MXCSR and state saving, all through helpers
extension BlockBuilder {
    private static let floatOperations: [ZydisMnemonic: (FloatOperation, FloatFormat)] = [
        ZYDIS_MNEMONIC_ADDSS: (.add, .scalarSingle), ZYDIS_MNEMONIC_ADDSD: (.add, .scalarDouble),
        ZYDIS_MNEMONIC_ADDPS: (.add, .packedSingle), ZYDIS_MNEMONIC_ADDPD: (.add, .packedDouble),
        ZYDIS_MNEMONIC_SUBSS: (.subtract, .scalarSingle), ZYDIS_MNEMONIC_SUBSD: (.subtract, .scalarDouble),
        ZYDIS_MNEMONIC_SUBPS: (.subtract, .packedSingle), ZYDIS_MNEMONIC_SUBPD: (.subtract, .packedDouble),
        ZYDIS_MNEMONIC_MULSS: (.multiply, .scalarSingle), ZYDIS_MNEMONIC_MULSD: (.multiply, .scalarDouble),
        ZYDIS_MNEMONIC_MULPS: (.multiply, .packedSingle), ZYDIS_MNEMONIC_MULPD: (.multiply, .packedDouble),
        ZYDIS_MNEMONIC_DIVSS: (.divide, .scalarSingle), ZYDIS_MNEMONIC_DIVSD: (.divide, .scalarDouble),
        ZYDIS_MNEMONIC_DIVPS: (.divide, .packedSingle), ZYDIS_MNEMONIC_DIVPD: (.divide, .packedDouble),
        ZYDIS_MNEMONIC_MINSS: (.minimum, .scalarSingle), ZYDIS_MNEMONIC_MINSD: (.minimum, .scalarDouble),
        ZYDIS_MNEMONIC_MINPS: (.minimum, .packedSingle), ZYDIS_MNEMONIC_MINPD: (.minimum, .packedDouble),
        ZYDIS_MNEMONIC_MAXSS: (.maximum, .scalarSingle), ZYDIS_MNEMONIC_MAXSD: (.maximum, .scalarDouble),
        ZYDIS_MNEMONIC_MAXPS: (.maximum, .packedSingle), ZYDIS_MNEMONIC_MAXPD: (.maximum, .packedDouble),
        ZYDIS_MNEMONIC_SQRTSS: (.squareRoot, .scalarSingle), ZYDIS_MNEMONIC_SQRTSD: (.squareRoot, .scalarDouble),
        ZYDIS_MNEMONIC_SQRTPS: (.squareRoot, .packedSingle), ZYDIS_MNEMONIC_SQRTPD: (.squareRoot, .packedDouble),
        ZYDIS_MNEMONIC_CMPSS: (.compare, .scalarSingle), ZYDIS_MNEMONIC_CMPSD: (.compare, .scalarDouble),
        ZYDIS_MNEMONIC_CMPPS: (.compare, .packedSingle), ZYDIS_MNEMONIC_CMPPD: (.compare, .packedDouble),
        ZYDIS_MNEMONIC_CVTSS2SD: (.singleToDouble, .scalarSingle),
        ZYDIS_MNEMONIC_CVTSD2SS: (.doubleToSingle, .scalarDouble),
        ZYDIS_MNEMONIC_CVTPS2PD: (.singleToDouble, .packedSingle),
        ZYDIS_MNEMONIC_CVTPD2PS: (.doubleToSingle, .packedDouble),
        ZYDIS_MNEMONIC_CVTDQ2PS: (.integersToFloat, .packedSingle),
        ZYDIS_MNEMONIC_CVTDQ2PD: (.integersToFloat, .packedDouble),
        ZYDIS_MNEMONIC_CVTPS2DQ: (.floatToIntegers, .packedSingle),
        ZYDIS_MNEMONIC_CVTPD2DQ: (.floatToIntegers, .packedDouble),
        ZYDIS_MNEMONIC_CVTTPS2DQ: (.floatToIntegersTruncated, .packedSingle),
        ZYDIS_MNEMONIC_CVTTPD2DQ: (.floatToIntegersTruncated, .packedDouble),
        ZYDIS_MNEMONIC_ROUNDSS: (.round, .scalarSingle), ZYDIS_MNEMONIC_ROUNDSD: (.round, .scalarDouble),
        ZYDIS_MNEMONIC_ROUNDPS: (.round, .packedSingle), ZYDIS_MNEMONIC_ROUNDPD: (.round, .packedDouble),
    ]

    mutating func liftFloat(_ i: DecodedInstruction) -> Outcome? {
        guard i.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY else { return nil }
        if let (operation, format) = Self.floatOperations[i.mnemonic],
            i.opcodeMap != ZYDIS_OPCODE_MAP_DEFAULT
        {
            return vectorFloat(i, operation, format)
        }
        switch i.mnemonic {
        case ZYDIS_MNEMONIC_UCOMISS: return compare(i, 32, isQuiet: true)
        case ZYDIS_MNEMONIC_UCOMISD: return compare(i, 64, isQuiet: true)
        case ZYDIS_MNEMONIC_COMISS: return compare(i, 32, isQuiet: false)
        case ZYDIS_MNEMONIC_COMISD: return compare(i, 64, isQuiet: false)
        case ZYDIS_MNEMONIC_CVTSI2SS: return fromInteger(i, isDouble: false)
        case ZYDIS_MNEMONIC_CVTSI2SD: return fromInteger(i, isDouble: true)
        case ZYDIS_MNEMONIC_CVTSS2SI: return toInteger(i, isDouble: false, truncates: false)
        case ZYDIS_MNEMONIC_CVTTSS2SI: return toInteger(i, isDouble: false, truncates: true)
        case ZYDIS_MNEMONIC_CVTSD2SI: return toInteger(i, isDouble: true, truncates: false)
        case ZYDIS_MNEMONIC_CVTTSD2SI: return toInteger(i, isDouble: true, truncates: true)
        case ZYDIS_MNEMONIC_LDMXCSR, ZYDIS_MNEMONIC_STMXCSR: return controlWord(i)
        case ZYDIS_MNEMONIC_FXSAVE, ZYDIS_MNEMONIC_FXSAVE64: return state(i, .fxSave, 0)
        case ZYDIS_MNEMONIC_FXRSTOR, ZYDIS_MNEMONIC_FXRSTOR64: return state(i, .fxRestore, 0)
        case ZYDIS_MNEMONIC_XSAVE, ZYDIS_MNEMONIC_XSAVE64: return state(i, .xSave, 0)
        case ZYDIS_MNEMONIC_XSAVEOPT, ZYDIS_MNEMONIC_XSAVEOPT64: return state(i, .xSave, 1)
        case ZYDIS_MNEMONIC_XRSTOR, ZYDIS_MNEMONIC_XRSTOR64: return state(i, .xRestore, 0)
        default: return nil
        }
    }

    private mutating func vectorFloat(
        _ i: DecodedInstruction, _ operation: FloatOperation, _ format: FloatFormat
    ) -> Outcome {
        if let trap = unitTrap(context.vector) {
            terminate(trap)
            return .lifted
        }
        let bits = i.operands.count > 1 ? i.operands[1].width : 128
        guard let slot = vectorSlot(i, 0), let source = readVector(i, 1, bits: min(bits, 128)) else {
            return .unsupported
        }
        var argument = 0
        if i.visibleCount > 2, case .immediate(let value) = i.operands[2].value { argument = Int(value & 0xFF) }
        let b = pair(source)
        let result = temporaryPair()
        operations.append(
            .helper(
                .vectorFloat, destination: result, a: slot, b: b,
                detail: Int(operation.rawValue) | Int(format.rawValue) << 8, argument: argument))
        commitVector(slot, Vector(low: .slot(result), high: .slot(result.high)))
        return .lifted
    }

    /// A vector in two neighbouring slots.
    private mutating func pair(_ vector: Vector) -> Slot {
        if case .slot(let low) = vector.low, case .slot(let high) = vector.high, high == low.high { return low }
        let result = temporaryPair()
        let low = materialize(vector.low)
        let high = materialize(vector.high)
        operations.append(MicroOp(.move, destination: result, a: low))
        operations.append(MicroOp(.move, destination: result.high, a: high))
        return result
    }

    private mutating func compare(_ i: DecodedInstruction, _ width: Int, isQuiet: Bool) -> Outcome {
        if let trap = unitTrap(context.vector) {
            terminate(trap)
            return .lifted
        }
        guard let a = vectorSlot(i, 0), let b = readVector(i, 1, bits: width) else { return .unsupported }
        helper(.compareFloat, a: .slot(a), b: b.low, detail: width, argument: isQuiet ? 1 : 0)
        flags = .none
        return .lifted
    }

    private mutating func fromInteger(_ i: DecodedInstruction, isDouble: Bool) -> Outcome? {
        if let trap = unitTrap(context.vector) {
            terminate(trap)
            return .lifted
        }
        guard let slot = vectorSlot(i, 0), let source = read(i, 1) else { return .unsupported }
        let isLong = i.operands[1].width == 64
        let conversion: FloatConversion =
            isDouble ? (isLong ? .int64ToDouble : .int32ToDouble) : (isLong ? .int64ToSingle : .int32ToSingle)
        let result = temporary()
        helper(.convertFloat, destination: result, a: source, detail: Int(conversion.rawValue))
        commit(slot, isDouble ? .slot(result) : insert(32, into: .slot(slot), .slot(result), at: 0))
        return .lifted
    }

    private mutating func toInteger(_ i: DecodedInstruction, isDouble: Bool, truncates: Bool) -> Outcome? {
        if let trap = unitTrap(context.vector) {
            terminate(trap)
            return .lifted
        }
        guard let place = open(i, 0, reads: false), let source = readVector(i, 1, bits: isDouble ? 64 : 32) else {
            return .unsupported
        }
        let isLong = place.width == 64
        let plain: FloatConversion =
            isDouble ? (isLong ? .doubleToInt64 : .doubleToInt32) : (isLong ? .singleToInt64 : .singleToInt32)
        let conversion = truncates ? FloatConversion(rawValue: plain.rawValue + 4) : plain
        guard let conversion else { return .unsupported }
        let result = temporary()
        helper(.convertFloat, destination: result, a: source.low, detail: Int(conversion.rawValue))
        write(place, .slot(result))
        return .lifted
    }

    private mutating func controlWord(_ i: DecodedInstruction) -> Outcome? {
        if let trap = unitTrap(context.vector) {
            terminate(trap)
            return .lifted
        }
        guard case .memory(let memory) = i.operands[0].value else { return .unsupported }
        if i.mnemonic == ZYDIS_MNEMONIC_LDMXCSR {
            helper(.writeMXCSR, a: load(32, address(memory, i)))
        } else {
            let result = temporary()
            helper(.readMXCSR, destination: result)
            store(32, address(memory, i), .slot(result))
        }
        return .lifted
    }

    private mutating func state(_ i: DecodedInstruction, _ kind: Helper, _ detail: Int) -> Outcome? {
        if kind == .fxSave || kind == .fxRestore, let trap = unitTrap(context.x87) {
            terminate(trap)
            return .lifted
        }
        guard instructions.isEmpty else { return .needsOwnBlock }
        guard case .memory(let memory) = i.operands[0].value else { return .unsupported }
        helper(kind, a: effectiveSum(address(memory, i)), detail: detail)
        terminate(MicroOp(.jump, immediate: i.nextRIP))
        return .lifted
    }
}

import CZydis

// Floating point of SSE, AVX, FMA and F16C: helpers with declared effects
extension BlockBuilder {
    /// The operation and format of a mnemonic, from its name: "addss" is `add` and `scalarSingle`.
    private static let floatForms: [ZydisMnemonic: (FloatOperation, FloatFormat)] = {
        let stems: [String: FloatOperation] = [
            "add": .add, "sub": .subtract, "mul": .multiply, "div": .divide, "min": .minimum, "max": .maximum,
            "sqrt": .squareRoot, "cmp": .compare, "round": .round, "rcp": .reciprocal, "rsqrt": .reciprocalSquareRoot,
            "hadd": .horizontalAdd, "hsub": .horizontalSubtract, "addsub": .addSubtract, "dp": .dotProduct,
        ]
        let formats: [String: FloatFormat] = [
            "ss": .scalarSingle, "sd": .scalarDouble, "ps": .packedSingle, "pd": .packedDouble,
        ]
        var result: [ZydisMnemonic: (FloatOperation, FloatFormat)] = [
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
            ZYDIS_MNEMONIC_VCVTPH2PS: (.halfToSingle, .packedSingle),
        ]
        for (mnemonic, name) in allMnemonics {
            guard let operation = stems[String(name.dropLast(2))], let format = formats[String(name.suffix(2))] else {
                continue
            }
            result[mnemonic] = (operation, format)
        }
        return result
    }()

    /// The operation, order and format of FMA's mnemonics: "vfnmadd231sd".
    private static let fusedForms: [ZydisMnemonic: (operation: FloatOperation, order: Int, format: FloatFormat)] = {
        let stems: [String: FloatOperation] = [
            "vfmadd": .multiplyAdd, "vfmsub": .multiplySubtract, "vfnmadd": .negatedMultiplyAdd,
            "vfnmsub": .negatedMultiplySubtract, "vfmaddsub": .multiplyAddSubtract,
            "vfmsubadd": .multiplySubtractAdd,
        ]
        let formats: [String: FloatFormat] = [
            "ss": .scalarSingle, "sd": .scalarDouble, "ps": .packedSingle, "pd": .packedDouble,
        ]
        var result: [ZydisMnemonic: (FloatOperation, Int, FloatFormat)] = [:]
        for (mnemonic, name) in allMnemonics {
            guard let operation = stems[String(name.dropLast(5))], let order = Int(name.suffix(5).prefix(3)),
                let format = formats[String(name.suffix(2))]
            else { continue }
            result[mnemonic] = (operation, order, format)
        }
        return result
    }()

    mutating func liftVectorFloat(_ i: DecodedInstruction, _ name: ZydisMnemonic) -> Outcome? {
        if let (operation, format) = Self.floatForms[name] { return vectorFloat(i, operation, format) }
        if let form = Self.fusedForms[name] { return fused(i, form.operation, form.order, form.format) }
        switch name {
        case ZYDIS_MNEMONIC_VCVTPS2PH: return toHalf(i)
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
        case ZYDIS_MNEMONIC_LDMXCSR, ZYDIS_MNEMONIC_STMXCSR:
            return controlWord(i, isLoad: name == ZYDIS_MNEMONIC_LDMXCSR)
        default: return nil
        }
    }

    /// The first `count` words for a helper: one slot, or neighbouring ones.
    private mutating func operand(_ words: Words, _ count: Int) -> Slot {
        count == 1 ? materialize(words[0]) : contiguous(Array(words.prefix(count)))
    }

    private mutating func vectorFloat(
        _ i: DecodedInstruction, _ operation: FloatOperation, _ format: FloatFormat
    ) -> Outcome {
        let form = FloatForm(operation, format, isWide: i.vectorWidth == 256 && !format.isScalar)
        // Packed operations with one operand have two operands with VEX, too.
        let first = form.isMonadic && !format.isScalar ? 0 : firstSource(i)
        let bits = form.sourceWords * 64
        let memoryBits = format.isScalar && !format.isDouble ? 32 : bits
        let isMemory = first + 1 < i.operands.count && i.operands[first + 1].isMemory
        guard let slot = vectorSlot(i, 0), let a = vectorSlot(i, first),
            let b = readWords(i, first + 1, bits: isMemory ? memoryBits : max(bits, 128))
        else { return .unsupported }
        let source = operand(b, form.sourceWords)
        var argument = Int(byteImmediate(i, first + 2) ?? 0)
        // Legacy comparisons have eight predicates and ignore the other bits.
        if operation == .compare, !isVEX(i) { argument &= 7 }
        operations.append(
            .helper(
                .vectorFloat, destination: slot, a: form.firstWords == 0 ? .zero : a, b: source, detail: form.detail,
                argument: argument))
        if !form.isWide { clearUpper(i, slot) }
        return .lifted
    }

    private mutating func fused(
        _ i: DecodedInstruction, _ operation: FloatOperation, _ order: Int, _ format: FloatFormat
    ) -> Outcome {
        let form = FloatForm(operation, format, isWide: i.vectorWidth == 256 && !format.isScalar)
        let bits = format.isScalar ? (format.isDouble ? 64 : 32) : form.sourceWords * 64
        guard let slot = vectorSlot(i, 0), let a = vectorSlot(i, 1),
            let b = readWords(i, 2, bits: i.operands[2].isMemory ? bits : max(bits, 128))
        else { return .unsupported }
        let source = operand(b, form.sourceWords)
        operations.append(
            .helper(.vectorFloat, destination: slot, a: a, b: source, detail: form.detail, argument: order))
        if !form.isWide { clearUpper(i, slot) }
        return .lifted
    }

    /// VCVTPS2PH: half of the vector length, to a register or to memory.
    private mutating func toHalf(_ i: DecodedInstruction) -> Outcome {
        let form = FloatForm(.singleToHalf, .packedSingle, isWide: i.vectorWidth == 256)
        guard let source = vectorSlot(i, 1), let control = byteImmediate(i, 2) else { return .unsupported }
        let result = temporaries(form.resultWords)
        operations.append(
            .helper(.vectorFloat, destination: result, b: source, detail: form.detail, argument: Int(control)))
        let words = registerWords(result, 2)
        if let slot = vectorSlot(i, 0) {
            commitWords(i, slot, words)
            return .lifted
        }
        guard case .memory(let memory) = i.operands[0].value else { return .unsupported }
        storeWords(form.isWide ? 128 : 64, address(memory, i), words)
        return .lifted
    }

    private mutating func compare(_ i: DecodedInstruction, _ width: Int, isQuiet: Bool) -> Outcome {
        guard let a = vectorSlot(i, 0), let b = readWords(i, 1, bits: width) else { return .unsupported }
        helper(.compareFloat, a: .slot(a), b: b[0], detail: width, argument: isQuiet ? 1 : 0)
        flags = .none
        return .lifted
    }

    private mutating func fromInteger(_ i: DecodedInstruction, isDouble: Bool) -> Outcome {
        let first = firstSource(i)
        guard let slot = vectorSlot(i, 0), let a = readWords(i, first, bits: 128), let source = read(i, first + 1)
        else { return .unsupported }
        let isLong = i.operands[first + 1].width == 64
        let conversion: FloatConversion =
            isDouble ? (isLong ? .int64ToDouble : .int32ToDouble) : (isLong ? .int64ToSingle : .int32ToSingle)
        let result = temporary()
        helper(.convertFloat, destination: result, a: source, detail: Int(conversion.rawValue))
        let low: Value = isDouble ? .slot(result) : insert(32, into: a[0], .slot(result), at: 0)
        commitWords(i, slot, [low, a[1]])
        return .lifted
    }

    private mutating func toInteger(_ i: DecodedInstruction, isDouble: Bool, truncates: Bool) -> Outcome {
        guard let place = open(i, 0, reads: false), let source = readWords(i, 1, bits: isDouble ? 64 : 32) else {
            return .unsupported
        }
        let isLong = place.width == 64
        let plain: FloatConversion =
            isDouble ? (isLong ? .doubleToInt64 : .doubleToInt32) : (isLong ? .singleToInt64 : .singleToInt32)
        let conversion = truncates ? FloatConversion(rawValue: plain.rawValue + 4) : plain
        guard let conversion else { return .unsupported }
        let result = temporary()
        helper(.convertFloat, destination: result, a: source[0], detail: Int(conversion.rawValue))
        write(place, .slot(result))
        return .lifted
    }

    mutating func controlWord(_ i: DecodedInstruction, isLoad: Bool) -> Outcome {
        guard case .memory(let memory) = i.operands[0].value else { return .unsupported }
        if isLoad {
            helper(.writeMXCSR, a: load(32, address(memory, i)))
            // A block has one way to compute.
            terminate(MicroOp(.jump, immediate: i.nextRIP))
        } else {
            let result = temporary()
            helper(.readMXCSR, destination: result)
            store(32, address(memory, i), .slot(result))
        }
        return .lifted
    }
}

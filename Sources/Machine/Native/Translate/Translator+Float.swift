import X86

// SSE floating point by the host's own instructions, while the host's MXCSR is the guest's (`NativeRoutines.loadFloat`)
extension Translator {
    /// The helper is done in line.
    func isInline(_ op: MicroOp) -> Bool {
        guard op.operation == .helper else { return false }
        switch op.helper {
        case .compareFloat, .convertFloat: return true
        case .vectorFloat: return instruction(op) != nil
        default: return false
        }
    }

    private func instruction(_ op: MicroOp) -> HostFloatInstruction? {
        FloatForm(detail: op.detail).flatMap { HostFloatInstruction($0, argument: op.argument, features) }
    }

    /// At the start of a block that computes in line: the guest's MXCSR must be loaded.
    func beginFloat() {
        forgetVectors()
        hasFloat = operations.contains { isInline($0) }
        guard hasFloat else { return }
        code.arithmetic(.compare, HostAddress(.rsp, NativeFrame.hasFloat), constant: 0, 32)
        addStub(.loadFloat, from: code.jump(.equal))
    }

    /// - Returns: false when the helper must be called.
    func emitFloat(_ op: MicroOp) -> Bool {
        guard op.operation == .helper else { return false }
        defer { lockedVectors = 0 }
        switch op.helper {
        case .compareFloat: emitCompareFloat(op)
        case .convertFloat:
            guard let conversion = FloatConversion(rawValue: UInt8(truncatingIfNeeded: op.detail)) else { return false }
            emitConvertFloat(op, conversion)
        case .vectorFloat:
            guard let instruction = instruction(op) else { return false }
            emitVectorFloat(op, instruction)
        default: return false
        }
        return true
    }

    private func emitVectorFloat(_ op: MicroOp, _ instruction: HostFloatInstruction) {
        switch instruction.operands {
        case .scalar:
            let source = vectorWord(op.b, op)
            let old = vectorWord(op.a, op)
            let result = allocateVector()
            code.copyVector(result, old)
            emit(instruction, result, source)
            // The upper half first: it may be that of the destination's old value.
            if op.destination != op.a {
                emitMove(MicroOp(.move, destination: op.destination.high, a: op.a.high))
            }
            defineWord(op.destination, result)
        case .packed, .packedMonadic, .widening:
            let low = emitHalf(op, instruction, op.a, op.b)
            let high = instruction.isWide ? emitHalf(op, instruction, op.a.upper, op.b.upper) : nil
            definePair(op.destination, low)
            if let high { definePair(op.destination.upper, high) }
        }
    }

    /// 128 bits of a packed operation.
    private func emitHalf(_ op: MicroOp, _ instruction: HostFloatInstruction, _ a: Slot, _ b: Slot) -> UInt8 {
        let source = instruction.operands == .widening ? vectorWord(b, op) : vectorPair(b, op)
        guard instruction.operands == .packed else {
            let result = allocateVector()
            emit(instruction, result, source)
            return result
        }
        let old = vectorPair(a, op)
        let result = allocateVector()
        code.copyVector(result, old)
        emit(instruction, result, source)
        return result
    }

    private func emit(_ instruction: HostFloatInstruction, _ to: UInt8, _ from: UInt8) {
        code.vector(instruction.opcode, prefix: instruction.prefix, to, from)
        if let immediate = instruction.immediate { code.byte(immediate) }
    }

    /// UCOMIS*, COMIS*: all six flags, of which ZF PF CF are those of the host's instruction.
    private func emitCompareFloat(_ op: MicroOp) {
        let left = vectorWord(op.a, op)
        let right = vectorWord(op.b, op)
        code.vector(op.argument == 1 ? 0x0F2E : 0x0F2F, prefix: op.detail == 64 ? 0x66 : 0, left, right)
        flags = .none
        if pending != .clear {
            code.store(NativeFrame.pendingFlags, constant: 0, 32)
            pending = .clear
        }
        let conditions: [(Slot, HostCondition)] = [(.zf, .equal), (.pf, .parity), (.cf, .below)]
        for (flag, _) in conditions { defineInMemory(flag, bound: 1) }
        for flag in [Slot.sf, .of, .af] { define(flag, constant: 0) }
        for (flag, condition) in conditions { code.set(condition, NativeFrame.slot(Int(flag.rawValue))) }
    }

    private func emitConvertFloat(_ op: MicroOp, _ conversion: FloatConversion) {
        switch conversion {
        case .int32ToSingle, .int64ToSingle, .int32ToDouble, .int64ToDouble:
            let isDouble = conversion == .int32ToDouble || conversion == .int64ToDouble
            let isLong = conversion == .int64ToSingle || conversion == .int64ToDouble
            let source = register(op.a, op)
            // The instruction keeps the upper bits, which would be waited for.
            code.packed(0x0FEF, 0, 0)
            code.convertInteger(prefix: isDouble ? 0xF2 : 0xF3, 0, source, isLong ? 64 : 32)
            let result = allocate()
            if isDouble { code.moveFromVector(result, 0) } else { code.moveSingleFromVector(result, 0) }
            define(op.destination, result, bound: isDouble ? .max : Self.mask(32))
        default:
            let isTruncated = conversion.rawValue >= FloatConversion.singleToInt32Truncated.rawValue
            let plain = isTruncated ? conversion.rawValue - 4 : conversion.rawValue
            let isDouble = plain >= FloatConversion.doubleToInt32.rawValue
            let isLong =
                plain == FloatConversion.singleToInt64.rawValue || plain == FloatConversion.doubleToInt64.rawValue
            let source = vectorWord(op.a, op)
            let result = allocate()
            code.convertToInteger(
                isTruncated ? 0x0F2C : 0x0F2D, prefix: isDouble ? 0xF2 : 0xF3, result, source, isLong ? 64 : 32)
            define(op.destination, result, bound: isLong ? .max : Self.mask(32))
        }
    }
}

import CZydis

// Moves between XMM registers, memory and general registers
extension BlockBuilder {
    mutating func liftVectorMove(_ i: DecodedInstruction) -> Outcome? {
        switch i.mnemonic {
        case ZYDIS_MNEMONIC_MOVAPS, ZYDIS_MNEMONIC_MOVUPS, ZYDIS_MNEMONIC_MOVAPD, ZYDIS_MNEMONIC_MOVUPD,
            ZYDIS_MNEMONIC_MOVDQA, ZYDIS_MNEMONIC_MOVDQU, ZYDIS_MNEMONIC_LDDQU, ZYDIS_MNEMONIC_MOVNTDQ,
            ZYDIS_MNEMONIC_MOVNTPS, ZYDIS_MNEMONIC_MOVNTPD, ZYDIS_MNEMONIC_MOVNTDQA:
            wholeMove(i)
        case ZYDIS_MNEMONIC_MOVD, ZYDIS_MNEMONIC_MOVQ: generalMove(i)
        case ZYDIS_MNEMONIC_MOVSS: scalarMove(i, 32)
        case ZYDIS_MNEMONIC_MOVSD: scalarMove(i, 64)
        case ZYDIS_MNEMONIC_MOVLPS, ZYDIS_MNEMONIC_MOVLPD: halfMove(i, isHigh: false)
        case ZYDIS_MNEMONIC_MOVHPS, ZYDIS_MNEMONIC_MOVHPD: halfMove(i, isHigh: true)
        case ZYDIS_MNEMONIC_MOVHLPS: crossMove(i, isHighToLow: true)
        case ZYDIS_MNEMONIC_MOVLHPS: crossMove(i, isHighToLow: false)
        case ZYDIS_MNEMONIC_MOVDDUP: duplicate(i)
        case ZYDIS_MNEMONIC_PMOVMSKB: signs(i, 8)
        case ZYDIS_MNEMONIC_MOVMSKPS: signs(i, 32)
        case ZYDIS_MNEMONIC_MOVMSKPD: signs(i, 64)
        case ZYDIS_MNEMONIC_PMOVZXBW: extendLanes(i, 8, 16, isSigned: false)
        case ZYDIS_MNEMONIC_PMOVZXBD: extendLanes(i, 8, 32, isSigned: false)
        case ZYDIS_MNEMONIC_PMOVZXBQ: extendLanes(i, 8, 64, isSigned: false)
        case ZYDIS_MNEMONIC_PMOVZXWD: extendLanes(i, 16, 32, isSigned: false)
        case ZYDIS_MNEMONIC_PMOVZXWQ: extendLanes(i, 16, 64, isSigned: false)
        case ZYDIS_MNEMONIC_PMOVZXDQ: extendLanes(i, 32, 64, isSigned: false)
        case ZYDIS_MNEMONIC_PMOVSXBW: extendLanes(i, 8, 16, isSigned: true)
        case ZYDIS_MNEMONIC_PMOVSXBD: extendLanes(i, 8, 32, isSigned: true)
        case ZYDIS_MNEMONIC_PMOVSXBQ: extendLanes(i, 8, 64, isSigned: true)
        case ZYDIS_MNEMONIC_PMOVSXWD: extendLanes(i, 16, 32, isSigned: true)
        case ZYDIS_MNEMONIC_PMOVSXWQ: extendLanes(i, 16, 64, isSigned: true)
        case ZYDIS_MNEMONIC_PMOVSXDQ: extendLanes(i, 32, 64, isSigned: true)
        default: nil
        }
    }

    private mutating func wholeMove(_ i: DecodedInstruction) -> Outcome {
        if let slot = vectorSlot(i, 0) {
            guard let source = readVector(i, 1), case .slot(let low) = source.low else { return .unsupported }
            commits.append(MicroOp(.move, width: 128, destination: slot, a: low))
            return .lifted
        }
        guard case .memory(let memory) = i.operands[0].value, let source = vectorSlot(i, 1) else {
            return .unsupported
        }
        store(128, address(memory, i), .slot(source))
        return .lifted
    }

    /// MOVD and MOVQ; the latter also between XMM registers and memory.
    private mutating func generalMove(_ i: DecodedInstruction) -> Outcome {
        if let slot = vectorSlot(i, 0) {
            if let source = vectorSlot(i, 1) {
                commitVector(slot, Vector(low: .slot(source), high: .zero))
                return .lifted
            }
            guard let value = read(i, 1) else { return .unsupported }
            commitVector(slot, Vector(low: zeroExtend(UInt8(i.operands[1].width), value), high: .zero))
            return .lifted
        }
        guard let source = vectorSlot(i, 1), let place = open(i, 0, reads: false) else { return .unsupported }
        write(place, .slot(source))
        return .lifted
    }

    private mutating func scalarMove(_ i: DecodedInstruction, _ width: UInt8) -> Outcome {
        if let slot = vectorSlot(i, 0) {
            if let source = vectorSlot(i, 1) {
                commit(slot, width == 64 ? .slot(source) : insert(32, into: .slot(slot), .slot(source), at: 0))
                return .lifted
            }
            guard let value = readVector(i, 1, bits: Int(width)) else { return .unsupported }
            commitVector(slot, value)
            return .lifted
        }
        guard case .memory(let memory) = i.operands[0].value, let source = vectorSlot(i, 1) else {
            return .unsupported
        }
        store(Int(width), address(memory, i), .slot(source))
        return .lifted
    }

    private mutating func halfMove(_ i: DecodedInstruction, isHigh: Bool) -> Outcome {
        if let slot = vectorSlot(i, 0) {
            guard case .memory(let memory) = i.operands[1].value else { return .unsupported }
            commit(isHigh ? slot.high : slot, load(64, address(memory, i)))
            return .lifted
        }
        guard case .memory(let memory) = i.operands[0].value, let source = vectorSlot(i, 1) else {
            return .unsupported
        }
        store(64, address(memory, i), .slot(isHigh ? source.high : source))
        return .lifted
    }

    private mutating func crossMove(_ i: DecodedInstruction, isHighToLow: Bool) -> Outcome {
        guard let slot = vectorSlot(i, 0), let source = vectorSlot(i, 1) else { return .unsupported }
        if isHighToLow { commit(slot, .slot(source.high)) } else { commit(slot.high, .slot(source)) }
        return .lifted
    }

    private mutating func duplicate(_ i: DecodedInstruction) -> Outcome {
        guard let slot = vectorSlot(i, 0), let source = readVector(i, 1, bits: 64) else { return .unsupported }
        commitVector(slot, Vector(low: source.low, high: source.low))
        return .lifted
    }

    private mutating func signs(_ i: DecodedInstruction, _ width: UInt8) -> Outcome {
        guard let source = vectorSlot(i, 1), let place = open(i, 0, reads: false) else { return .unsupported }
        let low = unary(.laneSigns, width, .slot(source))
        let high = unary(.laneSigns, width, .slot(source.high))
        let shifted = binary(.shiftLeft, 64, high, .constant(64 / UInt64(width)))
        write(place, binary(.or, 64, low, shifted))
        return .lifted
    }

    private mutating func extendLanes(_ i: DecodedInstruction, _ from: UInt8, _ to: UInt8, isSigned: Bool) -> Outcome {
        guard let slot = vectorSlot(i, 0),
            let source = readVector(i, 1, bits: 128 * Int(from) / Int(to))
        else { return .unsupported }
        let perHalf = 64 / Int(to)
        var halves: [Value] = []
        for half in 0..<2 {
            var value: Value = .zero
            for lane in 0..<perHalf {
                let position = UInt64((half * perHalf + lane) * Int(from))
                var element = unary(.extract, from, source.low, immediate: position)
                if isSigned { element = signExtend(from, element, to: to) }
                value = lane == 0 ? element : insert(to, into: value, element, at: UInt64(lane) * UInt64(to))
            }
            halves.append(value)
        }
        commitVector(slot, Vector(low: halves[0], high: halves[1]))
        return .lifted
    }
}

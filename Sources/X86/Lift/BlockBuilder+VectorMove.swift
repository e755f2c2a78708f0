import CZydis

// Moves between vector registers, memory and general registers
extension BlockBuilder {
    mutating func liftVectorMove(_ i: DecodedInstruction, _ name: ZydisMnemonic) -> Outcome? {
        switch name {
        case ZYDIS_MNEMONIC_MOVAPS, ZYDIS_MNEMONIC_MOVAPD, ZYDIS_MNEMONIC_MOVDQA, ZYDIS_MNEMONIC_MOVNTDQ,
            ZYDIS_MNEMONIC_MOVNTPS, ZYDIS_MNEMONIC_MOVNTPD, ZYDIS_MNEMONIC_MOVNTDQA:
            wholeMove(i, isAligned: true)
        case ZYDIS_MNEMONIC_MOVUPS, ZYDIS_MNEMONIC_MOVUPD, ZYDIS_MNEMONIC_MOVDQU, ZYDIS_MNEMONIC_LDDQU:
            wholeMove(i, isAligned: false)
        case ZYDIS_MNEMONIC_MOVD, ZYDIS_MNEMONIC_MOVQ: generalMove(i)
        case ZYDIS_MNEMONIC_MOVSS: scalarMove(i, 32)
        case ZYDIS_MNEMONIC_MOVSD: scalarMove(i, 64)
        case ZYDIS_MNEMONIC_MOVLPS, ZYDIS_MNEMONIC_MOVLPD: halfMove(i, isHigh: false)
        case ZYDIS_MNEMONIC_MOVHPS, ZYDIS_MNEMONIC_MOVHPD: halfMove(i, isHigh: true)
        case ZYDIS_MNEMONIC_MOVHLPS: dyadicLanes(i) { _, a, b in [b[1], a[1]] }
        case ZYDIS_MNEMONIC_MOVLHPS: dyadicLanes(i) { _, a, b in [a[0], b[0]] }
        case ZYDIS_MNEMONIC_MOVDDUP: duplicateDoubles(i)
        case ZYDIS_MNEMONIC_MOVSHDUP: duplicateSingles(i, from: 32)
        case ZYDIS_MNEMONIC_MOVSLDUP: duplicateSingles(i, from: 0)
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

    private mutating func wholeMove(_ i: DecodedInstruction, isAligned: Bool) -> Outcome {
        let width = i.operands[0].width
        if let slot = vectorSlot(i, 0) {
            guard let source = readWords(i, 1, isAligned: isAligned) else { return .unsupported }
            let low = contiguous(source)
            commits.append(MicroOp(.move, width: 128, destination: slot, a: low))
            if width == 256 {
                commits.append(MicroOp(.move, width: 128, destination: slot.upper, a: low.upper))
            } else {
                clearUpper(i, slot)
            }
            return .lifted
        }
        guard case .memory(let memory) = i.operands[0].value, let source = readWords(i, 1) else {
            return .unsupported
        }
        let place = address(memory, i)
        if isAligned { requireAligned(place, width / 8) }
        storeWords(width, place, source)
        return .lifted
    }

    /// MOVD and MOVQ; the latter also between XMM registers and memory.
    private mutating func generalMove(_ i: DecodedInstruction) -> Outcome {
        if let slot = vectorSlot(i, 0) {
            if let source = vectorSlot(i, 1) {
                commitWords(i, slot, [.slot(source), .zero])
                return .lifted
            }
            guard let value = read(i, 1) else { return .unsupported }
            commitWords(i, slot, [zeroExtend(UInt8(i.operands[1].width), value), .zero])
            return .lifted
        }
        guard let source = vectorSlot(i, 1), let place = open(i, 0, reads: false) else { return .unsupported }
        write(place, .slot(source))
        return .lifted
    }

    /// MOVSS and MOVSD: between registers the rest of the first source stays, a load clears it.
    private mutating func scalarMove(_ i: DecodedInstruction, _ width: UInt8) -> Outcome {
        guard let slot = vectorSlot(i, 0) else {
            guard case .memory(let memory) = i.operands[0].value, let source = vectorSlot(i, 1) else {
                return .unsupported
            }
            store(Int(width), address(memory, i), .slot(source))
            return .lifted
        }
        if i.operands[1].isMemory {
            guard let value = readWords(i, 1, bits: Int(width)) else { return .unsupported }
            commitWords(i, slot, value)
            return .lifted
        }
        return dyadicLanes(i) { builder, a, b in
            [width == 64 ? b[0] : builder.insert(32, into: a[0], b[0], at: 0), a[1]]
        }
    }

    private mutating func halfMove(_ i: DecodedInstruction, isHigh: Bool) -> Outcome {
        if let slot = vectorSlot(i, 0) {
            let first = firstSource(i)
            guard let a = readWords(i, first), let b = readWords(i, first + 1, bits: 64) else { return .unsupported }
            commitWords(i, slot, isHigh ? [a[0], b[0]] : [b[0], a[1]])
            return .lifted
        }
        guard case .memory(let memory) = i.operands[0].value, let source = vectorSlot(i, 1) else {
            return .unsupported
        }
        store(64, address(memory, i), .slot(isHigh ? source.high : source))
        return .lifted
    }

    private mutating func duplicateDoubles(_ i: DecodedInstruction) -> Outcome {
        // The 128-bit form reads 64 bits of memory.
        monadicLanes(i) { _, words in [words[0], words[0]] }
    }

    private mutating func duplicateSingles(_ i: DecodedInstruction, from position: UInt64) -> Outcome {
        monadicLanes(i) { builder, words in
            words.map { word in
                let element = builder.unary(.extract, 32, word, immediate: position)
                return builder.insert(32, into: element, element, at: 32)
            }
        }
    }

    private mutating func signs(_ i: DecodedInstruction, _ width: UInt8) -> Outcome {
        guard let source = readWords(i, 1), let place = open(i, 0, reads: false) else { return .unsupported }
        var result: Value = .zero
        for (index, word) in source.enumerated() {
            let bits = unary(.laneSigns, width, word)
            let position = UInt64(index) * 64 / UInt64(width)
            result = index == 0 ? bits : binary(.or, 64, result, binary(.shiftLeft, 64, bits, .constant(position)))
        }
        write(place, result)
        return .lifted
    }

    private mutating func extendLanes(_ i: DecodedInstruction, _ from: UInt8, _ to: UInt8, isSigned: Bool) -> Outcome {
        let width = i.operands[0].width
        let bits = width * Int(from) / Int(to)
        guard let slot = vectorSlot(i, 0), let source = readWords(i, 1, bits: bits, isAligned: false) else {
            return .unsupported
        }
        let perWord = 64 / Int(to)
        let words = (0..<width / 64).map { word -> Value in
            var value: Value = .zero
            for lane in 0..<perWord {
                let position = (word * perWord + lane) * Int(from)
                var element = unary(.extract, from, source[position / 64], immediate: UInt64(position % 64))
                if isSigned { element = signExtend(from, element, to: to) }
                value = lane == 0 ? element : insert(to, into: value, element, at: UInt64(lane) * UInt64(to))
            }
            return value
        }
        commitWords(i, slot, words)
        return .lifted
    }
}

import CZydis

// Blends, broadcasts, and AVX's permutations across the 128-bit lanes
extension BlockBuilder {
    mutating func liftPermutation(_ i: DecodedInstruction, _ name: ZydisMnemonic) -> Outcome? {
        switch name {
        case ZYDIS_MNEMONIC_PBLENDW: return blend(i, 16)
        case ZYDIS_MNEMONIC_BLENDPS, ZYDIS_MNEMONIC_VPBLENDD: return blend(i, 32)
        case ZYDIS_MNEMONIC_BLENDPD: return blend(i, 64)
        case ZYDIS_MNEMONIC_PBLENDVB: return blendBySign(i, 8)
        case ZYDIS_MNEMONIC_BLENDVPS: return blendBySign(i, 32)
        case ZYDIS_MNEMONIC_BLENDVPD: return blendBySign(i, 64)
        case ZYDIS_MNEMONIC_VPBROADCASTB: return broadcast(i, 8)
        case ZYDIS_MNEMONIC_VPBROADCASTW: return broadcast(i, 16)
        case ZYDIS_MNEMONIC_VPBROADCASTD, ZYDIS_MNEMONIC_VBROADCASTSS: return broadcast(i, 32)
        case ZYDIS_MNEMONIC_VPBROADCASTQ, ZYDIS_MNEMONIC_VBROADCASTSD: return broadcast(i, 64)
        case ZYDIS_MNEMONIC_VBROADCASTF128, ZYDIS_MNEMONIC_VBROADCASTI128:
            guard let slot = vectorSlot(i, 0), let words = readWords(i, 1) else { return .unsupported }
            commitWords(i, slot, words + words)
            return .lifted
        case ZYDIS_MNEMONIC_VINSERTF128, ZYDIS_MNEMONIC_VINSERTI128: return insertLane(i)
        case ZYDIS_MNEMONIC_VEXTRACTF128, ZYDIS_MNEMONIC_VEXTRACTI128: return extractLane(i)
        case ZYDIS_MNEMONIC_VPERM2F128, ZYDIS_MNEMONIC_VPERM2I128: return permuteLanes(i)
        case ZYDIS_MNEMONIC_VPERMQ, ZYDIS_MNEMONIC_VPERMPD: return permuteWords(i)
        case ZYDIS_MNEMONIC_VPERMD, ZYDIS_MNEMONIC_VPERMPS: return permuteElements(i)
        case ZYDIS_MNEMONIC_VPERMILPS:
            return i.operands[2].isVector || i.operands[2].isMemory ? permuteInLane(i) : shuffleElements(i)
        case ZYDIS_MNEMONIC_VPERMILPD: return permuteDoubles(i)
        case ZYDIS_MNEMONIC_VZEROUPPER, ZYDIS_MNEMONIC_VZEROALL:
            helper(.clearVectors, detail: name == ZYDIS_MNEMONIC_VZEROALL ? 1 : 0)
            return .lifted
        default: return nil
        }
    }

    /// (a & ~mask) | (b & mask).
    private mutating func choose(_ a: Value, _ b: Value, _ mask: Value) -> Value {
        let kept: Value
        if case .constant(let constant) = mask {
            if constant == 0 { return a }
            if constant == ~0 { return b }
            kept = binary(.and, 64, a, .constant(~constant))
        } else {
            kept = binary(.and, 64, a, unary(.not, 64, mask))
        }
        return binary(.or, 64, kept, binary(.and, 64, b, mask))
    }

    /// Elements of b where the immediate has ones. PBLENDW uses its eight bits for each 128-bit lane.
    private mutating func blend(_ i: DecodedInstruction, _ width: UInt64) -> Outcome {
        guard let control = byteImmediate(i, firstSource(i) + 2) else { return .unsupported }
        var position: UInt64 = 0
        return dyadic(i) { builder, a, b in
            var mask: UInt64 = 0
            for lane in 0..<64 / width {
                if control >> ((position + lane) & 7) & 1 == 1 { mask |= (~0 >> (64 - width)) << (lane * width) }
            }
            position += 64 / width
            return builder.choose(a, b, .constant(mask))
        }
    }

    /// Elements of b where the mask's elements have their top bit: XMM0 in the legacy form, the fourth operand with VEX.
    private mutating func blendBySign(_ i: DecodedInstruction, _ width: UInt8) -> Outcome {
        guard let mask = isVEX(i) ? vectorSlot(i, 3) : .xmm(0) else { return .unsupported }
        var masks = registerWords(mask, 4)[...]
        return dyadic(i) { builder, a, b in
            let word = masks.removeFirst()
            let shift: Operation = width == 64 ? .shiftRightArithmetic : .laneShiftRightArithmetic
            return builder.choose(a, b, builder.binary(shift, width, word, .constant(UInt64(width) - 1)))
        }
    }

    private mutating func broadcast(_ i: DecodedInstruction, _ width: UInt8) -> Outcome {
        guard let slot = vectorSlot(i, 0), let source = readWords(i, 1, bits: Int(width)) else { return .unsupported }
        var value = source[0]
        if width < 64 { value = zeroExtend(width, value) }
        var filled = width
        while filled < 64 {
            value = insert(filled, into: value, value, at: UInt64(filled))
            filled *= 2
        }
        commitWords(i, slot, Array(repeating: value, count: i.operands[0].width / 64))
        return .lifted
    }

    private mutating func insertLane(_ i: DecodedInstruction) -> Outcome {
        guard let slot = vectorSlot(i, 0), let a = readWords(i, 1), let b = readWords(i, 2, bits: 128),
            let control = byteImmediate(i, 3), a.count == 4
        else { return .unsupported }
        commitWords(i, slot, control & 1 == 0 ? b + a[2...] : a[..<2] + b)
        return .lifted
    }

    private mutating func extractLane(_ i: DecodedInstruction) -> Outcome {
        guard let source = vectorSlot(i, 1), let control = byteImmediate(i, 2) else { return .unsupported }
        let words = registerWords(control & 1 == 0 ? source : source.upper, 2)
        if let slot = vectorSlot(i, 0) {
            commitWords(i, slot, words)
            return .lifted
        }
        guard case .memory(let memory) = i.operands[0].value else { return .unsupported }
        storeWords(128, address(memory, i), words)
        return .lifted
    }

    private mutating func permuteLanes(_ i: DecodedInstruction) -> Outcome {
        guard let slot = vectorSlot(i, 0), let a = readWords(i, 1), let b = readWords(i, 2),
            let control = byteImmediate(i, 3), a.count == 4, b.count == 4
        else { return .unsupported }
        let all = a + b
        var result: Words = []
        for field in [control & 15, control >> 4] {
            let start = Int(field & 3) * 2
            result += field & 8 == 0 ? Array(all[start..<start + 2]) : [.zero, .zero]
        }
        commitWords(i, slot, result)
        return .lifted
    }

    private mutating func permuteWords(_ i: DecodedInstruction) -> Outcome {
        guard let slot = vectorSlot(i, 0), let source = readWords(i, 1), let control = byteImmediate(i, 2),
            source.count == 4
        else { return .unsupported }
        commitWords(i, slot, (0..<4).map { source[Int(control >> ($0 * 2)) & 3] })
        return .lifted
    }

    /// Byte selectors for 32-bit elements whose numbers are in bits 0-1 of the index's elements.
    private mutating func selectors(_ index: Value) -> Value {
        let numbers = binary(.and, 64, index, .constant(0x0000_0003_0000_0003))
        let scaled = binary(.laneMultiply, 32, numbers, .constant(0x0404_0404_0404_0404))
        return binary(.laneAdd, 32, scaled, .constant(0x0302_0100_0302_0100))
    }

    private mutating func permuteInLane(_ i: DecodedInstruction) -> Outcome {
        dyadicLanes(i) { builder, a, b in b.map { builder.bytes(of: a, by: builder.selectors($0)) } }
    }

    /// VPERMILPD: bit 1 of each control word, or one bit of the immediate, chooses the half.
    private mutating func permuteDoubles(_ i: DecodedInstruction) -> Outcome {
        if var control = byteImmediate(i, 2) {
            return monadicLanes(i) { _, a in
                defer { control >>= 2 }
                return [a[control & 1 == 0 ? 0 : 1], a[control & 2 == 0 ? 0 : 1]]
            }
        }
        return dyadicLanes(i) { builder, a, b in
            b.map { word in builder.select(64, builder.unary(.extract, 1, word, immediate: 1), a[1], a[0]) }
        }
    }

    /// VPERMD, VPERMPS: each element's number is in bits 0-2 of the first source's element.
    private mutating func permuteElements(_ i: DecodedInstruction) -> Outcome {
        guard let slot = vectorSlot(i, 0), let index = readWords(i, 1), let source = readWords(i, 2),
            index.count == 4, source.count == 4
        else { return .unsupported }
        let result = index.map { word -> Value in
            let bytes = selectors(word)
            let low = self.bytes(of: Array(source[..<2]), by: bytes)
            let high = self.bytes(of: Array(source[2...]), by: bytes)
            let top = binary(.laneShiftLeft, 32, word, .constant(29))
            return choose(low, high, binary(.laneShiftRightArithmetic, 32, top, .constant(31)))
        }
        commitWords(i, slot, result)
        return .lifted
    }
}

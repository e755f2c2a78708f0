import CZydis

// Vector integer instructions that the machine does concretely: cryptography, string comparison, gathers, masked moves
extension BlockBuilder {
    private static let concreteOperations: [ZydisMnemonic: VectorOperation] = [
        ZYDIS_MNEMONIC_AESENC: .aesEncrypt, ZYDIS_MNEMONIC_AESENCLAST: .aesEncryptLast,
        ZYDIS_MNEMONIC_AESDEC: .aesDecrypt, ZYDIS_MNEMONIC_AESDECLAST: .aesDecryptLast,
        ZYDIS_MNEMONIC_AESIMC: .aesInverseMixColumns, ZYDIS_MNEMONIC_AESKEYGENASSIST: .aesKeyAssist,
        ZYDIS_MNEMONIC_PCLMULQDQ: .carrylessMultiply, ZYDIS_MNEMONIC_SHA1RNDS4: .sha1Rounds,
        ZYDIS_MNEMONIC_SHA1NEXTE: .sha1NextE, ZYDIS_MNEMONIC_SHA1MSG1: .sha1Message1,
        ZYDIS_MNEMONIC_SHA1MSG2: .sha1Message2, ZYDIS_MNEMONIC_SHA256RNDS2: .sha256Rounds,
        ZYDIS_MNEMONIC_SHA256MSG1: .sha256Message1, ZYDIS_MNEMONIC_SHA256MSG2: .sha256Message2,
        ZYDIS_MNEMONIC_MPSADBW: .multipleDifferences, ZYDIS_MNEMONIC_PHMINPOSUW: .minimumPosition,
    ]

    mutating func liftVectorHelper(_ i: DecodedInstruction, _ name: ZydisMnemonic) -> Outcome? {
        if let operation = Self.concreteOperations[name] { return concrete(i, operation) }
        switch name {
        case ZYDIS_MNEMONIC_PCMPESTRI: return compareStrings(i, isExplicit: true, returnsMask: false)
        case ZYDIS_MNEMONIC_PCMPESTRM: return compareStrings(i, isExplicit: true, returnsMask: true)
        case ZYDIS_MNEMONIC_PCMPISTRI: return compareStrings(i, isExplicit: false, returnsMask: false)
        case ZYDIS_MNEMONIC_PCMPISTRM: return compareStrings(i, isExplicit: false, returnsMask: true)
        case ZYDIS_MNEMONIC_VGATHERDPS, ZYDIS_MNEMONIC_VPGATHERDD: return gather(i, element: 32, index: 32)
        case ZYDIS_MNEMONIC_VGATHERDPD, ZYDIS_MNEMONIC_VPGATHERDQ: return gather(i, element: 64, index: 32)
        case ZYDIS_MNEMONIC_VGATHERQPS, ZYDIS_MNEMONIC_VPGATHERQD: return gather(i, element: 32, index: 64)
        case ZYDIS_MNEMONIC_VGATHERQPD, ZYDIS_MNEMONIC_VPGATHERQQ: return gather(i, element: 64, index: 64)
        case ZYDIS_MNEMONIC_VMASKMOVPS, ZYDIS_MNEMONIC_VPMASKMOVD: return maskedMove(i, byteCount: 4)
        case ZYDIS_MNEMONIC_VMASKMOVPD, ZYDIS_MNEMONIC_VPMASKMOVQ: return maskedMove(i, byteCount: 8)
        case ZYDIS_MNEMONIC_MASKMOVDQU: return maskedBytes(i)
        default: return nil
        }
    }

    private mutating func concrete(_ i: DecodedInstruction, _ operation: VectorOperation) -> Outcome {
        let isMonadic =
            operation == .aesInverseMixColumns || operation == .aesKeyAssist || operation == .minimumPosition
        let first = isMonadic ? 0 : firstSource(i)
        guard let slot = vectorSlot(i, 0), let a = vectorSlot(i, first), let b = readWords(i, first + 1) else {
            return .unsupported
        }
        let isWide = b.count == 4
        let source = contiguous(b)
        operations.append(
            .helper(
                .vectorInteger, destination: slot, a: isMonadic ? .zero : a, b: source,
                detail: Int(operation.rawValue) | (isWide ? 0x100 : 0),
                argument: Int(byteImmediate(i, first + 2) ?? 0)))
        if !isWide { clearUpper(i, slot) }
        return .lifted
    }

    private mutating func compareStrings(_ i: DecodedInstruction, isExplicit: Bool, returnsMask: Bool) -> Outcome {
        // The second operand needs no alignment (Intel SDM volume 2, 4.1).
        guard let a = vectorSlot(i, 0), let b = readWords(i, 1, isAligned: false), let control = byteImmediate(i, 2)
        else { return .unsupported }
        let hasLongLengths = i.operands.dropFirst(i.visibleCount).contains { operand in
            if case .register(let register) = operand.value {
                register.kind == .general && register.number == 0 && operand.width == 64
            } else {
                false
            }
        }
        let source = contiguous(b)
        let form = StringComparison(
            hasExplicitLengths: isExplicit, returnsMask: returnsMask, hasLongLengths: hasLongLengths)
        operations.append(
            .helper(
                .compareStrings, destination: returnsMask ? .xmm(0) : .rcx, a: a, b: source, detail: form.detail,
                argument: Int(control)))
        if returnsMask { clearUpper(i, .xmm(0)) }
        flags = .none
        return .lifted
    }

    private mutating func gather(_ i: DecodedInstruction, element: Int, index: Int) -> Outcome {
        guard let slot = vectorSlot(i, 0), case .memory(var memory) = i.operands[1].value,
            let indexSlot = memory.index, case .register(let mask) = i.operands[2].value
        else { return .unsupported }
        // The index is a vector register; its number came as that of a general one.
        let form = GatherForm(
            elementBits: element, indexBits: index, isWide: i.vectorWidth == 256,
            hasShortAddresses: i.addressWidth != 64, index: Int(indexSlot.rawValue), mask: mask.number,
            scaleShift: Int(memory.scaleShift))
        memory.index = nil
        let base: Value
        var segment: Value = .zero
        if form.hasShortAddresses {
            base = effectiveAddress(memory, i)
            if let slot = memory.segmentBase { segment = .slot(slot) }
        } else {
            base = effectiveSum(address(memory, i))
        }
        helper(
            .gather, destination: slot, a: base, b: segment, detail: form.detail, argument: form.argument)
        return .lifted
    }

    /// VMASKMOVPS and its family: the second operand is the mask.
    private mutating func maskedMove(_ i: DecodedInstruction, byteCount: Int) -> Outcome {
        guard let mask = vectorSlot(i, 1) else { return .unsupported }
        let isWide = i.vectorWidth == 256
        let detail = byteCount | (isWide ? 0x100 : 0)
        if let slot = vectorSlot(i, 0) {
            guard case .memory(let memory) = i.operands[2].value else { return .unsupported }
            let place = effectiveSum(address(memory, i))
            helper(.maskedLoad, destination: slot, a: place, b: .slot(mask), detail: detail)
            if !isWide { clearUpper(i, slot) }
            return .lifted
        }
        guard case .memory(let memory) = i.operands[0].value, let source = vectorSlot(i, 2) else {
            return .unsupported
        }
        return maskedStore(i, address(memory, i), source, mask, detail)
    }

    /// MASKMOVDQU: bytes of the first operand to DS:RDI where the second one's have their top bit.
    private mutating func maskedBytes(_ i: DecodedInstruction) -> Outcome {
        guard let source = vectorSlot(i, 0), let mask = vectorSlot(i, 1) else { return .unsupported }
        let memory = MemoryOperand(
            base: .rdi, index: nil, scaleShift: 0, displacement: 0, segmentBase: i.segmentOverride)
        return maskedStore(i, address(memory, i), source, mask, 1)
    }

    /// A block of its own: a helper's store does not stop at code that the rest of the block may be.
    private mutating func maskedStore(
        _ i: DecodedInstruction, _ place: (slot: Slot, displacement: UInt64), _ source: Slot, _ mask: Slot,
        _ detail: Int
    ) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        helper(.maskedStore, destination: source, a: effectiveSum(place), b: .slot(mask), detail: detail)
        terminate(MicroOp(.jump, immediate: i.nextRIP))
        return .lifted
    }
}

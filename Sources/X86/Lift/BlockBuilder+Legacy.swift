import CZydis

// Decimal arithmetic and other instructions of the 16- and 32-bit modes, and far pointer loads
extension BlockBuilder {
    mutating func liftLegacy(_ i: DecodedInstruction) -> Outcome? {
        switch i.mnemonic {
        case ZYDIS_MNEMONIC_AAA: return adjustUnpacked(isAddition: true)
        case ZYDIS_MNEMONIC_AAS: return adjustUnpacked(isAddition: false)
        case ZYDIS_MNEMONIC_AAD: return beforeDivision(i)
        case ZYDIS_MNEMONIC_AAM: return afterMultiplication(i)
        case ZYDIS_MNEMONIC_DAA: return adjustPacked(isAddition: true)
        case ZYDIS_MNEMONIC_DAS: return adjustPacked(isAddition: false)
        case ZYDIS_MNEMONIC_PUSHA, ZYDIS_MNEMONIC_PUSHAD: return pushAll(i)
        case ZYDIS_MNEMONIC_POPA, ZYDIS_MNEMONIC_POPAD: return popAll(i)
        case ZYDIS_MNEMONIC_BOUND: return checkBounds(i)
        case ZYDIS_MNEMONIC_ARPL: return adjustPrivilege(i)
        case ZYDIS_MNEMONIC_SALC:
            commitGeneral(.rax, 8, unary(.negate, 8, .slot(.cf)))
            return .lifted
        case ZYDIS_MNEMONIC_INTO:
            terminate(MicroOp(.branch, a: materialize(binary(.equal, 1, .slot(.of), .zero)), immediate: i.nextRIP))
            terminate(MicroOp(.raise, immediate: UInt64(ExceptionVector.overflow.rawValue) | 0x200))
            return .lifted
        case ZYDIS_MNEMONIC_LES: return loadFarPointer(i, SegmentNumber.es)
        case ZYDIS_MNEMONIC_LSS: return loadFarPointer(i, SegmentNumber.ss)
        case ZYDIS_MNEMONIC_LDS: return loadFarPointer(i, SegmentNumber.ds)
        case ZYDIS_MNEMONIC_LFS: return loadFarPointer(i, SegmentNumber.fs)
        case ZYDIS_MNEMONIC_LGS: return loadFarPointer(i, SegmentNumber.gs)
        default: return nil
        }
    }

    /// AF is set or the low digit of AL is above 9.
    private mutating func needsDigitAdjustment() -> Value {
        let digit = binary(.and, 8, .slot(.rax), .constant(15))
        return binary(.or, 1, binary(.lessUnsigned, 8, .constant(9), digit), .slot(.af))
    }

    /// AAA and AAS. OF, SF, ZF and PF are undefined and stay.
    private mutating func adjustUnpacked(isAddition: Bool) -> Outcome {
        let adjusts = needsDigitAdjustment()
        let changed = binary(isAddition ? .add : .subtract, 16, .slot(.rax), .constant(0x106))
        let value = select(16, adjusts, changed, .slot(.rax))
        commitGeneral(.rax, 16, binary(.and, 16, value, .constant(0xFF0F)))
        setFlag(.af, adjusts)
        setFlag(.cf, adjusts)
        return .lifted
    }

    private mutating func setDigitFlags(_ low: Value) {
        setFlag(.pf, unary(.parity, 8, low))
        setFlag(.zf, binary(.equal, 8, low, .zero))
        setFlag(.sf, unary(.sign, 8, low))
        pendingFlags = .result(width: 8, result: low)
    }

    /// AAM. OF, AF and CF are undefined: 0.
    private mutating func afterMultiplication(_ i: DecodedInstruction) -> Outcome {
        guard case .immediate(let raw) = i.operands[0].value else { return .unsupported }
        let base = raw & 0xFF
        guard base != 0 else {
            terminate(MicroOp(.raise, immediate: UInt64(ExceptionVector.divideError.rawValue)))
            return .lifted
        }
        let value = zeroExtend(8, .slot(.rax))
        let quotient = ternary(.divideUnsigned, 8, value, .constant(base), .zero)
        let rest = ternary(.remainderUnsigned, 8, value, .constant(base), .zero)
        commitGeneral(.rax, 16, insert(8, into: rest, quotient, at: 8))
        for flag in [Slot.cf, .of, .af] { setFlag(flag, .zero) }
        setDigitFlags(rest)
        return .lifted
    }

    /// AAD. OF, AF and CF are undefined: 0.
    private mutating func beforeDivision(_ i: DecodedInstruction) -> Outcome {
        guard case .immediate(let base) = i.operands[0].value else { return .unsupported }
        let high = unary(.extract, 8, .slot(.rax), immediate: 8)
        let product = binary(.multiply, 8, high, .constant(base & 0xFF))
        let sum = binary(.add, 8, product, .slot(.rax))
        commitGeneral(.rax, 16, sum)
        for flag in [Slot.cf, .of, .af] { setFlag(flag, .zero) }
        setDigitFlags(sum)
        return .lifted
    }

    /// DAA and DAS. OF is undefined and stays.
    private mutating func adjustPacked(isAddition: Bool) -> Outcome {
        let operation: Operation = isAddition ? .add : .subtract
        let old = zeroExtend(8, .slot(.rax))
        let low = needsDigitAdjustment()
        let high = binary(
            .or, 1, binary(.lessUnsigned, 8, .constant(0x99), old), .slot(.cf))
        let first = select(8, low, binary(operation, 8, old, .constant(6)), old)
        let second = select(8, high, binary(operation, 8, first, .constant(0x60)), first)
        var carry = high
        if !isAddition {
            // The borrow of the low digit counts.
            let borrow = binary(.and, 1, low, binary(.lessUnsigned, 8, old, .constant(6)))
            carry = binary(.or, 1, high, borrow)
        }
        commitGeneral(.rax, 8, second)
        setFlag(.cf, carry)
        setFlag(.af, low)
        setDigitFlags(second)
        return .lifted
    }

    /// PUSHA: the pushed stack pointer is the one before.
    private mutating func pushAll(_ i: DecodedInstruction) -> Outcome {
        let width = i.operandWidth
        for register in 0..<8 {
            let offset = -(register + 1) * width / 8
            store(
                width, stackAddress(offset, byteCount: width / 8, isWrite: true), .slot(.general(register)))
        }
        moveStack(-width)
        return .lifted
    }

    private mutating func popAll(_ i: DecodedInstruction) -> Outcome {
        let width = i.operandWidth
        for (position, register) in (0..<8).reversed().enumerated() where register != 4 {
            let value = load(width, stackAddress(position * width / 8, byteCount: width / 8, isWrite: false))
            commitGeneral(.general(register), width, value)
        }
        moveStack(width)
        return .lifted
    }

    private mutating func checkBounds(_ i: DecodedInstruction) -> Outcome {
        guard let index = read(i, 0), case .memory(var memory) = i.operands[1].value else { return .unsupported }
        let width = i.operandWidth
        memory.byteCount = width / 4
        let place = address(memory, i)
        let lower = load(width, place)
        let upper = load(width, (place.slot, place.displacement &+ UInt64(width / 8)))
        let isInside = binary(
            .and, 1, binary(.lessOrEqualSigned, UInt8(width), lower, index),
            binary(.lessOrEqualSigned, UInt8(width), index, upper))
        terminate(MicroOp(.branch, a: materialize(isInside), immediate: i.nextRIP))
        terminate(MicroOp(.raise, immediate: UInt64(ExceptionVector.boundRange.rawValue)))
        return .lifted
    }

    private mutating func adjustPrivilege(_ i: DecodedInstruction) -> Outcome {
        guard let place = open(i, 0), let source = read(i, 1) else { return .unsupported }
        let level = binary(.and, 16, source, .constant(3))
        let isLower = binary(.lessUnsigned, 16, binary(.and, 16, place.value, .constant(3)), level)
        let raised = binary(.or, 16, binary(.and, 16, place.value, .constant(0xFFFC)), level)
        write(place, select(16, isLower, raised, place.value))
        setFlag(.zf, isLower)
        return .lifted
    }

    /// LES and its family: offset and selector from memory.
    private mutating func loadFarPointer(_ i: DecodedInstruction, _ segment: Int) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        guard let target = open(i, 0, reads: false), case .memory(var memory) = i.operands[1].value else {
            return .unsupported
        }
        memory.byteCount = target.width / 8 + 2
        let place = address(memory, i)
        let offset = load(target.width, place)
        let selector = load(16, (place.slot, place.displacement &+ UInt64(target.width / 8)))
        helper(.writeSegment, a: selector, detail: segment, argument: 1)
        write(target, offset)
        terminate(MicroOp(.jump, immediate: i.nextRIP))
        return .lifted
    }
}

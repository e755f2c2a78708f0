import CZydis

// MOV and its family, LEA, XCHG, stack, conditional moves
extension BlockBuilder {
    mutating func liftMovement(_ i: DecodedInstruction) -> Outcome? {
        if let code = Self.moveConditions[i.mnemonic] { return conditionalMove(i, code) }
        if let code = Self.setConditions[i.mnemonic] { return conditionalSet(i, code) }
        return switch i.mnemonic {
        case ZYDIS_MNEMONIC_MOV: move(i)
        case ZYDIS_MNEMONIC_MOVZX: extendingMove(i, isSigned: false)
        case ZYDIS_MNEMONIC_MOVSX, ZYDIS_MNEMONIC_MOVSXD: extendingMove(i, isSigned: true)
        case ZYDIS_MNEMONIC_LEA: loadAddress(i)
        case ZYDIS_MNEMONIC_XCHG: exchange(i)
        case ZYDIS_MNEMONIC_BSWAP: swapBytes(i)
        case ZYDIS_MNEMONIC_MOVBE: swappingMove(i)
        case ZYDIS_MNEMONIC_MOVNTI: move(i)
        case ZYDIS_MNEMONIC_PUSH: push(i)
        case ZYDIS_MNEMONIC_POP: pop(i)
        case ZYDIS_MNEMONIC_LEAVE: leaveFrame(i)
        case ZYDIS_MNEMONIC_ENTER: enterFrame(i)
        case ZYDIS_MNEMONIC_CBW: extendAccumulator(8, 16)
        case ZYDIS_MNEMONIC_CWDE: extendAccumulator(16, 32)
        case ZYDIS_MNEMONIC_CDQE: extendAccumulator(32, 64)
        case ZYDIS_MNEMONIC_CWD: spreadSign(16)
        case ZYDIS_MNEMONIC_CDQ: spreadSign(32)
        case ZYDIS_MNEMONIC_CQO: spreadSign(64)
        case ZYDIS_MNEMONIC_XLAT: translateByte(i)
        case ZYDIS_MNEMONIC_MOVDIRI: move(i)
        default: nil
        }
    }

    static let moveConditions: [ZydisMnemonic: Int] = [
        ZYDIS_MNEMONIC_CMOVO: 0, ZYDIS_MNEMONIC_CMOVNO: 1, ZYDIS_MNEMONIC_CMOVB: 2, ZYDIS_MNEMONIC_CMOVNB: 3,
        ZYDIS_MNEMONIC_CMOVZ: 4, ZYDIS_MNEMONIC_CMOVNZ: 5, ZYDIS_MNEMONIC_CMOVBE: 6, ZYDIS_MNEMONIC_CMOVNBE: 7,
        ZYDIS_MNEMONIC_CMOVS: 8, ZYDIS_MNEMONIC_CMOVNS: 9, ZYDIS_MNEMONIC_CMOVP: 10, ZYDIS_MNEMONIC_CMOVNP: 11,
        ZYDIS_MNEMONIC_CMOVL: 12, ZYDIS_MNEMONIC_CMOVNL: 13, ZYDIS_MNEMONIC_CMOVLE: 14,
        ZYDIS_MNEMONIC_CMOVNLE: 15,
    ]

    static let setConditions: [ZydisMnemonic: Int] = [
        ZYDIS_MNEMONIC_SETO: 0, ZYDIS_MNEMONIC_SETNO: 1, ZYDIS_MNEMONIC_SETB: 2, ZYDIS_MNEMONIC_SETNB: 3,
        ZYDIS_MNEMONIC_SETZ: 4, ZYDIS_MNEMONIC_SETNZ: 5, ZYDIS_MNEMONIC_SETBE: 6, ZYDIS_MNEMONIC_SETNBE: 7,
        ZYDIS_MNEMONIC_SETS: 8, ZYDIS_MNEMONIC_SETNS: 9, ZYDIS_MNEMONIC_SETP: 10, ZYDIS_MNEMONIC_SETNP: 11,
        ZYDIS_MNEMONIC_SETL: 12, ZYDIS_MNEMONIC_SETNL: 13, ZYDIS_MNEMONIC_SETLE: 14, ZYDIS_MNEMONIC_SETNLE: 15,
    ]

    private mutating func move(_ i: DecodedInstruction) -> Outcome? {
        for operand in i.operands.prefix(i.visibleCount) {
            if case .register(let register) = operand.value, register.kind != .general { return nil }
        }
        guard let value = read(i, 1), let place = open(i, 0, reads: false) else { return .unsupported }
        write(place, value)
        return .lifted
    }

    private mutating func extendingMove(_ i: DecodedInstruction, isSigned: Bool) -> Outcome {
        guard let value = read(i, 1), let place = open(i, 0, reads: false) else { return .unsupported }
        let from = UInt8(i.operands[1].width)
        let target = UInt8(place.width)
        if isSigned {
            write(place, signExtend(from, value, to: target))
        } else if case .memory = i.operands[1].value {
            // Loads extend already.
            write(place, value)
        } else {
            write(place, zeroExtend(from, value))
        }
        return .lifted
    }

    private mutating func loadAddress(_ i: DecodedInstruction) -> Outcome {
        guard case .memory(let memory) = i.operands[1].value, let place = open(i, 0, reads: false) else {
            return .unsupported
        }
        write(place, effectiveAddress(memory, i))
        return .lifted
    }

    private mutating func exchange(_ i: DecodedInstruction) -> Outcome {
        let (first, second) = i.operands[0].isMemory ? (0, 1) : (1, 0)
        guard let left = open(i, first), let right = open(i, second) else { return .unsupported }
        write(left, right.value)
        write(right, left.value)
        return .lifted
    }

    private mutating func swapBytes(_ i: DecodedInstruction) -> Outcome {
        guard let place = open(i, 0) else { return .unsupported }
        // BSWAP of 16 bits is undefined; processors clear the register's low half.
        write(place, place.width == 16 ? .zero : unary(.byteSwap, UInt8(place.width), place.value))
        return .lifted
    }

    private mutating func swappingMove(_ i: DecodedInstruction) -> Outcome {
        guard let value = read(i, 1), let place = open(i, 0, reads: false) else { return .unsupported }
        write(place, unary(.byteSwap, UInt8(place.width), value))
        return .lifted
    }

    private mutating func conditionalMove(_ i: DecodedInstruction, _ code: Int) -> Outcome {
        guard let value = read(i, 1), let place = open(i, 0) else { return .unsupported }
        // A 32-bit form clears the upper half even when the condition is false.
        let isTrue = condition(code)
        write(place, select(UInt8(place.width), isTrue, value, place.value))
        return .lifted
    }

    private mutating func conditionalSet(_ i: DecodedInstruction, _ code: Int) -> Outcome {
        guard let place = open(i, 0, reads: false) else { return .unsupported }
        write(place, condition(code))
        return .lifted
    }

    private mutating func push(_ i: DecodedInstruction) -> Outcome {
        let width = stackOperand(i)
        let value: Value
        if case .register(let register) = i.operands[0].value, register.kind == .segment {
            let selector = temporary()
            helper(.readSegment, destination: selector, detail: register.number)
            value = .slot(selector)
            if width == 32 {
                // Only 16 bits are stored, whatever the stack pointer moves by.
                store(16, stackAddress(-4, byteCount: 2, isWrite: true), value)
                moveStack(-4)
                return .lifted
            }
        } else {
            guard let read = read(i, 0) else { return .unsupported }
            value = read
        }
        pushValue(width, value)
        return .lifted
    }

    private mutating func pop(_ i: DecodedInstruction) -> Outcome {
        let width = stackOperand(i)
        let value = load(width, stackAddress(0, byteCount: width / 8, isWrite: false))
        switch i.operands[0].value {
        case .register(let register) where register.kind == .segment:
            guard instructions.isEmpty else { return .needsOwnBlock }
            helper(.writeSegment, a: value, detail: register.number)
            moveStack(width / 8)
            terminate(MicroOp(.jump, immediate: i.nextRIP))
        case .register(let register):
            guard register.kind == .general else { return .unsupported }
            moveStack(width / 8)
            commitGeneral(.general(register.number), width, value)
        case .memory(var memory):
            // An address based on RSP sees the incremented value.
            if memory.base == .rsp { memory.displacement &+= UInt64(width / 8) }
            store(width, address(memory, i), value)
            moveStack(width / 8)
        default: return .unsupported
        }
        return .lifted
    }

    private mutating func leaveFrame(_ i: DecodedInstruction) -> Outcome {
        let width = stackOperand(i)
        if context.mode == .long {
            let value = load(width, (.rbp, 0))
            commit(.rsp, binary(.add, 64, .slot(.rbp), .constant(UInt64(width / 8))))
            commitGeneral(.rbp, width, value)
            return .lifted
        }
        let bits = UInt8(context.stackWidth)
        let place = linear(SegmentNumber.ss, zeroExtend(bits, .slot(.rbp)), byteCount: width / 8, isWrite: false)
        let value = load(width, (materialize(place), 0))
        commitGeneral(.rsp, Int(bits), binary(.add, bits, .slot(.rbp), .constant(UInt64(width / 8))))
        commitGeneral(.rbp, width, value)
        return .lifted
    }

    /// ENTER (Intel SDM volume 2): the frame pointer, those of the enclosing procedures, the new one, then room for the variables.
    private mutating func enterFrame(_ i: DecodedInstruction) -> Outcome {
        guard case .immediate(let size) = i.operands[0].value, case .immediate(let rawLevel) = i.operands[1].value
        else { return .unsupported }
        let width = stackOperand(i)
        let bytes = width / 8
        let level = Int(rawLevel & 31)
        let bits = UInt8(context.stackWidth)
        store(width, stackAddress(-bytes, byteCount: bytes, isWrite: true), .slot(.rbp))
        let frame = binary(.subtract, bits, .slot(.rsp), .constant(UInt64(bytes)))
        if level > 0 {
            for index in stride(from: 1, to: level, by: 1) {
                let outer = binary(.subtract, bits, .slot(.rbp), .constant(UInt64(index * bytes)))
                let place = linear(SegmentNumber.ss, outer, byteCount: bytes, isWrite: false)
                let value = load(width, (materialize(place), 0))
                store(width, stackAddress(-bytes * (index + 1), byteCount: bytes, isWrite: true), value)
            }
            store(width, stackAddress(-bytes * (level + 1), byteCount: bytes, isWrite: true), frame)
        }
        commitGeneral(.rbp, width, frame)
        let room = UInt64(level * bytes) + size & 0xFFFF
        commitGeneral(.rsp, Int(bits), binary(.subtract, bits, frame, .constant(room)))
        return .lifted
    }

    private mutating func extendAccumulator(_ from: UInt8, _ to: UInt8) -> Outcome {
        commitGeneral(.rax, Int(to), signExtend(from, .slot(.rax), to: to))
        return .lifted
    }

    private mutating func spreadSign(_ width: UInt8) -> Outcome {
        commitGeneral(
            .rdx, Int(width), binary(.shiftRightArithmetic, width, .slot(.rax), .constant(UInt64(width) - 1)))
        return .lifted
    }

    private mutating func translateByte(_ i: DecodedInstruction) -> Outcome {
        let sum = binary(.add, 64, .slot(.rbx), zeroExtend(8, .slot(.rax)))
        let offset = zeroExtend(UInt8(i.addressWidth), sum)
        let place = linear(Self.dataSegment(i), offset, byteCount: 1, isWrite: false)
        commitGeneral(.rax, 8, load(8, (materialize(place), 0)))
        return .lifted
    }
}

extension ZydisMnemonic_: @retroactive Hashable {
    public func hash(into hasher: inout Hasher) { hasher.combine(rawValue) }
}

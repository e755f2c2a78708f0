import CZydis

// Jumps, calls, loops, traps and instructions that do nothing here
extension BlockBuilder {
    static let jumpConditions: [ZydisMnemonic: Int] = [
        ZYDIS_MNEMONIC_JO: 0, ZYDIS_MNEMONIC_JNO: 1, ZYDIS_MNEMONIC_JB: 2, ZYDIS_MNEMONIC_JNB: 3,
        ZYDIS_MNEMONIC_JZ: 4, ZYDIS_MNEMONIC_JNZ: 5, ZYDIS_MNEMONIC_JBE: 6, ZYDIS_MNEMONIC_JNBE: 7,
        ZYDIS_MNEMONIC_JS: 8, ZYDIS_MNEMONIC_JNS: 9, ZYDIS_MNEMONIC_JP: 10, ZYDIS_MNEMONIC_JNP: 11,
        ZYDIS_MNEMONIC_JL: 12, ZYDIS_MNEMONIC_JNL: 13, ZYDIS_MNEMONIC_JLE: 14, ZYDIS_MNEMONIC_JNLE: 15,
    ]

    mutating func liftControl(_ i: DecodedInstruction) -> Outcome? {
        if let code = Self.jumpConditions[i.mnemonic] { return conditionalJump(i, code) }
        switch i.mnemonic {
        case ZYDIS_MNEMONIC_JMP: return jump(i)
        case ZYDIS_MNEMONIC_CALL: return call(i)
        case ZYDIS_MNEMONIC_RET: return nearReturn(i)
        case ZYDIS_MNEMONIC_LOOP: return loop(i, condition: nil)
        case ZYDIS_MNEMONIC_LOOPE: return loop(i, condition: 1)
        case ZYDIS_MNEMONIC_LOOPNE: return loop(i, condition: 0)
        case ZYDIS_MNEMONIC_JRCXZ, ZYDIS_MNEMONIC_JECXZ, ZYDIS_MNEMONIC_JCXZ:
            guard case .immediate(let target) = i.operands[0].value else { return .unsupported }
            branch(binary(.equal, UInt8(i.addressWidth), .slot(.rcx), .zero), target, i)
            return .lifted
        // RSM outside of system management mode; shadow stacks (CET) are off.
        case ZYDIS_MNEMONIC_UD0, ZYDIS_MNEMONIC_UD1, ZYDIS_MNEMONIC_UD2, ZYDIS_MNEMONIC_RSM, ZYDIS_MNEMONIC_WRSSD,
            ZYDIS_MNEMONIC_WRSSQ, ZYDIS_MNEMONIC_WRUSSD, ZYDIS_MNEMONIC_WRUSSQ, ZYDIS_MNEMONIC_INCSSPD,
            ZYDIS_MNEMONIC_INCSSPQ, ZYDIS_MNEMONIC_SETSSBSY, ZYDIS_MNEMONIC_SAVEPREVSSP, ZYDIS_MNEMONIC_RSTORSSP,
            ZYDIS_MNEMONIC_CLRSSBSY:
            terminate(MicroOp(.raise, immediate: UInt64(ExceptionVector.invalidOpcode.rawValue)))
            return .lifted
        case ZYDIS_MNEMONIC_INT3:
            terminate(MicroOp(.raise, immediate: 3 | 0x200))
            return .lifted
        case ZYDIS_MNEMONIC_INT1:
            // Not asked for the gate's privilege level, unlike the others.
            terminate(MicroOp(.raise, immediate: 1 | 0x600))
            return .lifted
        case ZYDIS_MNEMONIC_INT:
            guard case .immediate(let vector) = i.operands[0].value else { return .unsupported }
            terminate(MicroOp(.raise, immediate: vector & 0xFF | 0x200))
            return .lifted
        case ZYDIS_MNEMONIC_XBEGIN:
            // A transaction that aborts at once, for no reason that would have to be told, is always allowed.
            guard case .immediate(let target) = i.operands[0].value else { return .unsupported }
            commit(.rax, .zero)
            terminate(MicroOp(.jump, immediate: target))
            return .lifted
        case ZYDIS_MNEMONIC_XTEST:
            for flag in Slot.arithmeticFlags { setFlag(flag, flag == .zf ? .constant(1) : .zero) }
            pendingFlags = FlagSource.none
            return .lifted
        case ZYDIS_MNEMONIC_XEND:
            terminate(MicroOp(.raise, immediate: UInt64(ExceptionVector.generalProtection.rawValue) | 0x100))
            return .lifted
        case ZYDIS_MNEMONIC_MOVDIR64B: return moveDirect(i)
        case ZYDIS_MNEMONIC_NOP, ZYDIS_MNEMONIC_PAUSE, ZYDIS_MNEMONIC_ENDBR64, ZYDIS_MNEMONIC_ENDBR32,
            ZYDIS_MNEMONIC_LFENCE, ZYDIS_MNEMONIC_MFENCE, ZYDIS_MNEMONIC_SFENCE, ZYDIS_MNEMONIC_PREFETCH,
            ZYDIS_MNEMONIC_PREFETCHW, ZYDIS_MNEMONIC_PREFETCHNTA, ZYDIS_MNEMONIC_PREFETCHT0,
            ZYDIS_MNEMONIC_PREFETCHT1, ZYDIS_MNEMONIC_PREFETCHT2, ZYDIS_MNEMONIC_PREFETCHWT1,
            ZYDIS_MNEMONIC_XABORT, ZYDIS_MNEMONIC_CLDEMOTE, ZYDIS_MNEMONIC_SERIALIZE:
            return .lifted
        case ZYDIS_MNEMONIC_CLFLUSH, ZYDIS_MNEMONIC_CLFLUSHOPT, ZYDIS_MNEMONIC_CLWB:
            // The access is checked like a load of one byte.
            guard case .memory(let memory) = i.operands[0].value else { return .unsupported }
            _ = load(8, address(memory, i))
            return .lifted
        default: return nil
        }
    }

    /// Ends the block: to `target` when the condition holds, else to the next instruction.
    private mutating func branch(_ condition: Value, _ target: UInt64, _ i: DecodedInstruction) {
        switch condition {
        case .constant(let value):
            terminate(MicroOp(.jump, immediate: value & 1 != 0 ? target : i.nextRIP))
        case .slot(let slot):
            terminate(MicroOp(.branch, a: slot, immediate: target))
            terminate(MicroOp(.jump, immediate: i.nextRIP))
        }
    }

    private mutating func conditionalJump(_ i: DecodedInstruction, _ code: Int) -> Outcome {
        guard case .immediate(let target) = i.operands[0].value else { return .unsupported }
        branch(condition(code), target, i)
        return .lifted
    }

    private mutating func jump(_ i: DecodedInstruction) -> Outcome {
        if case .immediate(let target) = i.operands[0].value {
            terminate(MicroOp(.jump, immediate: target))
            return .lifted
        }
        if Self.isFar(i) { return farTransfer(i, .farJump) }
        guard let target = read(i, 0) else { return .unsupported }
        terminate(MicroOp(.jumpIndirect, a: materialize(pointer(target, i))))
        return .lifted
    }

    private mutating func call(_ i: DecodedInstruction) -> Outcome {
        if case .immediate(let target) = i.operands[0].value {
            pushValue(stackOperand(i), .constant(i.nextRIP))
            terminate(MicroOp(.jump, immediate: target))
            return .lifted
        }
        if Self.isFar(i) { return farTransfer(i, .farCall) }
        guard let raw = read(i, 0) else { return .unsupported }
        let target = pointer(raw, i)
        // CALL through a register or an address with RSP uses the values before the push.
        var slot = materialize(target)
        if slot == .rsp { slot = materialize(unary(.move, 64, .slot(.rsp))) }
        pushValue(stackOperand(i), .constant(i.nextRIP))
        terminate(MicroOp(.jumpIndirect, a: slot))
        return .lifted
    }

    /// A near target from a register or memory: outside of 64-bit mode only its operand size.
    private mutating func pointer(_ target: Value, _ i: DecodedInstruction) -> Value {
        context.mode == .long ? target : zeroExtend(UInt8(stackOperand(i)), target)
    }

    /// JMP and CALL to another segment: FF /3 and FF /5 through memory, EA and 9A with the pointer in the instruction.
    private static func isFar(_ i: DecodedInstruction) -> Bool {
        if case .pointer = i.operands[0].value { return true }
        let extensionBits = (i.modRM >> 3) & 7
        return i.opcode == 0xFF && (extensionBits == 3 || extensionBits == 5)
    }

    private mutating func farTransfer(_ i: DecodedInstruction, _ kind: Helper) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        let offset: Value
        let selector: Value
        switch i.operands[0].value {
        case .pointer(let number, let target):
            (offset, selector) = (.constant(UInt64(target)), .constant(UInt64(number)))
        case .memory(var memory):
            memory.byteCount = i.operandWidth / 8 + 2
            let place = address(memory, i)
            offset = load(i.operandWidth, place)
            selector = load(16, (place.slot, place.displacement &+ UInt64(i.operandWidth / 8)))
        default: return .unsupported
        }
        helper(kind, a: offset, b: selector, detail: i.operandWidth, argument: i.length)
        terminate(MicroOp(.jumpIndirect, a: .rip))
        return .lifted
    }

    private mutating func nearReturn(_ i: DecodedInstruction) -> Outcome {
        if i.opcode == 0xCB || i.opcode == 0xCA {
            guard instructions.isEmpty else { return .needsOwnBlock }
            var drop = 0
            if case .immediate(let bytes) = i.operands[0].value { drop = Int(bytes & 0xFFFF) }
            helper(.farReturn, detail: i.operandWidth, argument: drop)
            terminate(MicroOp(.jumpIndirect, a: .rip))
            return .lifted
        }
        let width = stackOperand(i)
        let target = load(width, stackAddress(0, byteCount: width / 8, isWrite: false))
        var drop = width / 8
        if i.opcode == 0xC2, case .immediate(let bytes) = i.operands[0].value { drop += Int(bytes & 0xFFFF) }
        moveStack(drop)
        terminate(MicroOp(.jumpIndirect, a: materialize(target)))
        return .lifted
    }

    /// LOOP, LOOPE (condition 1), LOOPNE (condition 0).
    private mutating func loop(_ i: DecodedInstruction, condition: UInt64?) -> Outcome {
        guard case .immediate(let target) = i.operands[0].value else { return .unsupported }
        let width = UInt8(i.addressWidth)
        let count = binary(.subtract, width, .slot(.rcx), .constant(1))
        var goesOn = binary(.notEqual, width, count, .zero)
        if let condition {
            goesOn = binary(.and, 1, goesOn, binary(.equal, 1, .slot(.zf), .constant(condition)))
        }
        commitGeneral(.rcx, Int(width), count)
        branch(goesOn, target, i)
        return .lifted
    }

    /// MOVDIR64B: 64 bytes to the 64-byte aligned address in a register, through ES.
    private mutating func moveDirect(_ i: DecodedInstruction) -> Outcome {
        guard case .register(let target) = i.operands[0].value,
            let index = i.operands.prefix(i.visibleCount).lastIndex(where: \.isMemory),
            case .memory(let source) = i.operands[index].value
        else { return .unsupported }
        let destination = implicitAddress(
            .general(target.number), i, segment: SegmentNumber.es, byteCount: 64, isWrite: true)
        helper(.requireCanonical, a: .slot(destination.slot), detail: 64)
        let place = address(source, i)
        let parts = (0..<4).map { load(128, (place.slot, place.displacement &+ UInt64($0 * 16))) }
        for (part, value) in parts.enumerated() {
            store(128, (destination.slot, destination.displacement &+ UInt64(part * 16)), value)
        }
        return .lifted
    }
}

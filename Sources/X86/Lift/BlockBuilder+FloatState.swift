import CZydis

// MXCSR, state saving, and x87
extension BlockBuilder {
    mutating func liftFloat(_ i: DecodedInstruction) -> Outcome? {
        guard i.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY else { return nil }
        switch i.mnemonic {
        case ZYDIS_MNEMONIC_LDMXCSR, ZYDIS_MNEMONIC_STMXCSR:
            if let trap = unitTrap(context.vector) { return trapped(trap) }
            return controlWord(i, isLoad: i.mnemonic == ZYDIS_MNEMONIC_LDMXCSR)
        case ZYDIS_MNEMONIC_FXSAVE: return state(i, .fxSave, 0)
        case ZYDIS_MNEMONIC_FXSAVE64: return state(i, .fxSave, 1)
        case ZYDIS_MNEMONIC_FXRSTOR: return state(i, .fxRestore, 0)
        case ZYDIS_MNEMONIC_FXRSTOR64: return state(i, .fxRestore, 1)
        case ZYDIS_MNEMONIC_XSAVE: return state(i, .xSave, 0)
        case ZYDIS_MNEMONIC_XSAVEOPT: return state(i, .xSave, 1)
        case ZYDIS_MNEMONIC_XSAVEC: return state(i, .xSave, 2)
        case ZYDIS_MNEMONIC_XSAVES: return state(i, .xSave, 3)
        case ZYDIS_MNEMONIC_XSAVE64: return state(i, .xSave, 8)
        case ZYDIS_MNEMONIC_XSAVEOPT64: return state(i, .xSave, 9)
        case ZYDIS_MNEMONIC_XSAVEC64: return state(i, .xSave, 10)
        case ZYDIS_MNEMONIC_XSAVES64: return state(i, .xSave, 11)
        case ZYDIS_MNEMONIC_XRSTOR: return state(i, .xRestore, 0)
        case ZYDIS_MNEMONIC_XRSTORS: return state(i, .xRestore, 3)
        case ZYDIS_MNEMONIC_XRSTOR64: return state(i, .xRestore, 8)
        case ZYDIS_MNEMONIC_XRSTORS64: return state(i, .xRestore, 11)
        default: return liftX87(i)
        }
    }

    private mutating func state(_ i: DecodedInstruction, _ kind: Helper, _ detail: Int) -> Outcome? {
        // FXSAVE needs no OSFXSR; the XSAVE family checks its own conditions, #UD before #NM.
        if kind == .fxSave || kind == .fxRestore, let trap = unitTrap(context.x87) { return trapped(trap) }
        guard instructions.isEmpty else { return .needsOwnBlock }
        guard case .memory(let memory) = i.operands[0].value else { return .unsupported }
        helper(kind, a: effectiveSum(address(memory, i)), detail: detail)
        terminate(MicroOp(.jump, immediate: i.nextRIP))
        return .lifted
    }

    /// The few x87 instructions of kernels and start-up code; the machine reports the rest as unsupported.
    private mutating func liftX87(_ i: DecodedInstruction) -> Outcome? {
        let known: Bool =
            switch i.mnemonic {
            case ZYDIS_MNEMONIC_FNINIT, ZYDIS_MNEMONIC_FNCLEX, ZYDIS_MNEMONIC_FNSTCW, ZYDIS_MNEMONIC_FLDCW,
                ZYDIS_MNEMONIC_FNSTSW, ZYDIS_MNEMONIC_FWAIT, ZYDIS_MNEMONIC_EMMS, ZYDIS_MNEMONIC_FFREE,
                ZYDIS_MNEMONIC_FILD, ZYDIS_MNEMONIC_FLD, ZYDIS_MNEMONIC_FSTP, ZYDIS_MNEMONIC_FXCH,
                ZYDIS_MNEMONIC_FLD1, ZYDIS_MNEMONIC_FLDZ:
                true
            default: false
            }
        guard known else { return nil }
        if i.mnemonic != ZYDIS_MNEMONIC_FWAIT, let trap = unitTrap(context.x87) {
            terminate(trap)
            return .lifted
        }
        guard instructions.isEmpty else { return .needsOwnBlock }
        let code = Int(i.opcode) << 8 | Int(i.modRM)
        if i.visibleCount > 0, case .memory(let memory) = i.operands[0].value {
            helper(
                .x87Memory, a: effectiveSum(address(memory, i)), detail: i.operands[0].width / 8, argument: code)
        } else {
            helper(.x87Register, argument: code)
        }
        terminate(MicroOp(.jump, immediate: i.nextRIP))
        return .lifted
    }
}

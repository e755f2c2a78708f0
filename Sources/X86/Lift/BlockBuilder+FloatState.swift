import CZydis

// MXCSR and state saving
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
        default: return nil
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
}

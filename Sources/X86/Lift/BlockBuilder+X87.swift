import CZydis

// x87: one helper per instruction, in a block of its own because FIP is the instruction's address
extension BlockBuilder {
    mutating func liftX87(_ i: DecodedInstruction) -> Outcome? {
        guard i.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY else { return nil }
        let isEscape = i.opcodeMap == ZYDIS_OPCODE_MAP_DEFAULT && i.opcode & 0xF8 == 0xD8
        let isWait = i.mnemonic == ZYDIS_MNEMONIC_FWAIT
        guard isEscape || isWait || i.mnemonic == ZYDIS_MNEMONIC_EMMS else { return nil }
        if !isWait, let trap = unitTrap(i.mnemonic == ZYDIS_MNEMONIC_EMMS ? mediaAccess : context.x87) {
            terminate(trap)
            return .lifted
        }
        guard instructions.isEmpty else { return .needsOwnBlock }
        let code = Int(i.opcode) << 8 | Int(i.modRM)
        if isEscape, i.modRM < 0xC0 {
            guard let index = i.operands.firstIndex(where: \.isMemory),
                case .memory(let memory) = i.operands[index].value
            else { return .unsupported }
            let width = i.operandWidth == 16 ? X87MemoryArgument.narrow : 0
            helper(
                .x87Memory, a: effectiveSum(address(memory, i)), detail: i.operands[index].width / 8,
                argument: code | width)
        } else {
            helper(.x87Register, argument: code)
            flags = .none
        }
        terminate(MicroOp(.jump, immediate: i.nextRIP))
        return .lifted
    }

    /// MMX instructions raise #UD with CR0.EM, not #NM.
    var mediaAccess: LiftContext.UnitAccess {
        context.vector == .undefined && context.x87 != .enabled ? .undefined : context.x87
    }
}

/// Bits of the `argument` of `Helper.x87Memory` above the opcode.
package enum X87MemoryArgument {
    /// The environment forms use their 16-bit layout.
    package static let narrow = 0x1_0000
}

import X86

// The flags that an earlier block left as operands, as `Processor.settleFlags` computes them
extension NativeRoutines {
    private static func flag(_ slot: Slot) -> HostAddress { NativeFrame.slot(Int(slot.rawValue)) }

    /// Called from a block when `SystemState.pendingFlags` is not 0. RAX, RCX, RDX and EFLAGS change.
    static func emitSettle(_ code: inout CodeAssembler) -> Int {
        let start = code.position
        code.load(.rcx, NativeFrame.pendingFlags, 32)
        code.store(NativeFrame.pendingFlags, constant: 0, 32)
        code.load(.rax, NativeFrame.pendingFlagA)
        code.arithmetic(.compare, .rcx, constant: Translator.code(.subtract, 0), 8)
        let isSubtraction = code.jump(.equal)
        let isLogic = code.jump(.above)
        emitSettle(&code, .add)
        code.bindHere(isSubtraction)
        emitSettle(&code, .subtract)
        code.bindHere(isLogic)
        code.test(.rax, .rax, 8)
        code.set(.parity, flag(.pf))
        emitShiftCount(&code)
        code.shiftByCL(.left, .rax)
        code.test(.rax, .rax)
        code.set(.equal, flag(.zf))
        code.set(.sign, flag(.sf))
        for slot in [Slot.cf, .af, .of] { code.store(flag(slot), constant: 0, 8) }
        code.returnToCaller()
        return start
    }

    /// CL = 64 - width, modulo 64: so far left, operands have their flags where those of 64 bits are.
    private static func emitShiftCount(_ code: inout CodeAssembler) {
        code.shift(.right, .rcx, by: 8, 32)
        code.unary(.negate, .rcx, 32)
    }

    private static func emitSettle(_ code: inout CodeAssembler, _ operation: HostALUOperation) {
        code.load(.rdx, NativeFrame.pendingFlagB)
        code.push(.rbx)
        // PF and AF are those of the low bits.
        code.move(.rbx, .rax, 32)
        code.arithmetic(operation, .rbx, .rdx, 32)
        code.test(.rbx, .rbx, 8)
        code.set(.parity, flag(.pf))
        code.arithmetic(.xor, .rbx, .rax, 32)
        code.arithmetic(.xor, .rbx, .rdx, 32)
        code.shift(.right, .rbx, by: 4, 32)
        code.arithmetic(.and, .rbx, constant: 1, 32)
        code.store(flag(.af), .rbx, 8)
        code.pop(.rbx)
        emitShiftCount(&code)
        code.shiftByCL(.left, .rax)
        code.shiftByCL(.left, .rdx)
        code.arithmetic(operation, .rax, .rdx)
        code.set(.below, flag(.cf))
        code.set(.equal, flag(.zf))
        code.set(.sign, flag(.sf))
        code.set(.overflow, flag(.of))
        code.returnToCaller()
    }
}

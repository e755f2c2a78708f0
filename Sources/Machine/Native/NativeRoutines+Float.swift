// MXCSR is the guest's from the first block with floating point on, until Swift code runs
extension NativeRoutines {
    /// The bits of the guest's MXCSR that must be as `wanted` for the host to compute with it: no exception unmasked, no reserved bit set.
    private static let judged: UInt64 = 0xFFFF_1F80
    private static let wanted: UInt64 = 0x1F80
    /// MXCSR's exception flags.
    private static let stickyFlags: UInt64 = 0x3F

    /// Called from a block. RAX and RCX change.
    static func emitLoadFloat(_ code: inout CodeAssembler, leave: Int) -> Int {
        let start = code.position
        let below: Int32 = 8
        let refused = emitJudge(&code)
        code.storeFloatControl(HostAddress(.rsp, below + NativeFrame.hostControl))
        code.loadFloatControl(NativeFrame.floatControl)
        code.store(HostAddress(.rsp, below + NativeFrame.hasFloat), constant: 1, 32)
        code.returnToCaller()
        code.bindHere(refused)
        code.arithmetic(.add, .rsp, constant: UInt64(below))
        code.move(.rax, constant: NativeStatus.interpret.rawValue)
        code.jump(to: leave)
        return start
    }

    /// - Returns: the jump that is taken when the host cannot compute with the guest's MXCSR. RCX changes.
    private static func emitJudge(_ code: inout CodeAssembler) -> Int {
        code.load(.rcx, NativeFrame.floatControl, 32)
        code.arithmetic(.and, .rcx, constant: judged, 32)
        code.arithmetic(.compare, .rcx, constant: wanted, 32)
        return code.jump(.notEqual)
    }

    /// MXCSR is the host's again, and the guest's has the new flags. RAX and EFLAGS change.
    private static func emitUnloadFloat(_ code: inout CodeAssembler, below: Int32) {
        let control = HostAddress(.rsp, below + NativeFrame.control)
        code.storeFloatControl(control)
        code.load(.rax, control, 32)
        code.arithmetic(.and, .rax, constant: stickyFlags, 32)
        code.arithmetic(.or, .rax, NativeFrame.floatControl, 32)
        code.store(NativeFrame.floatControl, .rax, 32)
        code.loadFloatControl(HostAddress(.rsp, below + NativeFrame.hostControl))
    }

    /// On the way back to Swift. RAX stays; RCX and EFLAGS change.
    static func emitRestoreFloat(_ code: inout CodeAssembler) {
        code.arithmetic(.compare, HostAddress(.rsp, NativeFrame.hasFloat), constant: 0, 32)
        let without = code.jump(.equal)
        code.move(.rcx, .rax)
        emitUnloadFloat(&code, below: 0)
        code.move(.rax, .rcx)
        code.bindHere(without)
    }

    /// From the block's frame to that of a routine which calls Swift code: two return addresses, and eight bytes that align RSP.
    private static let belowCall: Int32 = 24

    private static func place(ofVector register: UInt8) -> HostAddress {
        let index = Int32(register - Translator.vectorRegisters.lowerBound)
        return HostAddress(.rsp, belowCall + NativeFrame.vectors + index * 16)
    }

    /// Before Swift code runs. RAX changes.
    static func emitSaveVectors(_ code: inout CodeAssembler) -> Int {
        let start = code.position
        for register in Translator.vectorRegisters { code.storeVector(place(ofVector: register), register) }
        emitUnloadFloat(&code, below: belowCall)
        code.returnToCaller()
        return start
    }

    /// After Swift code, which may have changed the guest's MXCSR. RAX stays; RCX changes.
    static func emitRestoreVectors(_ code: inout CodeAssembler) -> Int {
        let start = code.position
        for register in Translator.vectorRegisters { code.loadVector(register, place(ofVector: register)) }
        let refused = emitJudge(&code)
        code.loadFloatControl(NativeFrame.floatControl)
        code.returnToCaller()
        code.bindHere(refused)
        code.store(HostAddress(.rsp, belowCall + NativeFrame.hasFloat), constant: 0, 32)
        code.returnToCaller()
        return start
    }
}

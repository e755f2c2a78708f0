/// The code that all translated blocks share, at the start of the code memory.
struct NativeRoutines {
    /// Offset 0, where "no code" leads: back to Swift with `NativeStatus.lookup`.
    static let missing = 0

    /// From Swift into a block: see `NativeCode.enter`.
    private(set) var enter = 0
    /// CPUID as a C function: leaf, subleaf, pointer to four 32-bit results.
    private(set) var identify = 0
    /// Back to Swift with the result RAX.
    private(set) var leave = 0
    /// Back to Swift for the block at the RIP slot; EAX: place of the jump to link, or 0.
    private(set) var leaveForLookup = 0
    /// Calls of Swift code from a block. ECX: bits 0-7 bytes, bit 8 for a store, bits 12-31 operation; RDX: the `CachedBlock`; RAX: guest
    /// address.
    private(set) var load = 0
    private(set) var store = 0
    private(set) var helper = 0
    private(set) var seldom = 0
    private(set) var repetition = 0
    /// Computes the flags that wait in the system state. RAX, RCX, RDX and EFLAGS change.
    private(set) var settle = 0
    /// Makes MXCSR the guest's. When that has unmasked exceptions, the block is left with `NativeStatus.interpret`; the RIP slot must be set.
    private(set) var loadFloat = 0
    /// Where blocks may begin.
    private(set) var end = 0

    init(_ code: inout CodeAssembler) {
        let missing = code.jump()
        leave = code.position
        code.store(NativeFrame.retired, .r12)
        Self.emitRestoreFloat(&code)
        code.arithmetic(.add, .rsp, constant: NativeFrame.size)
        for register in NativeFrame.calleeSaved.reversed() { code.pop(register) }
        code.returnToCaller()

        code.bindHere(missing)
        code.move(.rax, constant: 0)
        leaveForLookup = code.position
        code.shift(.left, .rax, by: 8)
        code.arithmetic(.or, .rax, constant: NativeStatus.lookup.rawValue)
        code.jump(to: leave)

        emitEnter(&code)
        emitIdentify(&code)
        loadFloat = Self.emitLoadFloat(&code, leave: leave)
        let (saveVectors, restoreVectors) = (Self.emitSaveVectors(&code), Self.emitRestoreVectors(&code))
        func emitCall(_ function: UInt64) -> Int {
            Self.emitCall(&code, function, leave: leave, saveVectors: saveVectors, restoreVectors: restoreVectors)
        }
        load = emitCall(NativeEntry.loadAddress)
        store = emitCall(NativeEntry.storeAddress)
        helper = emitCall(NativeEntry.helperAddress)
        seldom = emitCall(NativeEntry.seldomAddress)
        settle = Self.emitSettle(&code)
        repetition = emitCall(NativeEntry.repetitionAddress)
        end = code.position
    }

    /// Arguments in the order of the C calling convention: RDI RSI RDX RCX R8 R9.
    private mutating func emitEnter(_ code: inout CodeAssembler) {
        enter = code.position
        for register in NativeFrame.calleeSaved { code.push(register) }
        code.arithmetic(.subtract, .rsp, constant: NativeFrame.size)
        code.store(HostAddress(.rsp, NativeFrame.machine), .rdi)
        code.store(HostAddress(.rsp, NativeFrame.key), .r9)
        code.move(.r15, .rsi)
        code.move(.r14, .rdx)
        code.move(.r13, .rcx)
        code.load(.r12, NativeFrame.retired)
        code.store(HostAddress(.rsp, NativeFrame.hasFloat), constant: 0, 32)
        code.jump(.r8)
    }

    private mutating func emitIdentify(_ code: inout CodeAssembler) {
        identify = code.position
        code.push(.rbx)
        code.move(.r8, .rdx)
        code.move(.rax, .rdi, 32)
        code.move(.rcx, .rsi, 32)
        code.byte(0x0F)
        code.byte(0xA2)
        for (index, register) in [HostRegister.rax, .rbx, .rcx, .rdx].enumerated() {
            code.store(HostAddress(.r8, Int32(index) * 4), register, 32)
        }
        code.pop(.rbx)
        code.returnToCaller()
    }

    /// A call of `function`(machine, RAX, ECX, RDX, value, frame's key). When it returns not 0, the block is left.
    private static func emitCall(
        _ code: inout CodeAssembler, _ function: UInt64, leave: Int, saveVectors: Int, restoreVectors: Int
    ) -> Int {
        let start = code.position
        // The return address of the block's call, and eight bytes that align RSP.
        let below: Int32 = 16
        code.arithmetic(.subtract, .rsp, constant: 8)
        for (index, register) in NativeFrame.callerSaved.enumerated() {
            code.store(HostAddress(.rsp, below + NativeFrame.saved + Int32(index) * 8), register)
        }
        code.store(NativeFrame.retired, .r12)
        code.move(.rsi, .rax)
        code.load(.rdi, HostAddress(.rsp, below + NativeFrame.machine))
        code.move(.rax, .rcx)
        code.move(.rcx, .rdx)
        code.move(.rdx, .rax)
        code.loadAddress(.r8, HostAddress(.rsp, below + NativeFrame.value))
        code.loadAddress(.r9, HostAddress(.rsp, below + NativeFrame.key))
        code.arithmetic(.compare, HostAddress(.rsp, below + NativeFrame.hasFloat), constant: 0, 32)
        let withoutFloat = code.jump(.equal)
        code.call(to: saveVectors)
        code.bindHere(withoutFloat)
        code.move(.rax, constant: function)
        code.call(.rax)
        code.arithmetic(.compare, HostAddress(.rsp, below + NativeFrame.hasFloat), constant: 0, 32)
        let stillWithoutFloat = code.jump(.equal)
        code.call(to: restoreVectors)
        code.bindHere(stillWithoutFloat)
        for (index, register) in NativeFrame.callerSaved.enumerated() {
            code.load(register, HostAddress(.rsp, below + NativeFrame.saved + Int32(index) * 8))
        }
        code.load(.r12, NativeFrame.retired)
        code.arithmetic(.add, .rsp, constant: 8)
        code.test(.rax, .rax)
        let failed = code.jump(.notEqual)
        code.returnToCaller()
        code.bindHere(failed)
        code.arithmetic(.add, .rsp, constant: 8)
        code.jump(to: leave)
        return start
    }
}

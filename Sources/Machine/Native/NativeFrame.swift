/// Fixed places of translated code.
///
/// | register | content while translated code runs |
/// |---|---|
/// | R15 | slot file + 128 bytes, so that the general registers and flags are within 8-bit displacements |
/// | R14 | `SystemState` |
/// | R13 | the processor's TLB (`TLB.Layout`) |
/// | R12 | instructions retired, also in `SystemState.retired` whenever Swift code runs |
/// | RAX RCX RDX XMM0 XMM1 | scratch inside one micro-operation |
/// | XMM2-XMM15 | copies of vectors in the slot file, in blocks with floating point |
/// | MXCSR | the host's, or the guest's with all exceptions masked, as the frame's `hasFloat` says |
/// | RBX RBP RSI RDI R8-R11 | slots of the guest and temporaries, nothing at the start of a block |
///
/// RSP is a multiple of 16 and leads to the frame below.
enum NativeFrame {
    static let slotBias = 128

    // Offsets from RSP in blocks; one return address more in thunks.
    /// The machine, as an opaque pointer.
    static let machine: Int32 = 0
    /// RSI RDI R8 R9 R10 R11 while Swift code runs.
    static let saved: Int32 = 8
    /// A 128-bit value to or from Swift code.
    static let value: Int32 = 56
    /// Key of address 0 in the jump cache for the processor's present set and mode.
    static let key: Int32 = 72
    /// `Translator.hiddenCount` words: operands of flags that wait.
    static let hidden: Int32 = 80
    /// 32 bits: 1 while MXCSR is the guest's, else 0.
    static let hasFloat: Int32 = 128
    /// 32 bits: a place for MXCSR on its way.
    static let control: Int32 = 132
    /// 32 bits: the host's MXCSR, while `hasFloat` is 1.
    static let hostControl: Int32 = 136
    /// XMM2-XMM15 while Swift code runs and `hasFloat` is 1.
    static let vectors: Int32 = 144
    /// Size; with six pushed registers and the return address it keeps RSP aligned.
    static let size: UInt64 = 376

    /// Registers that Swift code may change and blocks keep slots in.
    static let callerSaved: [HostRegister] = [.rsi, .rdi, .r8, .r9, .r10, .r11]
    /// Registers that `enter` saves for its caller.
    static let calleeSaved: [HostRegister] = [.rbx, .rbp, .r12, .r13, .r14, .r15]

    static func slot(_ slot: Int) -> HostAddress {
        HostAddress(.r15, Int32(truncatingIfNeeded: slot &* 8 &- slotBias))
    }

    static let retired = HostAddress(.r14, offset(\.retired))
    static let stop = HostAddress(.r14, offset(\.stop))
    static let floatControl = HostAddress(.r14, offset(\.mxcsr))
    static let pendingFlags = HostAddress(.r14, offset(\.pendingFlags))
    static let pendingFlagA = HostAddress(.r14, offset(\.pendingFlagA))
    static let pendingFlagB = HostAddress(.r14, offset(\.pendingFlagB))

    private static func offset(_ path: PartialKeyPath<SystemState>) -> Int32 {
        Int32(truncatingIfNeeded: MemoryLayout<SystemState>.offset(of: path) ?? 0)
    }
}

/// Why translated code came back: the low 8 bits of the result of `NativeCode.enter`.
enum NativeStatus: UInt64 {
    /// Go on at the RIP slot. Bits 8-39: place of the jump to link to the block there, or 0.
    case lookup = 0
    /// Swift code left why in `Machine.nativeFailure`.
    case failed = 1
    /// #DE at the operation in bits 8-31 of the block in bits 32-63.
    case divideError = 2
    /// The terminator in bits 8-31 of the block in bits 32-63 must be carried out.
    case terminator = 3
    /// #GP(0) at the operation in bits 8-31 of the block in bits 32-63.
    case unaligned = 4
    /// The block at the RIP slot computes with floating point, and MXCSR has unmasked exceptions.
    case interpret = 5
}

/// Concrete work of the machine that is not expressed in micro-operations.
///
/// A helper touches the slots and the guest memory that its `HelperEffects` declare, and besides them only concrete system state
/// (control registers, MSRs, segments, x87 and MXCSR, devices). Symbolic execution makes the declared inputs concrete, lets the
/// machine run the helper and takes the outputs as concrete.
///
/// Fields of the micro-operation: `immediate` bits 0-15 the helper, 16-31 `detail`, 32-63 `argument`; `a` and `b` inputs,
/// `destination` the output slot where there is one.
package enum Helper: UInt16, Sendable, CaseIterable {
    // Processor identification, time, random numbers
    /// RAX RBX RCX RDX from leaf RAX, subleaf RCX.
    case cpuid
    /// RDX:RAX = time-stamp counter.
    case readTimeStamp
    /// As above, and RCX = TSC_AUX.
    case readTimeStampAndProcessor
    /// d = TSC_AUX.
    case readProcessorID
    /// d = random number of `detail` bits; sets CF 1 and the other flags 0.
    case readRandom
    /// RDX:RAX = XCR number RCX.
    case readExtendedControl
    /// XCR number RCX = RDX:RAX.
    case writeExtendedControl

    // Model specific and control registers
    case readMSR
    case writeMSR
    /// d = control register `detail`.
    case readControl
    /// Control register `detail` = a.
    case writeControl
    /// d = debug register `detail`.
    case readDebug
    /// Debug register `detail` = a.
    case writeDebug
    case clearTaskSwitched
    /// d = machine status word (low bits of CR0).
    case readMachineStatus
    /// LMSW a.
    case writeMachineStatus
    /// Drop the translation of address a.
    case invalidatePage
    /// INVPCID: type a, descriptor of 16 bytes at address b.
    case invalidateContext
    /// WBINVD, INVD: nothing but the privilege check.
    case writeBackCaches

    // Flags
    /// d = RFLAGS without the arithmetic flags and DF (IF, IOPL, TF, NT, AC, ID ..., bit 1 set).
    case readSystemFlags
    /// Takes the system flags (as the privilege allows) from a; `detail` is the operand size.
    case writeSystemFlags
    case clearInterruptFlag
    case setInterruptFlag
    case clearAccessCheck
    case setAccessCheck

    // Control transfer; all write RIP
    case systemCall
    /// SYSRET; `detail` 64 for the REX.W form.
    case systemReturn
    /// IRETQ (detail 64), IRETD (32); reads the frame at RSP.
    case interruptReturn
    /// Far return, `detail` operand size, `argument` bytes to drop.
    case farReturn
    /// Far jump to offset a in the segment or through the gate b; `detail` operand size.
    case farJump
    /// Far call alike; `argument` the instruction length.
    case farCall
    case systemEnter
    /// SYSEXIT; `detail` 64 for the REX.W form.
    case systemExit
    /// VMCALL, VMMCALL: whatever the hypervisor that the guest believes in answers.
    case hypervisorCall

    // Segmentation
    case swapGS
    /// d = selector of segment register `detail` (0 = ES ... 5 = GS).
    case readSegment
    /// Segment register `detail` = selector a. SS holds interrupts and debug traps back for an instruction, unless `argument` is 1 (LSS).
    case writeSegment
    /// GDTR, IDTR from the 10 bytes (operand size `detail` 64) or 6 bytes (32; 16: a base of 24 bits) at address a.
    case loadGDT
    case loadIDT
    /// GDTR, IDTR to the 10 or 6 bytes at address a.
    case storeGDT
    case storeIDT
    case loadLDT
    case loadTask
    /// d = selector of LDTR, TR.
    case readLDT
    case readTask
    /// LAR, LSL, VERR, VERW of selector a: ZF, and d where there is a result (else d = b).
    case loadAccessRights
    case loadSegmentLimit
    case verifyRead
    case verifyWrite
    /// RDFSBASE and its family: #UD unless CR4.FSGSBASE.
    case requireFSGSBase
    /// Outside of 64-bit mode: `argument` bytes at offset a of segment `detail` bits 0-2 may be read (`SegmentCheck.write`: written),
    /// else #GP(0) or #SS(0).
    case checkSegment
    /// #GP unless address a is canonical (`detail` 0), or aligned to `detail` bytes.
    case requireCanonical

    // Ports
    /// #GP unless port a may be accessed with `detail` bits.
    case checkPort
    /// d = port a, `detail` bits.
    case input
    /// Port a = b, `detail` bits.
    case output

    // Floating point and extended state
    /// FXSAVE to address a; `detail` 1 with REX.W, so 64-bit x87 pointers.
    case fxSave
    case fxRestore
    /// XSAVE (detail 0), XSAVEOPT (1), XSAVEC (2), XSAVES (3) to address a, mask RDX:RAX. Bit 3 of the detail: with REX.W, so 64-bit
    /// x87 pointers.
    case xSave
    /// XRSTOR (detail 0), XRSTORS (3) from address a, mask RDX:RAX; bit 3 alike.
    case xRestore
    /// MXCSR = low 32 bits of a.
    case writeMXCSR
    /// d = MXCSR.
    case readMXCSR
    /// An x87 instruction without memory operand: `argument` = its two opcode bytes.
    case x87Register
    /// An x87 instruction with the memory operand at address a: `argument` = opcode byte and ModRM, `X87MemoryArgument`.
    case x87Memory
    /// #MF when an x87 exception waits, before an MMX instruction; `detail` is 0 or a `MediaCondition`.
    case checkMMX
    /// d = MMX register `detail`.
    case readMMX
    /// MMX register `detail` = a; the x87 stack becomes that of MMX (TOP = 0, all tags valid).
    case writeMMX
    /// Only the change of the x87 stack; `detail` is 0 or a `MediaCondition`.
    case enterMMX
    /// Vector d = floating-point operation `detail` (`FloatForm`) of the vectors a and b; `argument` its immediate byte. The words of a
    /// vector of 256 bits are those at its slot, `high`, `upper` and `upper.high`.
    case vectorFloat
    /// UCOMIS*, COMIS*: ZF PF CF from the low elements of a and b, OF SF AF = 0; `detail` 32 or 64, `argument` 1 when quiet.
    case compareFloat
    /// d = conversion `detail` (`FloatConversion`) of a.
    case convertFloat

    // Vectors
    /// Vector d = integer operation `detail` (`VectorOperation`) of the vectors a and b; `argument` its immediate byte.
    case vectorInteger
    /// PCMPESTRI and its family (`StringComparison`) on the 128-bit vectors a and b: RCX or XMM0, and the flags.
    case compareStrings
    /// Gathers (`GatherForm`). When an element faults, the elements before it are in d and their masks are cleared: a restart goes on.
    case gather
    /// Vector d = elements at address a whose mask (top bit of the element of vector b) is set, others 0; `detail` is the bytes of an
    /// element, bit 8 says 256 bits.
    case maskedLoad
    /// The elements of vector d whose mask is set to address a; all or none. Elements have 1, 4 or 8 bytes.
    case maskedStore
    /// VZEROUPPER, VZEROALL (detail 1).
    case clearVectors

    // Others
    /// MONITOR of address a: checks only.
    case monitor
    /// MWAIT: checks only; it never waits, as it may end at any time.
    case monitorWait
    /// RDPMC: RDX:RAX = 0.
    case readPerformanceCounter
    /// RDPKRU: RAX = PKRU, RDX = 0.
    case readProtectionKeys
    /// WRPKRU: PKRU = RAX.
    case writeProtectionKeys
}

/// A range of guest memory that a helper reads or writes.
package struct MemoryEffect: Sendable, Hashable {
    /// Slot with the virtual address.
    package let address: Slot
    /// Bytes to add to the address.
    package let displacement: Int64
    package let byteCount: Int
    package let isWrite: Bool
}

/// Everything that one helper operation reads and writes, system state excepted.
package struct HelperEffects: Sendable {
    package var reads: [Slot] = []
    package var writes: [Slot] = []
    package var memory: [MemoryEffect] = []
    package var mayFault = false
    /// The helper may also touch memory at addresses that are not known before: a stack, descriptor tables and the TSS, elements that
    /// masks or indices choose.
    package var usesSystemMemory = false
}

extension MicroOp {
    /// The helper of a `.helper` operation.
    @inlinable
    package var helper: Helper? { Helper(rawValue: UInt16(truncatingIfNeeded: immediate)) }
    /// Bits 16-31 of the immediate field.
    @inlinable
    package var detail: Int { Int((immediate >> 16) & 0xFFFF) }
    /// Bits 32-63 of the immediate field.
    @inlinable
    package var argument: Int { Int(immediate >> 32) }

    /// A helper operation.
    package static func helper(
        _ helper: Helper, destination: Slot = .zero, a: Slot = .zero, b: Slot = .zero, detail: Int = 0,
        argument: Int = 0
    ) -> MicroOp {
        MicroOp(
            .helper, destination: destination, a: a, b: b,
            immediate: UInt64(helper.rawValue) | UInt64(UInt16(truncatingIfNeeded: detail)) << 16
                | UInt64(UInt32(truncatingIfNeeded: argument)) << 32)
    }
}

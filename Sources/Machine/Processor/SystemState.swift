import X86

/// The part of a processor that is always concrete and not in the slot file.
package struct SystemState {
    /// RFLAGS without the flags that live in slots (`RFlags.inSlots`).
    package var systemFlags: UInt64 = RFlags.reserved1
    /// ES CS SS DS FS GS; the bases in use are those in the slot file.
    package var segments = InlineArray<6, SegmentState>(repeating: SegmentState())
    package var localDescriptorTable = SegmentState()
    package var task = SegmentState()
    package var globalDescriptorTable = DescriptorTableState()
    package var interruptDescriptorTable = DescriptorTableState()
    package var cr0: UInt64 = 0
    package var cr2: UInt64 = 0
    package var cr3: UInt64 = 0
    package var cr4: UInt64 = 0
    package var cr8: UInt64 = 0
    package var xcr0: UInt64 = 1
    package var debug = InlineArray<8, UInt64>(repeating: 0)
    package var privilegeLevel = 0

    package var controlWord: UInt16 = 0x37F
    package var statusWord: UInt16 = 0
    package var emptyTags: UInt8 = 0xFF
    package var lastOpcode: UInt16 = 0
    package var lastInstruction: UInt64 = 0
    package var lastData: UInt64 = 0
    package var floatRegisters = InlineArray<8, ExtendedFloat>(repeating: ExtendedFloat())
    package var mxcsr: UInt32 = 0x1F80
    /// PKRU.
    package var protectionKeys: UInt32 = 0

    /// What DR7 asks for, in short: data breakpoints, instruction breakpoints, breakpoints at ports (`Processor.breakpointsChanged`).
    var watchesData = false
    var watchesCode = false
    var watchesPorts = false
    /// Bits of DR6 that a debug trap reports when the next one is taken.
    var pendingDebug: UInt64 = 0
    /// Count of `retired` behind a load of SS, where no debug trap is taken.
    var debugShadow: UInt64 = .max
    /// RFLAGS.TF counts as the instruction leaves it: SYSCALL and SYSRET (AMD APM volume 2, 13.1.4).
    var checksTrapAfterwards = false

    package var efer: UInt64 = 0
    package var star: UInt64 = 0
    package var lstar: UInt64 = 0
    package var cstar: UInt64 = 0
    package var syscallMask: UInt64 = 0
    package var kernelGSBase: UInt64 = 0
    package var sysenterCS: UInt64 = 0
    package var sysenterESP: UInt64 = 0
    package var sysenterEIP: UInt64 = 0
    /// Time-stamp counter when `retired` was 0.
    package var timeStampBase: UInt64 = 0
    package var timeStampAux: UInt64 = 0
    package var timeStampAdjust: UInt64 = 0
    package var pat: UInt64 = 0x0007_0406_0007_0406
    package var apicBase: UInt64 = 0xFEE0_0900
    package var miscEnable: UInt64 = 1
    package var mtrrDefaultType: UInt64 = 0
    package var otherMSRs: [UInt32: UInt64] = [:]

    /// Instructions retired since the machine was loaded; each iteration of a repeated string instruction counts.
    package var retired: UInt64 = 0
    /// The run loop comes back when `retired` reaches this. What lets an interrupt in, or sets a timer, lowers it.
    package var stop: UInt64 = .max
    /// What `stop` was before the mode changed: the run loop puts it back and goes on.
    var heldStop: UInt64?
    /// Count of `retired` at which no interrupt is taken: the boundary behind STI or a load of SS.
    var interruptShadow: UInt64 = .max
    /// Virtual nanoseconds when `retired` was 0, moved on by waiting.
    var timeBase: UInt64 = 0
    /// While translated code runs: the operation whose flags the flag slots lack, its operands, and 0 when there is none
    /// (`Processor.settleFlags`).
    var pendingFlags: UInt32 = 0
    var pendingFlagA: UInt64 = 0
    var pendingFlagB: UInt64 = 0
    /// State of the random number generator behind RDRAND and RDSEED.
    package var randomState: UInt64 = 0

    /// Joins the key of the next-block cache: 0 in 64-bit mode; see `Processor.modeChanged`.
    var modeKey: UInt64 = 0
    /// Mode, segments and code base that the cached blocks of legacy code belong to.
    var modeToken: UInt64 = 0

    /// Begins a run up to a count of retired instructions.
    mutating func setStop(_ count: UInt64) {
        stop = count
        heldStop = nil
    }
}

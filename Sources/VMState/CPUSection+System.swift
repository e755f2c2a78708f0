private typealias Offset = CPULayout.Offset

extension CPUSection {
    /// Control register 0.
    package var cr0: UInt64 {
        get { load(Offset.cr0) }
        set { store(newValue, Offset.cr0) }
    }

    /// Address of the last page fault.
    package var cr2: UInt64 {
        get { load(Offset.cr2) }
        set { store(newValue, Offset.cr2) }
    }

    /// Physical address of the page tables, with PCID or cache bits.
    package var cr3: UInt64 {
        get { load(Offset.cr3) }
        set { store(newValue, Offset.cr3) }
    }

    /// Control register 4.
    package var cr4: UInt64 {
        get { load(Offset.cr4) }
        set { store(newValue, Offset.cr4) }
    }

    /// MSR C0000080: SCE 0, LME 8, LMA 10, NXE 11, SVME 12.
    package var efer: UInt64 {
        get { load(Offset.efer) }
        set { store(newValue, Offset.efer) }
    }

    /// MSR C0000081: segments of SYSCALL and SYSRET.
    package var star: UInt64 {
        get { load(Offset.star) }
        set { store(newValue, Offset.star) }
    }

    /// MSR C0000082: target of SYSCALL in 64-bit mode.
    package var lstar: UInt64 {
        get { load(Offset.lstar) }
        set { store(newValue, Offset.lstar) }
    }

    /// MSR C0000083: target of SYSCALL in compatibility mode.
    package var cstar: UInt64 {
        get { load(Offset.cstar) }
        set { store(newValue, Offset.cstar) }
    }

    /// MSR C0000084: flags that SYSCALL clears.
    package var fmask: UInt64 {
        get { load(Offset.fmask) }
        set { store(newValue, Offset.fmask) }
    }

    /// MSR C0000102: what SWAPGS puts into the base of GS.
    package var kernelGSBase: UInt64 {
        get { load(Offset.kernelGSBase) }
        set { store(newValue, Offset.kernelGSBase) }
    }

    /// MSR 174.
    package var sysenterCS: UInt32 {
        get { load(Offset.sysenterCS) }
        set { store(newValue, Offset.sysenterCS) }
    }

    /// MSR 175.
    package var sysenterESP: UInt64 {
        get { load(Offset.sysenterESP) }
        set { store(newValue, Offset.sysenterESP) }
    }

    /// MSR 176.
    package var sysenterEIP: UInt64 {
        get { load(Offset.sysenterEIP) }
        set { store(newValue, Offset.sysenterEIP) }
    }

    /// MSR 277: page attribute table.
    package var pat: UInt64 {
        get { load(Offset.pat) }
        set { store(newValue, Offset.pat) }
    }

    /// Base of the SMM state.
    package var smbase: UInt32 {
        get { load(Offset.smbase) }
        set { store(newValue, Offset.smbase) }
    }

    /// Mask that physical addresses go through: -1 with A20 on, ~(1 << 20) with A20 off.
    package var a20Mask: Int32 {
        get { load(Offset.a20Mask) }
        set { store(newValue, Offset.a20Mask) }
    }

    /// Time stamp counter as KVM saved it; TCG ignores it (see `timer.cpu_ticks_offset`).
    package var tsc: UInt64 {
        get { load(Offset.tsc) }
        set { store(newValue, Offset.tsc) }
    }

    /// What TCG adds to the machine's tick counter for this CPU's time stamp counter.
    package var tscOffset: UInt64 {
        get { load(Offset.tscOffset) }
        set { store(newValue, Offset.tscOffset) }
    }

    /// MSR C0000103: what RDTSCP and RDPID return.
    package var tscAux: UInt64 {
        get { load(Offset.tscAux) }
        set { store(newValue, Offset.tscAux) }
    }

    /// Extended control register 0.
    package var xcr0: UInt64 {
        get { load(Offset.xcr0) }
        set { store(newValue, Offset.xcr0) }
    }

    /// State components in use (XSTATE_BV).
    package var xstateBV: UInt64 {
        get { load(Offset.xstateBV) }
        set { store(newValue, Offset.xstateBV) }
    }

    /// KVM's system time MSR; bit 0: kvmclock is on.
    package var systemTimeMSR: UInt64 {
        get { load(Offset.systemTimeMSR) }
        set { store(newValue, Offset.systemTimeMSR) }
    }

    /// KVM's wall clock MSR.
    package var wallClockMSR: UInt64 {
        get { load(Offset.wallClockMSR) }
        set { store(newValue, Offset.wallClockMSR) }
    }

    /// MSR 2FF.
    package var mtrrDefaultType: UInt64 {
        get { load(Offset.mtrrDefaultType) }
        set { store(newValue, Offset.mtrrDefaultType) }
    }

    /// MSR 179: machine check capabilities.
    package var mcgCap: UInt64 {
        get { load(Offset.mcgCap) }
        set { store(newValue, Offset.mcgCap) }
    }

    /// MSR 17A.
    package var mcgStatus: UInt64 {
        get { load(Offset.mcgStatus) }
        set { store(newValue, Offset.mcgStatus) }
    }

    /// MSR 17B.
    package var mcgControl: UInt64 {
        get { load(Offset.mcgControl) }
        set { store(newValue, Offset.mcgControl) }
    }

    /// Vector of an interrupt on its way into the guest (KVM), or -1.
    package var interruptInjected: Int32 {
        get { load(Offset.interruptInjected) }
        set { store(newValue, Offset.interruptInjected) }
    }

    /// Exception on its way into the guest (KVM), or -1.
    package var exceptionNumber: Int32 {
        get { load(Offset.exceptionNumber) }
        set { store(newValue, Offset.exceptionNumber) }
    }

    /// KVM's run state: 0 runnable, 1 uninitialised, 2 INIT received, 3 halted, 4 SIPI received.
    package var mpState: UInt32 {
        get { load(Offset.mpState) }
        set { store(newValue, Offset.mpState) }
    }

    /// Vector of a start-up interrupt that was received.
    package var sipiVector: UInt32 {
        get { load(Offset.sipiVector) }
        set { store(newValue, Offset.sipiVector) }
    }

    /// An NMI is on its way into the guest (KVM).
    package var nmiInjected: UInt8 {
        get { load(Offset.nmiInjected) }
        set { store(newValue, Offset.nmiInjected) }
    }

    /// An NMI waits (KVM).
    package var nmiPending: UInt8 {
        get { load(Offset.nmiPending) }
        set { store(newValue, Offset.nmiPending) }
    }

    /// PKRU; 0 without its subsection, which QEMU writes for other values.
    package var protectionKeys: UInt32 {
        (try? unsigned("\(Self.protectionKeysSubsection).\(Self.protectionKeysField)")).map {
            UInt32(truncatingIfNeeded: $0)
        } ?? 0
    }

    /// Name of the subsection with PKRU, and of its field.
    package static let protectionKeysSubsection = "cpu/pkru"
    package static let protectionKeysField = "env.pkru"

    /// DR0 to DR7.
    package var debugRegisters: [UInt64] { (0..<8).map { load(Offset.debugRegisters + 8 * $0) } }

    /// Overwrites a debug register.
    package mutating func setDebugRegister(_ number: Int, to value: UInt64) {
        guard (0..<8).contains(number) else { return }
        store(value, Offset.debugRegisters + 8 * number)
    }

    /// MSR 250, 258, 259, 268...26F.
    package var mtrrFixed: [UInt64] { (0..<11).map { load(Offset.mtrrFixed + 8 * $0) } }

    /// Base and mask of the eight variable ranges (MSR 200...20F).
    package var mtrrVariable: [(base: UInt64, mask: UInt64)] {
        (0..<8).map { (load(Offset.mtrrVariable + 16 * $0), load(Offset.mtrrVariable + 16 * $0 + 8)) }
    }
}

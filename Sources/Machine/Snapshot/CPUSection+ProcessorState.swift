import VMState
import X86

extension CPUSection {
    /// Overwrites the section with an architectural state, so that QEMU goes on with it. Subsections that are there are kept up to date;
    /// what the state needs beside is in ``MigrationStream/addSubsections(_:deadline:ofProcessor:)``.
    mutating func store(_ state: ProcessorState) throws(VMStateError) {
        for (register, value) in zip(GeneralRegister.allCases, state.general) { self[register] = value }
        rip = state.rip
        rflags = state.rflags
        for register in VMState.SegmentRegister.allCases where register.rawValue < state.segments.count {
            self[register] = Self.segment(state.segments[register.rawValue])
        }
        ldt = Self.segment(state.localDescriptorTable)
        tr = Self.segment(state.task)
        var table = gdt
        table.base = state.globalDescriptorTable.base
        table.limit = UInt32(state.globalDescriptorTable.limit)
        gdt = table
        table = idt
        table.base = state.interruptDescriptorTable.base
        table.limit = UInt32(state.interruptDescriptorTable.limit)
        idt = table
        cr0 = state.cr0
        cr2 = state.cr2
        cr3 = state.cr3
        cr4 = state.cr4
        xcr0 = state.xcr0
        efer = state.efer
        star = state.star
        lstar = state.lstar
        cstar = state.cstar
        fmask = state.syscallMask
        kernelGSBase = state.kernelGSBase
        sysenterCS = UInt32(truncatingIfNeeded: state.sysenterCS)
        sysenterESP = state.sysenterESP
        sysenterEIP = state.sysenterEIP
        tsc = state.timeStampCounter
        tscAux = state.timeStampAux
        pat = state.pat
        mtrrDefaultType = state.mtrrDefaultType
        if let value = state.otherMSRs[ParavirtualMSR.systemTime] { systemTimeMSR = value }
        if let value = state.otherMSRs[ParavirtualMSR.wallClock] { wallClockMSR = value }
        for (number, value) in state.debug.enumerated() { setDebugRegister(number, to: value) }
        storeFloatingPoint(state)
        hflags = state.hiddenFlags
        hflags2 = state.hiddenFlags2
        try storeRegisters(state)
        if hasSubsection(Self.protectionKeysSubsection) {
            try set("\(Self.protectionKeysSubsection).\(Self.protectionKeysField)", to: UInt64(state.protectionKeys))
        }
    }

    private static func segment(_ state: X86.SegmentState) -> VMState.SegmentState {
        VMState.SegmentState(
            selector: UInt32(state.selector), base: state.base, limit: state.limit, flags: state.attributes)
    }

    private mutating func storeFloatingPoint(_ state: ProcessorState) {
        let float = state.floatingPoint
        fpuControl = float.controlWord
        fpuStatus = float.statusWord
        fpuTag = UInt16(~float.emptyTags)
        for (index, register) in float.registers.enumerated() {
            setFPURegister(
                index, to: FPURegister(mantissa: register.significand, signExponent: register.signAndExponent))
        }
        mxcsr = float.mxcsr
        for register in 0..<16 {
            let words = state.vectors[register * 4..<register * 4 + 4].map { $0 }
            setXMM(register, to: VectorLane(low: words[0], high: words[1]))
            setYMMHigh(register, to: VectorLane(low: words[2], high: words[3]))
        }
    }
}

extension ProcessorState {
    /// QEMU's `hflags`: what TCG derives from the state for its translation (bit numbers from QEMU's `target/i386/cpu.h`).
    var hiddenFlags: UInt32 {
        let long = efer & EFER.longModeActive != 0
        let code = segments[1]
        let stack = segments[2]
        var flags = UInt32(privilegeLevel)
        func set(_ bit: Int, _ condition: Bool) { if condition { flags |= 1 << UInt32(bit) } }
        let protected = cr0 & CR0.protectionEnable != 0
        let virtual = rflags & RFlags.virtual8086 != 0
        let is64 = long && code.isLong
        set(4, is64 || code.isBig)
        set(5, is64 || stack.isBig)
        // ADDSEG: a data segment has a base, or the mode always adds one.
        set(6, !is64 && (!protected || virtual || !code.isBig || [0, 2, 3].contains { segments[$0].base != 0 }))
        set(7, protected)
        set(8, rflags & RFlags.trap != 0)
        flags |= UInt32(truncatingIfNeeded: cr0 & 0xE) << 8
        flags |= UInt32(truncatingIfNeeded: rflags & RFlags.privilegeLevel)
        set(14, long)
        set(15, is64)
        set(16, rflags & RFlags.resume != 0)
        set(17, virtual)
        set(18, rflags & RFlags.alignmentCheck != 0)
        set(20, efer & (1 << 12) != 0)
        set(22, cr4 & CR4.fxSave != 0)
        set(23, cr4 & CR4.supervisorAccessPrevention != 0)
        set(27, cr4 & CR4.userModeInstructionPrevention != 0)
        set(28, cr4 & CR4.xSave != 0 && xcr0 & 6 == 6)
        return flags
    }

    /// QEMU's `hflags2`: the global interrupt flag of SVM is on, and NMIs may be blocked.
    var hiddenFlags2: UInt32 { 1 | (blocksNonMaskable ? 4 : 0) }
}

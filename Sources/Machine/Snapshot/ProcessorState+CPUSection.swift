import VMState
import X86

extension ProcessorState {
    /// The state of a CPU as a migration stream has it (QEMU, target/i386/machine.c, section `cpu` version 12).
    ///
    /// - Parameters:
    ///   - timeStamp: the guest's time-stamp counter; who ran the guest decides where the stream keeps it.
    ///   - apicBase: MSR IA32_APIC_BASE, which is in the section `apic`.
    ///   - isHalted: the field `halted` of the section `cpu_common`.
    package init(_ cpu: CPUSection, timeStamp: UInt64, apicBase: UInt64, isHalted: Bool) {
        self.init()
        general = cpu.generalRegisters
        rip = cpu.rip
        rflags = cpu.rflags
        segments = SegmentRegister.allCases.map { Self.segment(cpu[$0]) }
        localDescriptorTable = Self.segment(cpu.ldt)
        task = Self.segment(cpu.tr)
        globalDescriptorTable = Self.table(cpu.gdt)
        interruptDescriptorTable = Self.table(cpu.idt)
        cr0 = cpu.cr0
        cr2 = cpu.cr2
        cr3 = cpu.cr3
        cr4 = cpu.cr4
        xcr0 = cpu.xcr0
        debug = cpu.debugRegisters
        floatingPoint.controlWord = cpu.fpuControl
        floatingPoint.statusWord = cpu.fpuStatus
        floatingPoint.emptyTags = ~UInt8(truncatingIfNeeded: cpu.fpuTag)
        floatingPoint.registers = cpu.fpuRegisters.map {
            ExtendedFloat(significand: $0.mantissa, signAndExponent: $0.signExponent)
        }
        floatingPoint.mxcsr = cpu.mxcsr
        vectors = zip(cpu.xmm, cpu.ymmHigh).flatMap { [$0.low, $0.high, $1.low, $1.high] }
        efer = cpu.efer
        star = cpu.star
        lstar = cpu.lstar
        cstar = cpu.cstar
        syscallMask = cpu.fmask
        kernelGSBase = cpu.kernelGSBase
        sysenterCS = UInt64(cpu.sysenterCS)
        sysenterESP = cpu.sysenterESP
        sysenterEIP = cpu.sysenterEIP
        timeStampCounter = timeStamp
        timeStampAux = cpu.tscAux
        pat = cpu.pat
        self.apicBase = apicBase
        mtrrDefaultType = cpu.mtrrDefaultType
        self.isHalted = isHalted
    }

    private static func segment(_ state: VMState.SegmentState) -> X86.SegmentState {
        X86.SegmentState(
            selector: UInt16(truncatingIfNeeded: state.selector), base: state.base, limit: state.limit,
            attributes: state.flags)
    }

    private static func table(_ state: VMState.SegmentState) -> DescriptorTableState {
        DescriptorTableState(base: state.base, limit: UInt16(truncatingIfNeeded: state.limit))
    }
}

import VMState
import X86

extension ProcessorState {
    /// The processor that a snapshot's `cpu` section describes.
    ///
    /// - Parameters:
    ///   - cpu: the section.
    ///   - stream: the stream around it: TCG keeps the time-stamp counter in the `timer` section and HLT in `cpu_common`.
    package init(_ cpu: CPUSection, in stream: MigrationStream) throws(MachineError) {
        self.init()
        general = cpu.generalRegisters
        rip = cpu.rip
        rflags = cpu.rflags
        segments = VMState.SegmentRegister.allCases.sorted { $0.rawValue < $1.rawValue }.map {
            Self.segment(cpu[$0])
        }
        localDescriptorTable = Self.segment(cpu.ldt)
        task = Self.segment(cpu.tr)
        globalDescriptorTable = DescriptorTableState(
            base: cpu.gdt.base, limit: UInt16(truncatingIfNeeded: cpu.gdt.limit))
        interruptDescriptorTable = DescriptorTableState(
            base: cpu.idt.base, limit: UInt16(truncatingIfNeeded: cpu.idt.limit))
        cr0 = cpu.cr0
        cr2 = cpu.cr2
        cr3 = cpu.cr3
        cr4 = cpu.cr4
        xcr0 = cpu.xcr0
        debug = cpu.debugRegisters
        efer = cpu.efer
        star = cpu.star
        lstar = cpu.lstar
        cstar = cpu.cstar
        syscallMask = cpu.fmask
        kernelGSBase = cpu.kernelGSBase
        sysenterCS = UInt64(cpu.sysenterCS)
        sysenterESP = cpu.sysenterESP
        sysenterEIP = cpu.sysenterEIP
        timeStampAux = cpu.tscAux
        pat = cpu.pat
        mtrrDefaultType = cpu.mtrrDefaultType
        // KVM keeps the counter in the section; TCG derives it from the virtual clock's ticks, and leaves the section's
        // field as it was loaded.
        let ticks = (try? stream.device("timer")?.unsigned("cpu_ticks_offset")) ?? 0
        timeStampCounter = stream.device("kvmclock") != nil ? cpu.tsc : ticks &+ cpu.tscOffset
        if let base = try? stream.device("apic", cpu.index)?.unsigned("apicbase") { apicBase = base }
        isHalted = ((try? stream.device("cpu_common", cpu.index)?.unsigned("halted")) ?? 0) != 0
        loadFloatingPoint(cpu)
        protectionKeys = cpu.protectionKeys
        cpu.loadRegisters(&self)
        // KVM's MSRs of paravirtual time are kept like any MSR.
        otherMSRs[0x4B56_4D01] = cpu.systemTimeMSR
        otherMSRs[0x4B56_4D00] = cpu.wallClockMSR
    }

    private static func segment(_ state: VMState.SegmentState) -> X86.SegmentState {
        X86.SegmentState(
            selector: UInt16(truncatingIfNeeded: state.selector), base: state.base, limit: state.limit,
            attributes: state.flags & 0x00F0_FF00)
    }

    private mutating func loadFloatingPoint(_ cpu: CPUSection) {
        floatingPoint.controlWord = cpu.fpuControl
        floatingPoint.statusWord = cpu.fpuStatus
        floatingPoint.emptyTags = ~UInt8(truncatingIfNeeded: cpu.fpuTag)
        floatingPoint.registers = cpu.fpuRegisters.map {
            ExtendedFloat(significand: $0.mantissa, signAndExponent: $0.signExponent)
        }
        floatingPoint.mxcsr = cpu.mxcsr
        let low = cpu.xmm
        let high = cpu.ymmHigh
        for register in 0..<16 where register < low.count && register < high.count {
            vectors[register * 4] = low[register].low
            vectors[register * 4 + 1] = low[register].high
            vectors[register * 4 + 2] = high[register].low
            vectors[register * 4 + 3] = high[register].high
        }
    }
}

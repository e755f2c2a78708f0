import X86

extension Processor {
    /// Loads an architectural state.
    ///
    /// The mode is not judged here: running in a mode that the engine lacks ends with `Exit.unsupportedMode`.
    package func load(_ state: ProcessorState) throws(MachineError) {
        guard state.general.count == 16, state.segments.count == 6, state.debug.count == 8,
            state.vectors.count == 64, state.floatingPoint.registers.count == 8
        else {
            throw MachineError(
                .unsupportedState,
                "the processor state has register lists of the wrong length; this is a loader's mistake")
        }
        for index in 0..<16 { slots[index] = state.general[index] }
        self[.rip] = state.rip
        rflags = state.rflags
        for index in 0..<6 {
            system.pointee.segments[index] = state.segments[index]
            self[.segmentBase(index)] = state.segments[index].base
        }
        for register in 0..<16 {
            let words = state.vectors[register * 4..<register * 4 + 4]
            self[.xmm(register)] = words[words.startIndex]
            self[.xmm(register).high] = words[words.startIndex + 1]
            self[.ymmUpper(register)] = words[words.startIndex + 2]
            self[.ymmUpper(register).high] = words[words.startIndex + 3]
        }
        var next = SystemState()
        next.systemFlags = system.pointee.systemFlags
        next.segments = system.pointee.segments
        next.localDescriptorTable = state.localDescriptorTable
        next.task = state.task
        next.globalDescriptorTable = state.globalDescriptorTable
        next.interruptDescriptorTable = state.interruptDescriptorTable
        next.cr0 = state.cr0
        next.cr2 = state.cr2
        next.cr3 = state.cr3
        next.cr4 = state.cr4
        next.cr8 = state.cr8
        next.xcr0 = state.xcr0 | 1
        for index in 0..<8 { next.debug[index] = state.debug[index] }
        next.privilegeLevel = state.cr0 & CR0.protectionEnable == 0 ? 0 : state.privilegeLevel
        let float = state.floatingPoint
        next.controlWord = float.controlWord
        next.statusWord = float.statusWord
        next.emptyTags = float.emptyTags
        next.lastOpcode = float.lastOpcode
        next.lastInstruction = float.lastInstruction
        next.lastData = float.lastData
        for index in 0..<8 { next.floatRegisters[index] = float.registers[index] }
        next.mxcsr = float.mxcsr
        next.protectionKeys = state.protectionKeys
        next.efer = state.efer
        next.star = state.star
        next.lstar = state.lstar
        next.cstar = state.cstar
        next.syscallMask = state.syscallMask
        next.kernelGSBase = state.kernelGSBase
        next.sysenterCS = state.sysenterCS
        next.sysenterESP = state.sysenterESP
        next.sysenterEIP = state.sysenterEIP
        next.timeStampBase = state.timeStampCounter
        next.timeStampAux = state.timeStampAux
        next.timeStampAdjust = state.timeStampAdjust
        next.pat = state.pat
        next.apicBase = state.apicBase
        next.miscEnable = state.miscEnable
        next.mtrrDefaultType = state.mtrrDefaultType
        next.otherMSRs = state.otherMSRs
        system.pointee = next
        isHalted = state.isHalted
        blocksNonMaskable = state.blocksNonMaskable
        tlb.flush()
        breakpointsChanged()
        modeChanged()
    }

    /// The architectural state as a value. The time-stamp counter is the one of virtual time 0: see `Machine.state(ofProcessor:)`.
    package func save() -> ProcessorState {
        var state = ProcessorState()
        let current = system.pointee
        for index in 0..<16 { state.general[index] = slots[index] }
        state.rip = self[.rip]
        state.rflags = rflags
        for index in 0..<6 {
            state.segments[index] = current.segments[index]
            state.segments[index].base = self[.segmentBase(index)]
        }
        for register in 0..<16 {
            state.vectors[register * 4] = self[.xmm(register)]
            state.vectors[register * 4 + 1] = self[.xmm(register).high]
            state.vectors[register * 4 + 2] = self[.ymmUpper(register)]
            state.vectors[register * 4 + 3] = self[.ymmUpper(register).high]
        }
        state.localDescriptorTable = current.localDescriptorTable
        state.task = current.task
        state.globalDescriptorTable = current.globalDescriptorTable
        state.interruptDescriptorTable = current.interruptDescriptorTable
        state.cr0 = current.cr0
        state.cr2 = current.cr2
        state.cr3 = current.cr3
        state.cr4 = current.cr4
        state.cr8 = current.cr8
        state.xcr0 = current.xcr0
        for index in 0..<8 { state.debug[index] = current.debug[index] }
        state.floatingPoint.controlWord = current.controlWord
        state.floatingPoint.statusWord = current.statusWord
        state.floatingPoint.emptyTags = current.emptyTags
        state.floatingPoint.lastOpcode = current.lastOpcode
        state.floatingPoint.lastInstruction = current.lastInstruction
        state.floatingPoint.lastData = current.lastData
        for index in 0..<8 { state.floatingPoint.registers[index] = current.floatRegisters[index] }
        state.floatingPoint.mxcsr = current.mxcsr
        state.protectionKeys = current.protectionKeys
        state.efer = current.efer
        state.star = current.star
        state.lstar = current.lstar
        state.cstar = current.cstar
        state.syscallMask = current.syscallMask
        state.kernelGSBase = current.kernelGSBase
        state.sysenterCS = current.sysenterCS
        state.sysenterESP = current.sysenterESP
        state.sysenterEIP = current.sysenterEIP
        state.timeStampCounter = current.timeStampBase
        state.timeStampAux = current.timeStampAux
        state.timeStampAdjust = current.timeStampAdjust
        state.pat = current.pat
        state.apicBase = current.apicBase
        state.miscEnable = current.miscEnable
        state.mtrrDefaultType = current.mtrrDefaultType
        state.otherMSRs = current.otherMSRs
        state.isHalted = isHalted
        state.blocksNonMaskable = blocksNonMaskable
        return state
    }
}

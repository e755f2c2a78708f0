extension MicroOp {
    /// Slots and guest memory that this helper operation reads and writes. Empty for other operations.
    package var helperEffects: HelperEffects {
        guard operation == .helper, let helper else { return HelperEffects() }
        var effects = HelperEffects()
        switch helper {
        case .cpuid:
            effects.reads = [.rax, .rcx]
            effects.writes = [.rax, .rbx, .rcx, .rdx]
        case .readTimeStamp:
            effects.writes = [.rax, .rdx]
            effects.mayFault = true
        case .readTimeStampAndProcessor:
            effects.writes = [.rax, .rdx, .rcx]
            effects.mayFault = true
        case .readProcessorID, .readMXCSR:
            effects.writes = [destination]
        case .readMachineStatus:
            effects.writes = [destination]
            effects.mayFault = true
        case .readRandom:
            effects.writes = [destination] + Slot.arithmeticFlags
        case .readExtendedControl, .readMSR:
            effects.reads = [.rcx]
            effects.writes = [.rax, .rdx]
            effects.mayFault = true
        case .writeExtendedControl:
            effects.reads = [.rcx, .rax, .rdx]
            effects.mayFault = true
        case .writeMSR:
            effects.reads = [.rcx, .rax, .rdx]
            effects.writes = [.fsBase, .gsBase]
            effects.mayFault = true
        case .readControl, .readDebug, .readSegment, .readLDT, .readTask:
            effects.writes = [destination]
            effects.mayFault = true
        case .writeControl, .writeDebug, .writeMachineStatus, .invalidatePage, .writeSystemFlags, .requireCanonical,
            .writeMXCSR, .loadLDT, .loadTask, .checkSegment, .checkPort:
            effects.reads = [a]
            effects.mayFault = true
            effects.usesSystemMemory = helper == .loadLDT || helper == .loadTask
        case .clearTaskSwitched, .writeBackCaches, .clearInterruptFlag, .setInterruptFlag, .clearAccessCheck,
            .setAccessCheck, .requireFSGSBase:
            effects.mayFault = true
        case .monitor:
            effects.reads = [a, .rcx]
            effects.mayFault = true
        case .monitorWait:
            effects.reads = [.rcx]
            effects.mayFault = true
        case .readPerformanceCounter:
            effects.reads = [.rcx]
            effects.writes = [.rax, .rdx]
            effects.mayFault = true
        case .readSystemFlags:
            effects.writes = [destination]
            effects.mayFault = true
        case .invalidateContext:
            effects.reads = [a, b]
            effects.memory = [MemoryEffect(address: b, displacement: 0, byteCount: 16, isWrite: false)]
            effects.mayFault = true
        case .readProtectionKeys:
            effects.reads = [.rcx]
            effects.writes = [.rax, .rdx]
            effects.mayFault = true
        case .writeProtectionKeys:
            effects.reads = [.rax, .rcx, .rdx]
            effects.mayFault = true
        case .systemCall:
            effects.reads = [.rip] + Slot.arithmeticFlags + [.df]
            effects.writes = [.rip, .rcx, .r11] + Slot.arithmeticFlags + [.df, .csBase, .ssBase]
            effects.mayFault = true
        case .systemReturn:
            effects.reads = [.rcx, .r11]
            effects.writes = [.rip] + Slot.arithmeticFlags + [.df, .csBase, .ssBase]
            effects.mayFault = true
        case .interruptReturn:
            effects.reads = [.rsp]
            effects.writes = [.rip, .rsp] + Slot.arithmeticFlags + [.df] + (0..<6).map(Slot.segmentBase)
            effects.memory = [
                MemoryEffect(address: .rsp, displacement: 0, byteCount: detail / 8 * 5, isWrite: false)
            ]
            effects.mayFault = true
            effects.usesSystemMemory = true
        case .farReturn:
            effects.reads = [.rsp]
            effects.writes = [.rip, .rsp] + (0..<6).map(Slot.segmentBase)
            effects.memory = [
                MemoryEffect(address: .rsp, displacement: 0, byteCount: detail / 8 * 4, isWrite: false)
            ]
            effects.mayFault = true
            effects.usesSystemMemory = true
        case .farJump, .farCall:
            effects.reads = helper == .farCall ? [a, b, .rsp, .rip] : [a, b]
            effects.writes = helper == .farCall ? [.rip, .rsp, .csBase, .ssBase] : [.rip, .csBase]
            if helper == .farCall {
                effects.memory.append(
                    MemoryEffect(
                        address: .rsp, displacement: Int64(-detail / 4), byteCount: detail / 4, isWrite: true))
            }
            effects.mayFault = true
            effects.usesSystemMemory = true
        case .systemEnter:
            effects.writes = [.rip, .rsp, .csBase, .ssBase]
            effects.mayFault = true
        case .systemExit:
            effects.reads = [.rcx, .rdx]
            effects.writes = [.rip, .rsp, .csBase, .ssBase]
            effects.mayFault = true
        case .hypervisorCall:
            effects.reads = [.rax, .rbx, .rcx, .rdx, .rsi, .rdi]
            effects.writes = [.rax]
            effects.mayFault = true
            effects.usesSystemMemory = true
        case .checkMMX:
            effects.mayFault = true
        case .readMMX:
            effects.writes = [destination]
        case .writeMMX:
            effects.reads = [a]
        case .enterMMX: break
        case .swapGS:
            effects.reads = [.gsBase]
            effects.writes = [.gsBase]
            effects.mayFault = true
        case .writeSegment:
            effects.reads = [a]
            effects.writes = [.segmentBase(min(detail, 5))]
            effects.mayFault = true
            effects.usesSystemMemory = true
        case .loadGDT, .loadIDT, .storeGDT, .storeIDT:
            effects.reads = [a]
            effects.memory = [
                MemoryEffect(
                    address: a, displacement: 0, byteCount: detail == 64 ? 10 : 6,
                    isWrite: helper == .storeGDT || helper == .storeIDT)
            ]
            effects.mayFault = true
        case .loadAccessRights, .loadSegmentLimit:
            effects.reads = [a, b]
            effects.writes = [destination, .zf]
            effects.mayFault = true
            effects.usesSystemMemory = true
        case .verifyRead, .verifyWrite:
            effects.reads = [a]
            effects.writes = [.zf]
            effects.mayFault = true
            effects.usesSystemMemory = true
        case .input:
            effects.reads = [a]
            effects.writes = [destination]
            effects.mayFault = true
        case .output:
            effects.reads = [a, b]
            effects.mayFault = true
        case .fxSave, .fxRestore:
            effects.reads = helper == .fxSave ? [a] + Self.vectorSlots(32..<64) : [a]
            effects.writes = helper == .fxSave ? [] : Self.vectorSlots(32..<64)
            effects.memory = [
                MemoryEffect(address: a, displacement: 0, byteCount: 512, isWrite: helper == .fxSave)
            ]
            effects.mayFault = true
        case .xSave, .xRestore:
            effects.reads = [a, .rax, .rdx] + (helper == .xSave ? Self.vectorSlots(32..<96) : [])
            effects.writes = helper == .xSave ? [] : Self.vectorSlots(32..<96)
            effects.memory = [
                MemoryEffect(address: a, displacement: 0, byteCount: 832, isWrite: helper == .xSave)
            ]
            effects.mayFault = true
        case .x87Register:
            // FNSTSW AX touches a register, FCMOV reads flags, FCOMI and its family set them.
            let upper = argument >> 8
            if argument == 0xDFE0 {
                effects.reads = [.rax]
                effects.writes = [.rax]
            } else if upper == 0xDA || upper == 0xDB, argument & 0xFF < 0xE0 {
                effects.reads = Slot.arithmeticFlags
            } else if upper == 0xDB || upper == 0xDF, argument & 0xFF >= 0xE8 {
                effects.writes = Slot.arithmeticFlags
            }
            effects.mayFault = true
        case .x87Memory:
            effects.reads = [a]
            effects.memory = [
                MemoryEffect(address: a, displacement: 0, byteCount: max(detail, 1), isWrite: false),
                MemoryEffect(address: a, displacement: 0, byteCount: max(detail, 1), isWrite: true),
            ]
            effects.mayFault = true
        case .vectorFloat:
            effects.reads = [a, a.high, b, b.high]
            effects.writes = [destination, destination.high]
            effects.mayFault = true
        case .compareFloat:
            effects.reads = [a, b]
            effects.writes = Slot.arithmeticFlags
            effects.mayFault = true
        case .convertFloat:
            effects.reads = [a]
            effects.writes = [destination]
            effects.mayFault = true
        }
        effects.reads.removeAll { $0 == .zero || $0 == .immediate }
        return effects
    }

    private static func vectorSlots(_ range: Range<UInt16>) -> [Slot] { range.map { Slot($0) } }
}

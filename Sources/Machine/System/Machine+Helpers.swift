import X86

extension Machine {
    /// Runs one `.helper` operation on the active processor's slots and state.
    ///
    /// The RIP slot must hold the address of the instruction. When the outcome is not `.completed`, nothing guest-visible has changed.
    package func runHelper(_ operation: MicroOp) -> HelperOutcome {
        switch executeHelper(operation) {
        case nil: .completed
        case .exception(let exception): .exception(exception)
        case .exit(let exit): .exit(exit)
        case .codeWrite: .exit(.unsupported(rip: processor[.rip], bytes: []))
        }
    }

    /// As `runHelper`; nil when it is done.
    func executeHelper(_ operation: MicroOp) -> AccessFailure? {
        counts.helpers &+= 1
        do throws(AccessFailure) {
            try perform(operation)
            return nil
        } catch {
            return error
        }
    }

    private func perform(_ operation: MicroOp) throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        guard let helper = operation.helper else { throw unsupported() }
        let a = processor.slots[Int(operation.a.rawValue)]
        let b = processor.slots[Int(operation.b.rawValue)]
        let detail = operation.detail
        func result(_ value: UInt64) { processor[operation.destination] = value }

        switch helper {
        case .cpuid: answerCPUID()
        case .readTimeStamp, .readTimeStampAndProcessor:
            if system.pointee.cr4 & CR4.timeStampDisable != 0 { try requireSupervisor() }
            let time = timeStamp
            processor[.rax] = time & 0xFFFF_FFFF
            processor[.rdx] = time >> 32
            if helper == .readTimeStampAndProcessor { processor[.rcx] = system.pointee.timeStampAux & 0xFFFF_FFFF }
        case .readProcessorID: result(system.pointee.timeStampAux & 0xFFFF_FFFF)
        case .readRandom:
            let value = nextRandom()
            result(detail == 64 ? value : value & ((1 << UInt64(detail)) - 1))
            for flag in Slot.arithmeticFlags { processor[flag] = 0 }
            processor[.cf] = 1
        case .readExtendedControl:
            guard system.pointee.cr4 & CR4.xSave != 0 else { throw .exception(.invalidOpcode) }
            let value = try readExtendedControl(UInt32(truncatingIfNeeded: processor[.rcx]))
            processor[.rax] = value & 0xFFFF_FFFF
            processor[.rdx] = value >> 32
        case .writeExtendedControl: try writeExtendedControl()
        case .readMSR:
            try requireSupervisor()
            let value = try readMSR(UInt32(truncatingIfNeeded: processor[.rcx]))
            processor[.rax] = value & 0xFFFF_FFFF
            processor[.rdx] = value >> 32
        case .writeMSR:
            try requireSupervisor()
            try writeMSR(
                UInt32(truncatingIfNeeded: processor[.rcx]),
                processor[.rdx] << 32 | processor[.rax] & 0xFFFF_FFFF)
        case .readControl:
            try requireSupervisor()
            result(try readControl(detail))
        case .writeControl:
            try requireSupervisor()
            try writeControl(detail, a)
        case .readDebug:
            result(try readDebug(detail))
        case .writeDebug: try writeDebug(detail, a)
        case .clearTaskSwitched:
            try requireSupervisor()
            system.pointee.cr0 &= ~CR0.taskSwitched
            processor.tlb.flushJumps()
        case .readMachineStatus:
            try requireUserInstructions()
            result(system.pointee.cr0)
        case .writeMachineStatus:
            try requireSupervisor()
            // LMSW cannot clear PE.
            try writeControl(0, system.pointee.cr0 & ~0xE | a & 0xF)
        case .invalidatePage:
            try requireSupervisor()
            // Blocks of code outside of 64-bit mode are not found by linear address.
            if system.isLongCode { processor.tlb.flush(page: a) } else { processor.tlb.flush() }
        case .invalidateContext: try invalidateContext(a, descriptor: b)
        case .writeBackCaches: try requireSupervisor()
        case .monitor, .monitorWait:
            guard system.pointee.privilegeLevel == 0 else { throw .exception(.invalidOpcode) }
            // No hints but "interrupts end the wait though they are disabled" (MWAIT, ECX bit 0).
            let hints = processor[.rcx] & (system.isLongCode ? ~0 : 0xFFFF_FFFF)
            guard hints & (helper == .monitor ? ~0 : ~1) == 0 else { throw .exception(.generalProtection) }
            if helper == .monitor { _ = try load(a, byteCount: 1) }
        case .readPerformanceCounter:
            // No counter counts. CR4.PCE lets other levels read them.
            if system.pointee.cr4 & CR4.performanceCounters == 0 { try requireSupervisor() }
            processor[.rax] = 0
            processor[.rdx] = 0
        case .hypervisorCall: try hypervisorCall()
        case .readSystemFlags:
            // Bits 16 and 17 (RF, VM) are pushed as zero.
            result(system.pointee.systemFlags & ~(RFlags.resume | RFlags.virtual8086))
        case .writeSystemFlags: writeSystemFlags(a, width: detail)
        case .clearInterruptFlag:
            try requireInputOutputLevel()
            system.pointee.systemFlags &= ~RFlags.interrupt
        case .setInterruptFlag:
            try requireInputOutputLevel()
            if system.pointee.systemFlags & RFlags.interrupt == 0 { beginInterruptShadow() }
            system.pointee.systemFlags |= RFlags.interrupt
            reconsiderInterrupts()
        case .clearAccessCheck, .setAccessCheck:
            guard system.pointee.privilegeLevel == 0 else { throw .exception(.invalidOpcode) }
            if helper == .setAccessCheck {
                system.pointee.systemFlags |= RFlags.alignmentCheck
            } else {
                system.pointee.systemFlags &= ~RFlags.alignmentCheck
            }
        case .systemCall: try systemCall(length: operation.argument)
        case .systemReturn:
            try systemReturn(width: detail)
            reconsiderInterrupts()
        case .interruptReturn:
            try interruptReturn(width: detail)
            processor.blocksNonMaskable = false
            reconsiderInterrupts()
        case .farReturn: try farReturn(width: detail, drop: operation.argument)
        case .farJump, .farCall:
            try farTransfer(
                helper, offset: detail == 16 ? a & 0xFFFF : detail == 32 ? a & 0xFFFF_FFFF : a,
                selector: UInt16(truncatingIfNeeded: b), width: detail, length: operation.argument)
        case .systemEnter: try systemEnter()
        case .systemExit: try systemExit(width: detail)
        case .swapGS:
            try requireSupervisor()
            let base = processor[.gsBase]
            processor[.gsBase] = system.pointee.kernelGSBase
            system.pointee.kernelGSBase = base
        case .readSegment: result(UInt64(system.pointee.segments[min(detail, 5)].selector))
        case .writeSegment:
            try loadDataSegment(min(detail, 5), UInt16(truncatingIfNeeded: a))
            // LSS has neither.
            if detail == 2, operation.argument == 0 {
                beginInterruptShadow()
                beginDebugShadow()
            }
        case .loadGDT, .loadIDT:
            try requireSupervisor()
            let raw = try load(a, byteCount: detail == 64 ? 10 : 6)
            var base = raw.low >> 16 | raw.high << 48
            if detail != 64 { base &= detail == 16 ? 0xFF_FFFF : 0xFFFF_FFFF }
            guard Self.isCanonical(base) else { throw .exception(.generalProtection) }
            let table = DescriptorTableState(base: base, limit: UInt16(truncatingIfNeeded: raw.low))
            if helper == .loadGDT {
                system.pointee.globalDescriptorTable = table
            } else {
                system.pointee.interruptDescriptorTable = table
            }
        case .storeGDT, .storeIDT:
            try requireUserInstructions()
            let table =
                helper == .storeGDT
                ? system.pointee.globalDescriptorTable : system.pointee.interruptDescriptorTable
            try store(
                a, byteCount: detail == 64 ? 10 : 6, low: UInt64(table.limit) | table.base << 16, high: table.base >> 48
            )
        case .loadLDT:
            try requireSupervisor()
            try loadLocalTable(UInt16(truncatingIfNeeded: a))
        case .loadTask:
            try requireSupervisor()
            try loadTaskRegister(UInt16(truncatingIfNeeded: a))
        case .readLDT:
            try requireUserInstructions()
            result(UInt64(system.pointee.localDescriptorTable.selector))
        case .readTask:
            try requireUserInstructions()
            result(UInt64(system.pointee.task.selector))
        case .loadAccessRights, .loadSegmentLimit, .verifyRead, .verifyWrite:
            try queryDescriptor(helper, UInt16(truncatingIfNeeded: a), otherwise: b, operation.destination)
        case .requireFSGSBase:
            guard system.pointee.cr4 & CR4.fsgsBase != 0 else { throw .exception(.invalidOpcode) }
        case .requireCanonical:
            // `detail` 16 and 64: the alignment that CMPXCHG16B and MOVDIR64B demand.
            if detail != 0, a & UInt64(detail - 1) != 0 { throw .exception(.generalProtection) }
            if detail == 0, !Self.isCanonical(a) { throw .exception(.generalProtection) }
        case .checkSegment:
            try checkSegment(
                detail & 7, offset: a, byteCount: operation.argument, isWrite: detail & SegmentCheck.write != 0)
        case .checkPort: try requirePort(UInt16(truncatingIfNeeded: a), byteCount: detail / 8)
        case .input:
            try requirePort(UInt16(truncatingIfNeeded: a), byteCount: detail / 8)
            try notePort(UInt16(truncatingIfNeeded: a), byteCount: detail / 8)
            result(readPort(UInt16(truncatingIfNeeded: a), byteCount: detail / 8) & Self.mask(detail / 8))
        case .output:
            try requirePort(UInt16(truncatingIfNeeded: a), byteCount: detail / 8)
            try notePort(UInt16(truncatingIfNeeded: a), byteCount: detail / 8)
            if let exit = writePort(
                UInt16(truncatingIfNeeded: a), byteCount: detail / 8, value: b & Self.mask(detail / 8))
            {
                throw .exit(exit)
            }
        case .fxSave: try fxSave(at: a, hasLongPointers: detail & 1 != 0)
        case .fxRestore: try fxRestore(at: a, hasLongPointers: detail & 1 != 0)
        case .xSave: try saveExtendedState(at: a, detail: detail)
        case .xRestore: try restoreExtendedState(at: a, detail: detail)
        case .writeMXCSR:
            guard a & 0xFFFF_0000 == 0 else { throw .exception(.generalProtection) }
            system.pointee.mxcsr = UInt32(truncatingIfNeeded: a)
        case .readMXCSR: result(UInt64(system.pointee.mxcsr))
        case .x87Register: try x87Register(operation.argument)
        case .x87Memory:
            try x87Memory(
                operation.argument & 0xFFFF, address: a,
                width: operation.argument & X87MemoryArgument.narrow != 0 ? 16 : 32)
        case .checkMMX: if detail != MediaCondition.intel || isIntel { try checkPendingX87() }
        case .readMMX: result(readMedia(detail))
        case .writeMMX: writeMedia(detail, a)
        case .enterMMX: if detail != MediaCondition.intel || isIntel { enterMedia() }
        case .readProtectionKeys, .writeProtectionKeys:
            guard system.pointee.cr4 & CR4.protectionKeys != 0 else { throw .exception(.invalidOpcode) }
            guard processor[.rcx] & 0xFFFF_FFFF == 0 else { throw .exception(.generalProtection) }
            if helper == .readProtectionKeys {
                processor[.rax] = UInt64(system.pointee.protectionKeys)
                processor[.rdx] = 0
            } else {
                guard processor[.rdx] & 0xFFFF_FFFF == 0 else { throw .exception(.generalProtection) }
                system.pointee.protectionKeys = UInt32(truncatingIfNeeded: processor[.rax])
                processor.tlb.flush()
            }
        case .vectorInteger: try vectorInteger(operation)
        case .compareStrings: compareStrings(operation)
        case .gather: try gather(operation, base: a, segment: b)
        case .maskedLoad: try maskedLoad(operation, address: a)
        case .maskedStore: try maskedStore(operation, address: a)
        case .clearVectors: clearVectors(all: detail == 1)
        case .vectorFloat: try vectorFloat(operation)
        case .compareFloat: try compareFloat(a, b, width: detail, isQuiet: operation.argument == 1)
        case .convertFloat: result(try convertFloat(a, detail))
        }
    }

    /// An instruction whose helper lacks something: the run stops before it.
    func unsupported() -> AccessFailure {
        let rip = processor[.rip]
        let linear = processor.codeAddress(rip)
        let bytes = (try? readVirtual(linear, count: min(15, 4096 - Int(linear & 4095)))) ?? []
        return .exit(.unsupported(rip: rip, bytes: bytes))
    }

    func requireSupervisor() throws(AccessFailure) {
        guard processor.system.pointee.privilegeLevel == 0 else { throw .exception(.generalProtection) }
    }

    /// SGDT and its kind are privileged under UMIP.
    func requireUserInstructions() throws(AccessFailure) {
        if processor.system.pointee.cr4 & CR4.userModeInstructionPrevention != 0 { try requireSupervisor() }
    }

    func requireInputOutputLevel() throws(AccessFailure) {
        let system = processor.system
        let level = Int((system.pointee.systemFlags & RFlags.privilegeLevel) >> 12)
        guard system.pointee.privilegeLevel <= level else { throw .exception(.generalProtection) }
    }

    /// I/O privilege level or the permission bitmap of the TSS (Intel SDM volume 1, 19.5).
    private func requirePort(_ port: UInt16, byteCount: Int) throws(AccessFailure) {
        let system = processor.system
        let level = Int((system.pointee.systemFlags & RFlags.privilegeLevel) >> 12)
        guard system.pointee.privilegeLevel > level else { return }
        let task = system.pointee.task
        guard task.limit >= 103 else { throw .exception(.generalProtection) }
        let start = try load(task.base &+ 102, byteCount: 2, asSupervisor: true).low
        let position = start &+ UInt64(port >> 3)
        guard position + 1 <= UInt64(task.limit) else { throw .exception(.generalProtection) }
        let bits = try load(task.base &+ position, byteCount: 2, asSupervisor: true).low >> UInt64(port & 7)
        guard bits & ((1 << UInt64(byteCount)) - 1) == 0 else { throw .exception(.generalProtection) }
    }

    /// xorshift64*: deterministic from the run's seed.
    private func nextRandom() -> UInt64 {
        let system = processor.system
        var state = system.pointee.randomState
        if state == 0 { state = 0x9E37_79B9_7F4A_7C15 }
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        system.pointee.randomState = state
        return state &* 0x2545_F491_4F6C_DD1D
    }
}

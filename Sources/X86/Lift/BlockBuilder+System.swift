import CZydis

// System instructions: a helper each, in a block of their own, because they look at RIP, time or mode or change them
extension BlockBuilder {
    mutating func liftSystem(_ i: DecodedInstruction) -> Outcome? {
        switch i.mnemonic {
        case ZYDIS_MNEMONIC_CPUID: return alone(i, .cpuid)
        case ZYDIS_MNEMONIC_RDTSC: return alone(i, .readTimeStamp)
        case ZYDIS_MNEMONIC_RDTSCP: return alone(i, .readTimeStampAndProcessor)
        case ZYDIS_MNEMONIC_RDMSR: return alone(i, .readMSR)
        case ZYDIS_MNEMONIC_WRMSR: return alone(i, .writeMSR)
        case ZYDIS_MNEMONIC_XGETBV: return alone(i, .readExtendedControl)
        case ZYDIS_MNEMONIC_XSETBV: return alone(i, .writeExtendedControl)
        case ZYDIS_MNEMONIC_CLTS: return alone(i, .clearTaskSwitched)
        case ZYDIS_MNEMONIC_INVD, ZYDIS_MNEMONIC_WBINVD: return alone(i, .writeBackCaches)
        case ZYDIS_MNEMONIC_CLI: return alone(i, .clearInterruptFlag)
        case ZYDIS_MNEMONIC_STI: return alone(i, .setInterruptFlag)
        case ZYDIS_MNEMONIC_CLAC: return alone(i, .clearAccessCheck)
        case ZYDIS_MNEMONIC_STAC: return alone(i, .setAccessCheck)
        case ZYDIS_MNEMONIC_SWAPGS: return alone(i, .swapGS)
        case ZYDIS_MNEMONIC_MONITOR: return monitor(i)
        case ZYDIS_MNEMONIC_MONITORX, ZYDIS_MNEMONIC_UMONITOR:
            // For every level: the access is checked like a load of one byte.
            var register = Slot.rax
            if i.mnemonic == ZYDIS_MNEMONIC_UMONITOR, case .register(let operand) = i.operands[0].value {
                register = .general(operand.number)
            }
            _ = load(8, implicitAddress(register, i, segment: Self.dataSegment(i), byteCount: 1, isWrite: false))
            return .lifted
        case ZYDIS_MNEMONIC_MWAITX: return .lifted
        case ZYDIS_MNEMONIC_TPAUSE, ZYDIS_MNEMONIC_UMWAIT:
            // The wait ends at once, not for its time limit: CF = 0.
            for flag in Slot.arithmeticFlags { setFlag(flag, .zero) }
            pendingFlags = FlagSource.none
            return .lifted
        case ZYDIS_MNEMONIC_MWAIT: return alone(i, .monitorWait)
        case ZYDIS_MNEMONIC_RDPMC: return alone(i, .readPerformanceCounter)
        case ZYDIS_MNEMONIC_VMCALL, ZYDIS_MNEMONIC_VMMCALL: return alone(i, .hypervisorCall)
        case ZYDIS_MNEMONIC_SYSENTER: return transfer(i, .systemEnter, detail: i.operandWidth)
        case ZYDIS_MNEMONIC_SYSEXIT: return transfer(i, .systemExit, detail: i.operandWidth)
        case ZYDIS_MNEMONIC_RDPKRU: return alone(i, .readProtectionKeys)
        case ZYDIS_MNEMONIC_WRPKRU: return alone(i, .writeProtectionKeys)
        case ZYDIS_MNEMONIC_SYSCALL: return transfer(i, .systemCall, detail: i.length)
        case ZYDIS_MNEMONIC_SYSRET: return transfer(i, .systemReturn, detail: i.operandWidth)
        case ZYDIS_MNEMONIC_IRET, ZYDIS_MNEMONIC_IRETD, ZYDIS_MNEMONIC_IRETQ:
            return transfer(i, .interruptReturn, detail: i.operandWidth)
        case ZYDIS_MNEMONIC_HLT:
            guard instructions.isEmpty else { return .needsOwnBlock }
            // The privilege check is that of CLTS's kind.
            helper(.writeBackCaches)
            terminate(MicroOp(.halt))
            return .lifted
        case ZYDIS_MNEMONIC_PUSHFQ, ZYDIS_MNEMONIC_PUSHF, ZYDIS_MNEMONIC_PUSHFD: return pushFlags(i)
        case ZYDIS_MNEMONIC_POPFQ, ZYDIS_MNEMONIC_POPF, ZYDIS_MNEMONIC_POPFD: return popFlags(i)
        case ZYDIS_MNEMONIC_RDFSBASE: return readBase(i, .fsBase)
        case ZYDIS_MNEMONIC_RDGSBASE: return readBase(i, .gsBase)
        case ZYDIS_MNEMONIC_WRFSBASE: return writeBase(i, .fsBase)
        case ZYDIS_MNEMONIC_WRGSBASE: return writeBase(i, .gsBase)
        case ZYDIS_MNEMONIC_RDRAND, ZYDIS_MNEMONIC_RDSEED: return random(i)
        case ZYDIS_MNEMONIC_RDPID: return value(i, .readProcessorID, detail: 0)
        case ZYDIS_MNEMONIC_MOV: return moveSystem(i)
        case ZYDIS_MNEMONIC_SMSW: return value(i, .readMachineStatus, detail: 0)
        case ZYDIS_MNEMONIC_SLDT: return value(i, .readLDT, detail: 0)
        case ZYDIS_MNEMONIC_STR: return value(i, .readTask, detail: 0)
        case ZYDIS_MNEMONIC_LMSW: return withOperand(i, .writeMachineStatus)
        case ZYDIS_MNEMONIC_LLDT: return withOperand(i, .loadLDT)
        case ZYDIS_MNEMONIC_LTR: return withOperand(i, .loadTask)
        case ZYDIS_MNEMONIC_VERR: return verify(i, .verifyRead)
        case ZYDIS_MNEMONIC_VERW: return verify(i, .verifyWrite)
        case ZYDIS_MNEMONIC_LAR: return descriptorQuery(i, .loadAccessRights)
        case ZYDIS_MNEMONIC_LSL: return descriptorQuery(i, .loadSegmentLimit)
        case ZYDIS_MNEMONIC_LGDT: return withAddress(i, .loadGDT)
        case ZYDIS_MNEMONIC_LIDT: return withAddress(i, .loadIDT)
        case ZYDIS_MNEMONIC_SGDT: return withAddress(i, .storeGDT)
        case ZYDIS_MNEMONIC_SIDT: return withAddress(i, .storeIDT)
        case ZYDIS_MNEMONIC_INVLPG: return withAddress(i, .invalidatePage)
        case ZYDIS_MNEMONIC_INVPCID: return invalidateContext(i)
        case ZYDIS_MNEMONIC_IN: return input(i)
        case ZYDIS_MNEMONIC_OUT: return output(i)
        default: return nil
        }
    }

    private mutating func finish(_ i: DecodedInstruction) -> Outcome {
        terminate(MicroOp(.jump, immediate: i.nextRIP))
        return .lifted
    }

    private mutating func alone(_ i: DecodedInstruction, _ kind: Helper) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        helper(kind)
        return finish(i)
    }

    /// A helper that writes RIP; `argument` is the instruction's length.
    private mutating func transfer(_ i: DecodedInstruction, _ kind: Helper, detail: Int) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        helper(kind, detail: detail, argument: i.length)
        terminate(MicroOp(.jumpIndirect, a: .rip))
        return .lifted
    }

    private mutating func pushFlags(_ i: DecodedInstruction) -> Outcome {
        let width = stackOperand(i)
        let system = temporary()
        helper(.readSystemFlags, destination: system)
        var value = binary(.or, 64, .slot(system), lowFlags())
        value = binary(.or, 64, value, binary(.shiftLeft, 64, .slot(.df), .constant(10)))
        value = binary(.or, 64, value, binary(.shiftLeft, 64, .slot(.of), .constant(11)))
        pushValue(width, value)
        return .lifted
    }

    private mutating func popFlags(_ i: DecodedInstruction) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        let width = stackOperand(i)
        let value = load(width, stackAddress(0, byteCount: width / 8, isWrite: false))
        helper(
            .writeSystemFlags, a: binary(.and, 64, value, .constant(~RFlags.inSlots)), detail: width)
        moveStack(width / 8)
        setFlags(from: value, all: true)
        return finish(i)
    }

    private mutating func readBase(_ i: DecodedInstruction, _ slot: Slot) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        guard let place = open(i, 0, reads: false) else { return .unsupported }
        helper(.requireFSGSBase)
        write(place, .slot(slot))
        return finish(i)
    }

    private mutating func writeBase(_ i: DecodedInstruction, _ slot: Slot) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        guard let source = read(i, 0) else { return .unsupported }
        helper(.requireFSGSBase)
        let value = zeroExtend(UInt8(i.operands[0].width), source)
        helper(.requireCanonical, a: value)
        commit(slot, value)
        return finish(i)
    }

    private mutating func random(_ i: DecodedInstruction) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        guard let place = open(i, 0, reads: false) else { return .unsupported }
        let result = temporary()
        helper(.readRandom, destination: result, detail: place.width)
        write(place, .slot(result))
        return finish(i)
    }

    /// A helper whose result goes to operand 0. Register destinations get the whole register width.
    private mutating func value(_ i: DecodedInstruction, _ kind: Helper, detail: Int) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        guard let place = open(i, 0, reads: false) else { return .unsupported }
        let result = temporary()
        helper(kind, destination: result, detail: detail)
        write(place, .slot(result))
        return finish(i)
    }

    private mutating func withOperand(_ i: DecodedInstruction, _ kind: Helper) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        guard let source = read(i, 0) else { return .unsupported }
        helper(kind, a: zeroExtend(16, source))
        return finish(i)
    }

    private mutating func withAddress(_ i: DecodedInstruction, _ kind: Helper) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        guard case .memory(let memory) = i.operands[0].value else { return .unsupported }
        let width = context.mode == .long ? 64 : i.operandWidth
        helper(kind, a: effectiveSum(address(memory, i)), detail: width)
        return finish(i)
    }

    private mutating func verify(_ i: DecodedInstruction, _ kind: Helper) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        guard let selector = read(i, 0) else { return .unsupported }
        helper(kind, a: zeroExtend(16, selector))
        return finish(i)
    }

    private mutating func descriptorQuery(_ i: DecodedInstruction, _ kind: Helper) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        guard let place = open(i, 0), let selector = read(i, 1) else { return .unsupported }
        let result = temporary()
        helper(kind, destination: result, a: zeroExtend(16, selector), b: place.value, detail: place.width)
        write(place, .slot(result))
        return finish(i)
    }

    private mutating func invalidateContext(_ i: DecodedInstruction) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        guard let kind = read(i, 0), case .memory(let memory) = i.operands[1].value else { return .unsupported }
        helper(.invalidateContext, a: zeroExtend(UInt8(i.operands[0].width), kind), b: effectiveSum(address(memory, i)))
        return finish(i)
    }

    /// MOV with a segment, control or debug register.
    private mutating func moveSystem(_ i: DecodedInstruction) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        if case .register(let target) = i.operands[0].value, target.kind != .general {
            guard let source = read(i, 1) else { return .unsupported }
            switch target.kind {
            case .segment: helper(.writeSegment, a: zeroExtend(16, source), detail: target.number)
            case .control: helper(.writeControl, a: whole(source), detail: target.number)
            case .debug: helper(.writeDebug, a: whole(source), detail: target.number)
            default: return .unsupported
            }
            return finish(i)
        }
        guard case .register(let source) = i.operands[1].value else { return .unsupported }
        switch source.kind {
        case .segment: return value(i, .readSegment, detail: source.number)
        case .control: return value(i, .readControl, detail: source.number)
        case .debug: return value(i, .readDebug, detail: source.number)
        default: return .unsupported
        }
    }

    /// A general register as wide as the mode has them.
    private mutating func whole(_ value: Value) -> Value { context.mode == .long ? value : zeroExtend(32, value) }

    private mutating func monitor(_ i: DecodedInstruction) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        let place = implicitAddress(.rax, i, segment: Self.dataSegment(i), byteCount: 1, isWrite: false)
        helper(.monitor, a: .slot(place.slot))
        return finish(i)
    }

    private mutating func input(_ i: DecodedInstruction) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        guard let place = open(i, 0, reads: false), let port = read(i, 1) else { return .unsupported }
        let result = temporary()
        helper(.input, destination: result, a: zeroExtend(16, port), detail: place.width)
        write(place, .slot(result))
        return finish(i)
    }

    private mutating func output(_ i: DecodedInstruction) -> Outcome {
        guard instructions.isEmpty else { return .needsOwnBlock }
        guard let port = read(i, 0), let value = read(i, 1) else { return .unsupported }
        helper(.output, a: zeroExtend(16, port), b: value, detail: i.operands[1].width)
        return finish(i)
    }
}

import X86

/// An exception on its way to the guest.
package struct GuestException: Error, Sendable, Hashable {
    package var vector: UInt8
    /// Pushed when the vector has one.
    package var errorCode: UInt32?
    /// New CR2 for page faults.
    package var faultAddress: UInt64?
    /// INT n, INT3, INTO: the gate's DPL is checked and the saved RIP is the next instruction.
    package var isSoftware: Bool
    /// Length of the instruction that RIP was moved behind (software interrupts), so that a fault of the delivery is reported at it.
    package var instructionLength: UInt64 = 0
    /// INT1: the gate's DPL is not checked although the instruction is software.
    package var isPrivileged = false
    /// Comes between two instructions: interrupts, and debug traps.
    package var isBetweenInstructions = false
    /// Bits of DR6 that a debug exception sets; nil leaves the register alone.
    package var debugStatus: UInt64?

    package init(vector: UInt8, errorCode: UInt32? = nil, faultAddress: UInt64? = nil, isSoftware: Bool = false) {
        self.vector = vector
        self.errorCode = errorCode
        self.faultAddress = faultAddress
        self.isSoftware = isSoftware
    }

    package init(_ vector: ExceptionVector, errorCode: UInt32? = nil) {
        self.init(vector: vector.rawValue, errorCode: errorCode ?? (vector.hasErrorCode ? 0 : nil))
    }

    /// A debug exception that comes before its instruction: an instruction breakpoint, or an access to a debug register.
    package static func debugFault(_ status: UInt64) -> GuestException {
        var exception = GuestException(.debug)
        exception.debugStatus = status
        return exception
    }

    /// A debug exception that comes behind its instruction.
    package static func debugTrap(_ status: UInt64) -> GuestException {
        var exception = debugFault(status)
        exception.isBetweenInstructions = true
        return exception
    }

    /// An interrupt from outside.
    package static func interrupt(_ vector: UInt8) -> GuestException {
        var exception = GuestException(vector: vector)
        exception.isBetweenInstructions = true
        return exception
    }

    /// RF is set in the saved flags, so that an instruction breakpoint does not stop the repetition of the instruction: all faults but
    /// that breakpoint itself (Intel SDM volume 3, 17.3.1.1).
    var setsResumeFlag: Bool {
        guard !isSoftware, !isBetweenInstructions else { return false }
        switch ExceptionVector(rawValue: vector) {
        case .debug: return (debugStatus ?? 0) & DR6.generalDetect != 0
        case .nonMaskable, .breakpoint, .overflow, .doubleFault, .machineCheck: return false
        default: return true
        }
    }

    package static let generalProtection = GuestException(.generalProtection, errorCode: 0)
    package static let invalidOpcode = GuestException(.invalidOpcode)
}

/// A guest access that meets a watched page.
package struct WatchedAccess: Sendable, Hashable {
    package var virtualAddress: UInt64
    package var physicalAddress: UInt64
    package var byteCount: Int
    package var isWrite: Bool
}

/// An access to guest-physical memory where neither RAM nor a device of the engine is.
package struct UnmappedAccess: Sendable, Hashable {
    package var physicalAddress: UInt64
    package var byteCount: Int
    package var isWrite: Bool

    package init(physicalAddress: UInt64, byteCount: Int, isWrite: Bool) {
        self.physicalAddress = physicalAddress
        self.byteCount = byteCount
        self.isWrite = isWrite
    }
}

/// Why `Machine.run` came back. RIP always points to the next instruction to execute.
package enum Exit: Sendable, Hashable {
    /// The instruction budget is used up (blocks are not cut: a few instructions more may have retired).
    case budget
    /// Stemma's hypercall; RIP is behind it.
    case hypercall(number: UInt16)
    /// S2E's 0F 3F opcode with its eight payload bytes; RIP is behind it.
    case s2eOpcode(UInt64)
    /// The instruction at RIP would touch a watched page; none of its effects has happened.
    case watchedAccess(WatchedAccess)
    /// The instruction at RIP is not supported.
    case unsupported(rip: UInt64, bytes: [UInt8])
    /// The processor is in a mode, or a system instruction asks for something, that the engine lacks.
    case unsupportedMode(rip: UInt64, reason: String)
    /// The instruction at RIP touches physical memory that no RAM and no device of the engine answers for.
    case unmapped(UnmappedAccess)
    /// HLT, and no interrupt will come: they are held off, or all processors sleep for good.
    case halted
    /// Every processor waits for an interrupt, and the next one is due at this virtual time.
    case idle(until: UInt64)
    /// An exception while delivering a double fault.
    case tripleFault
    /// The guest asked for power-off or reset.
    case shutdown(reason: String)
    /// A page could not be read from the snapshot.
    case memoryFailure(MachineError)
}

/// Why an access by virtual address did not happen.
package enum AccessFailure: Error, Sendable {
    /// To be delivered by `Machine.raise`.
    case exception(GuestException)
    /// To be returned to the caller of the engine.
    case exit(Exit)
    /// A store from inside a block to a page with cached code: `run` repeats the instruction in a block of its own.
    case codeWrite
}

/// What a helper did.
package enum HelperOutcome: Sendable {
    /// Done; go on with the next micro-operation.
    case completed
    /// The instruction faults.
    case exception(GuestException)
    /// The run loop must stop before the instruction.
    case exit(Exit)
}

import X86

// Where a block is left before its end, or by an instruction that the run loop must know of
extension Machine {
    /// Where a conditional branch leads: to its target, or to that of the jump that mostly follows it. False when the block goes on.
    ///
    /// Unsafe: `branch` leads to the branch in a block, behind which there is another operation always; `slots` is a slot file.
    @inline(__always)
    static func leaves(
        _ branch: UnsafePointer<MicroOp>, _ isTaken: Bool, _ slots: UnsafeMutablePointer<UInt64>, _ rip: inout UInt64
    ) -> Bool {
        if isTaken {
            // What is in this slot matters to nobody now. Because only one way stores, the compiler does not make one way of the two: the host
            // predicts a branch of its own well, and the address of the next operation not at all.
            slots[31] = 0
            rip = branch.pointee.immediate
            return true
        }
        guard case .jump = branch[1].operation else { return false }
        rip = branch[1].immediate
        return true
    }

    /// Leaves a block at an operation of its fused ones that did not happen.
    ///
    /// Unsafe: `operation` is one of the entry's.
    @inline(never)
    func unwind(_ code: TLB.JumpEntry, _ operation: UnsafePointer<MicroOp>, _ reason: AccessFailure) -> AccessFailure {
        guard let block = code.block?.takeUnretainedValue(), let first = code.operations else { return reason }
        return unwind(block.block, at: block.origin(of: operation - UnsafePointer(first)), reason)
    }

    /// Puts RIP and the retired count to the instruction that operation `index` of a block belongs to.
    func unwind(_ block: Block, at index: Int, _ reason: AccessFailure) -> AccessFailure {
        guard let position = block.instructionIndex(ofOperation: index) else { return reason }
        let record = block.instructions[position]
        processor.system.pointee.retired &+= UInt64(position)
        processor[.rip] = record.rip
        if case .exception(var exception) = reason, exception.isSoftware {
            processor[.rip] = record.rip &+ UInt64(record.length)
            processor.system.pointee.retired &+= 1
            exception.instructionLength = UInt64(record.length)
            return .exception(exception)
        }
        return reason
    }

    /// Ends a block with a terminator that the run loop must know of, behind its instructions.
    func finish(_ code: TLB.JumpEntry, _ operation: MicroOp) -> Exit {
        processor.system.pointee.retired &+= UInt64(code.instructionCount)
        processor[.rip] = code.nextRIP
        if case .unsupported = operation.operation {
            return .unsupported(rip: code.nextRIP, bytes: code.unsupportedBytes)
        }
        return leave(operation)
    }

    /// The exit that a terminator stands for; halting is remembered.
    func leave(_ operation: MicroOp) -> Exit {
        switch operation.operation {
        case .hypercall: return .hypercall(number: UInt16(truncatingIfNeeded: operation.immediate))
        case .s2eOpcode: return .s2eOpcode(operation.immediate)
        default:
            processor.isHalted = true
            return .halted
        }
    }
}

extension GuestException {
    /// The exception that a `.raise` operation's immediate field describes.
    package init(raising immediate: UInt64) {
        self.init(
            vector: UInt8(truncatingIfNeeded: immediate),
            errorCode: immediate & 0x100 != 0 ? UInt32(truncatingIfNeeded: immediate >> 32) : nil,
            isSoftware: immediate & 0x200 != 0)
        isPrivileged = immediate & 0x400 != 0
    }
}

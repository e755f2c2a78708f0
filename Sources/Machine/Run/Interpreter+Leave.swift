import X86

// Where a block is left before its end, or by an instruction that the run loop must know of
extension Machine {
    /// Where a block is left by a conditional branch: at its target, or by the jump that mostly follows it. Nil when the block goes on.
    ///
    /// Unsafe: `branch` leads to the branch in a block, behind which there is another operation always.
    @inline(__always)
    static func target(_ branch: UnsafePointer<MicroOp>, _ isTaken: Bool) -> UInt64? {
        if case .jump = branch[1].operation { return branch[isTaken ? 0 : 1].immediate }
        return isTaken ? branch.pointee.immediate : nil
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

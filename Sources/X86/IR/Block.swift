/// One guest instruction inside a block.
package struct InstructionRecord: Sendable, Hashable {
    /// Virtual address of the instruction.
    package let rip: UInt64
    private let operationIndex: UInt32
    private let byteCount: UInt8

    /// Index of its first micro-operation in the block; the next record's (or the end) closes it.
    package var firstOperation: Int { Int(operationIndex) }
    /// Length in bytes, 1-15.
    package var length: Int { Int(byteCount) }

    package init(rip: UInt64, firstOperation: Int, length: Int) {
        self.rip = rip
        operationIndex = UInt32(truncatingIfNeeded: firstOperation)
        byteCount = UInt8(truncatingIfNeeded: length)
    }
}

/// A straight run of lifted guest instructions with one entry.
///
/// * Instructions are exact: within one instruction every guest-visible slot is written after the last operation that may fault.
///   So an exception in instruction `i` finds the state that instruction `i` started with.
/// * Temporaries live across the instructions of the block. A block is entered only at its start: to go on at an instruction in
///   the middle, lift a block that starts there.
/// * A write to a flag slot is missing when the flag is overwritten later in the block before anything can read it or fault.
/// * A repeated string instruction does one iteration and jumps back to a block of its own; ``repetition`` describes it.
package struct Block: Sendable {
    /// Virtual address of the first instruction.
    package let rip: UInt64
    /// Number of code bytes that the block was lifted from (an unsupported last instruction not counted).
    package let byteCount: Int
    package let operations: [MicroOp]
    /// Lifted instructions in order; empty when the first one is unsupported.
    package let instructions: [InstructionRecord]
    /// Bytes of the instruction that the terminator `.unsupported` stands for, empty otherwise.
    package let unsupportedBytes: [UInt8]
    /// One more than the highest temporary slot used.
    package let slotLimit: Int
    /// What the block repeats, when it is nothing but a repeated string instruction that an engine may do in larger pieces.
    package let repetition: RepeatedString?

    package init(
        rip: UInt64, byteCount: Int, operations: [MicroOp], instructions: [InstructionRecord],
        unsupportedBytes: [UInt8], slotLimit: Int, repetition: RepeatedString? = nil
    ) {
        self.rip = rip
        self.byteCount = byteCount
        self.operations = operations
        self.instructions = instructions
        self.unsupportedBytes = unsupportedBytes
        self.slotLimit = slotLimit
        self.repetition = repetition
    }

    /// Index of the instruction that operation `index` belongs to, nil for an unsupported terminator without instruction.
    package func instructionIndex(ofOperation index: Int) -> Int? {
        instructions.lastIndex { $0.firstOperation <= index }
    }
}

extension Block: CustomStringConvertible {
    package var description: String {
        var lines: [String] = []
        for (index, operation) in operations.enumerated() {
            for record in instructions where record.firstOperation == index {
                lines.append("0x\(String(record.rip, radix: 16)):")
            }
            lines.append("    \(operation)")
        }
        return lines.joined(separator: "\n")
    }
}

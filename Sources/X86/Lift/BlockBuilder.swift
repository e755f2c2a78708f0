import CZydis

/// Collects the micro-operations of one block.
struct BlockBuilder {
    let context: LiftContext
    let rip: UInt64
    var operations: [MicroOp] = []
    var instructions: [InstructionRecord] = []
    var unsupportedBytes: [UInt8] = []
    var nextTemporary = Slot.firstTemporary.rawValue

    init(context: LiftContext, rip: UInt64) {
        self.context = context
        self.rip = rip
    }

    mutating func build(_ code: UnsafeRawBufferPointer, maximumInstructions: Int) -> Block? {
        unsupportedBytes = Array(code.prefix(15))
        operations.append(MicroOp(.unsupported))
        return Block(
            rip: rip, byteCount: 0, operations: operations, instructions: instructions,
            unsupportedBytes: unsupportedBytes, slotLimit: Int(nextTemporary))
    }
}

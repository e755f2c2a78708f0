// Linear addresses: segments, the stack, and instructions that address through fixed registers
extension BlockBuilder {
    /// Segment number for an operand whose default segment is DS.
    static func dataSegment(_ i: DecodedInstruction) -> Int { i.segmentPrefix ?? SegmentNumber.ds }

    /// Linear address of `offset` in a segment.
    ///
    /// In 64-bit mode only FS and GS have a base. Elsewhere the segment is checked (unless the context says that it is flat) and
    /// the sum is cut to 32 bits (Intel SDM volume 3, 3.3 and 5.3).
    mutating func linear(_ segment: Int, _ offset: Value, byteCount: Int, isWrite: Bool) -> Value {
        if context.mode == .long {
            guard segment >= SegmentNumber.fs else { return offset }
            return binary(.add, 64, .slot(.segmentBase(segment)), offset)
        }
        if context.isFlat, segment < SegmentNumber.fs { return zeroExtend(32, offset) }
        helper(
            .checkSegment, a: offset, detail: segment | (isWrite ? SegmentCheck.write : 0), argument: byteCount)
        return binary(.add, 32, .slot(.segmentBase(segment)), offset)
    }

    /// Linear address in a register, as string instructions and XLAT have it.
    mutating func implicitAddress(
        _ register: Slot, _ i: DecodedInstruction, segment: Int, byteCount: Int, isWrite: Bool
    ) -> (slot: Slot, displacement: UInt64) {
        let offset = zeroExtend(UInt8(i.addressWidth), .slot(register))
        return (materialize(linear(segment, offset, byteCount: byteCount, isWrite: isWrite)), 0)
    }

    // The stack

    /// Linear address of the stack pointer plus `offset`.
    mutating func stackAddress(_ offset: Int, byteCount: Int, isWrite: Bool) -> (slot: Slot, displacement: UInt64) {
        let displacement = UInt64(bitPattern: Int64(offset))
        if context.mode == .long { return (.rsp, displacement) }
        let width = UInt8(context.stackWidth)
        let pointer =
            offset == 0 ? zeroExtend(width, .slot(.rsp)) : binary(.add, width, .slot(.rsp), .constant(displacement))
        return (materialize(linear(SegmentNumber.ss, pointer, byteCount: byteCount, isWrite: isWrite)), 0)
    }

    /// Commits the stack pointer plus `offset`.
    mutating func moveStack(_ offset: Int) {
        let width = context.stackWidth
        commitGeneral(
            .rsp, width,
            binary(.add, UInt8(width), .slot(.rsp), .constant(UInt64(bitPattern: Int64(offset)))))
    }

    /// Stores below the stack pointer and commits the new one.
    mutating func pushValue(_ width: Int, _ value: Value) {
        store(width, stackAddress(-width / 8, byteCount: width / 8, isWrite: true), value)
        moveStack(-width / 8)
    }

    /// Operand size of PUSH, POP, CALL, RET and their like: never 32 bits in 64-bit mode.
    func stackOperand(_ i: DecodedInstruction) -> Int {
        i.operandWidth == 16 ? 16 : context.mode == .long ? 64 : 32
    }
}

/// Bits of the `detail` field of `Helper.checkSegment` above the segment's number.
package enum SegmentCheck {
    package static let write = 8
}

import X86

// Division, bit counts and lanes
extension Translator {
    /// A division, together with the remainder of the same operands behind it.
    func emitDivision(_ op: MicroOp, _ position: Int) -> Int {
        let isUnsigned = op.operation == .divideUnsigned || op.operation == .remainderUnsigned
        guard isUnsigned, op.width >= 32, op.third != op.destination else {
            emitSeldom(op, position)
            return 1
        }
        let width = op.width
        var count = 1
        var remainder: MicroOp?
        if op.operation == .divideUnsigned, position + 1 < operations.count {
            let next = operations[position + 1]
            if next.operation == .remainderUnsigned, next.width == width, next.a == op.a, next.b == op.b,
                next.immediate == op.immediate, ![next.a, next.b, next.third].contains(op.destination)
            {
                consume(next)
                remainder = next
                count = 2
            }
        }
        flags = .none
        let divisor = register(op.b, op)
        let high = register(op.third, op)
        let result = allocate()
        let rest = remainder == nil ? nil : allocate()
        copy(.rax, op.a, op, width)
        code.zeroExtend(.rdx, high, width)
        // #DE unless high < divisor, which also excludes 0.
        code.arithmetic(.compare, .rdx, divisor, width)
        addStub(.divideError(operation: position), from: code.jump(.aboveOrEqual), writesBack: true)
        code.unary(.divide, divisor, width)
        code.move(result, op.operation == .divideUnsigned ? .rax : .rdx)
        if let rest { code.move(rest, .rdx) }
        define(op.destination, result, bound: Self.mask(width))
        if let remainder, let rest { define(remainder.destination, rest, bound: Self.mask(width)) }
        return count
    }

    func emitBits(_ op: MicroOp, _ position: Int) {
        let width = op.width
        let size = Self.size(width)
        switch op.operation {
        case .populationCount where features.hasVectorExtensions:
            copy(.rax, op.a, op, width)
            finishCount(op, .population, size)
        case .countTrailingZeros where features.hasTrailingZeroCount:
            copy(.rax, op.a, op, width)
            // A one behind the last bit bounds the count.
            if width < 32 { code.arithmetic(.or, .rax, constant: 1 << UInt64(width), 32) }
            finishCount(op, .trailingZeros, size)
        case .countLeadingZeros where features.hasLeadingZeroCount && width >= 16:
            copy(.rax, op.a, op, width)
            finishCount(op, .leadingZeros, size, less: width < 32 ? 32 - width : 0)
        case .byteSwap where width >= 32:
            let result = destination(from: op.a, op)
            code.swapBytes(result, width)
            define(op.destination, result, bound: Self.mask(width))
        case .depositBits where features.hasBitScatter, .extractBits where features.hasBitScatter:
            copy(.rax, op.a, op, width)
            copy(.rdx, op.b, op, width)
            let result = allocate()
            code.scatter(result, .rax, mask: .rdx, isDeposit: op.operation == .depositBits)
            define(op.destination, result)
        case .crc32 where features.hasVectorExtensions:
            copy(.rax, op.a, op, 32)
            copy(.rdx, op.b, op)
            code.checksum(.rax, .rdx, width)
            let result = allocate()
            code.move(result, .rax, 32)
            define(op.destination, result, bound: Self.mask(32))
        default: emitSeldom(op, position)
        }
    }

    private func finishCount(_ op: MicroOp, _ count: HostCount, _ size: UInt8, less: UInt8 = 0) {
        let result = allocate()
        code.count(count, result, .rax, size)
        if less > 0 { code.arithmetic(.subtract, result, constant: UInt64(less), 32) }
        flags = .none
        define(op.destination, result, bound: 64)
    }

    /// Opcodes behind prefix 66 of operations that a vector instruction does lane by lane; those from 0x0F3800 on need `hasVectorExtensions`.
    private static let laneOpcodes: [Operation: [UInt8: UInt32]] = [
        .laneAdd: [8: 0x0FFC, 16: 0x0FFD, 32: 0x0FFE],
        .laneSubtract: [8: 0x0FF8, 16: 0x0FF9, 32: 0x0FFA],
        .laneAddSaturateUnsigned: [8: 0x0FDC, 16: 0x0FDD],
        .laneAddSaturateSigned: [8: 0x0FEC, 16: 0x0FED],
        .laneSubtractSaturateUnsigned: [8: 0x0FD8, 16: 0x0FD9],
        .laneSubtractSaturateSigned: [8: 0x0FE8, 16: 0x0FE9],
        .laneMultiply: [16: 0x0FD5, 32: 0x0F3840],
        .laneMultiplyHighSigned: [16: 0x0FE5],
        .laneMultiplyHighUnsigned: [16: 0x0FE4],
        .laneEqual: [8: 0x0F74, 16: 0x0F75, 32: 0x0F76, 64: 0x0F3829],
        .laneGreaterSigned: [8: 0x0F64, 16: 0x0F65, 32: 0x0F66, 64: 0x0F3837],
        .laneMinimumUnsigned: [8: 0x0FDA, 16: 0x0F383A, 32: 0x0F383B],
        .laneMaximumUnsigned: [8: 0x0FDE, 16: 0x0F383E, 32: 0x0F383F],
        .laneMinimumSigned: [8: 0x0F3838, 16: 0x0FEA, 32: 0x0F3839],
        .laneMaximumSigned: [8: 0x0F383C, 16: 0x0FEE, 32: 0x0F383D],
        .laneAverage: [8: 0x0FE0, 16: 0x0FE3],
        .laneShiftLeft: [16: 0x0FF1, 32: 0x0FF2],
        .laneShiftRight: [16: 0x0FD1, 32: 0x0FD2],
        .laneShiftRightArithmetic: [16: 0x0FE1, 32: 0x0FE2],
        .laneMultiplyAdd: [16: 0x0FF5],
        .sumAbsoluteDifferences: [8: 0x0FF6],
        .interleaveLow: [8: 0x0F60, 16: 0x0F61, 32: 0x0F62],
    ]

    func emitLanes(_ op: MicroOp, _ position: Int) {
        if op.operation == .laneSigns, op.width == 8 {
            let source = register(op.a, op)
            let result = allocate()
            code.moveToVector(0, source)
            // PMOVMSKB; the upper half of the register is zero.
            code.packed(0x0FD7, result.number, 0)
            define(op.destination, result, bound: 0xFF)
            return
        }
        guard let opcode = Self.laneOpcodes[op.operation]?[op.width], opcode < 0x0F3800 || features.hasVectorExtensions
        else {
            emitSeldom(op, position)
            return
        }
        let left = register(op.a, op)
        let right = register(op.b, op)
        let result = allocate()
        code.moveToVector(0, left)
        code.moveToVector(1, right)
        code.packed(opcode, 0, 1)
        code.moveFromVector(result, 0)
        define(op.destination, result)
    }
}

import Exploration
import Expressions
import Machine
import Testing
import X86

/// The symbolic form of every pure micro-operation against its concrete one, on random values.
@Suite("Symbolic operations")
struct OperationTests {
    /// SplitMix64.
    private struct Seeded: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
            return z ^ z >> 31
        }
    }

    private static let scalars: [X86.Operation] = [
        .move, .signExtend, .extract, .insert, .select, .add, .subtract, .scaledAdd, .multiply, .multiplyHighUnsigned,
        .multiplyHighSigned, .negate, .and, .or, .xor, .not, .shiftLeft, .shiftRight, .shiftRightArithmetic,
        .rotateLeft,
        .rotateRight, .equal, .notEqual, .lessUnsigned, .lessOrEqualUnsigned, .lessSigned, .lessOrEqualSigned, .sign,
        .parity, .auxiliaryCarry, .carryAdd, .carrySubtract, .overflowAdd, .overflowSubtract, .countLeadingZeros,
        .countTrailingZeros, .populationCount, .byteSwap, .depositBits, .extractBits, .crc32,
    ]
    private static let lanes: [(operation: X86.Operation, widths: [UInt8])] = [
        (.laneAdd, [8, 16, 32, 64]), (.laneSubtract, [8, 16, 32, 64]), (.laneAddSaturateUnsigned, [8, 16]),
        (.laneAddSaturateSigned, [8, 16]), (.laneSubtractSaturateUnsigned, [8, 16]),
        (.laneSubtractSaturateSigned, [8, 16]), (.laneMultiply, [16, 32]), (.laneMultiplyHighSigned, [16]),
        (.laneMultiplyHighUnsigned, [16]), (.laneEqual, [8, 16, 32, 64]), (.laneGreaterSigned, [8, 16, 32, 64]),
        (.laneMinimumUnsigned, [8, 16, 32]), (.laneMaximumUnsigned, [8, 16, 32]),
        (.laneMinimumSigned, [8, 16, 32]), (.laneMaximumSigned, [8, 16, 32]), (.laneAverage, [8, 16]),
        (.laneShiftLeft, [16, 32, 64]), (.laneShiftRight, [16, 32, 64]), (.laneShiftRightArithmetic, [16, 32]),
        (.laneSigns, [8, 32, 64]), (.interleaveLow, [8, 16, 32]), (.interleaveHigh, [8, 16, 32]),
        (.packSigned, [16, 32]), (.packUnsigned, [16, 32]), (.laneMultiplyAdd, [16]), (.sumAbsoluteDifferences, [8]),
        (.shuffleBytes, [8]),
    ]

    @Test("agree with the concrete ones", arguments: 0..<4)
    func agreement(seed: UInt64) throws {
        var generator = Seeded(state: seed &* 977)
        let solver = PathSolver(arena: ExpressionArena(), solver: try Z3Solver())
        let arena = solver.arena
        let executor = SymbolicExecutor(solver: solver, limits: .patient)
        let guest = Guest(Toolchain.Program(bytes: [0xF4], entry: Toolchain.loadAddress))
        let state = executor.makeRoot(try guest.machine())
        let slots = state.machine.slots
        let buffer = arena.makeBuffer(name: "in", count: 24)
        var symbols: [Term] = []
        for word in 0..<3 {
            var term = arena.symbol(buffer.firstByte + UInt32(8 * word))
            for byte in 1..<8 { term = arena.concat(arena.symbol(buffer.firstByte + UInt32(8 * word + byte)), term) }
            symbols.append(term)
        }
        for round in 0..<60 {
            var cases: [(X86.Operation, UInt8)] = Self.scalars.map { ($0, Self.width($0, round)) }
            cases += Self.lanes.map { ($0.operation, $0.widths[round % $0.widths.count]) }
            for (operation, width) in cases {
                let values = (0..<3).map { _ in Self.value(&generator) }
                // The three operands, each symbolic or not; one at least is.
                let kinds = 1 + Int.random(in: 0..<7, using: &generator)
                let op = Self.operation(operation, width, &generator)
                var operands = values
                if operation == .select { operands[2] &= 1 }
                let places = [Slot(200), Slot(202), Slot(204)]
                for (index, place) in places.enumerated() {
                    slots[Int(place.rawValue)] = operands[index]
                    state.setTerm(place, .none)
                }
                let isCount = [.laneShiftLeft, .laneShiftRight, .laneShiftRightArithmetic].contains(operation)
                if isCount && Bool.random(using: &generator) {
                    operands[1] %= 70
                    slots[202] = operands[1]
                }
                #expect(ConcreteOperations.execute(op, slots))
                let expected = slots[Int(op.destination.rawValue)]
                var bytes: [UInt8] = []
                for word in operands {
                    for byte in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * byte))) }
                }
                let assignment = arena.assignment(bytes)
                // Operands that the operation makes concrete take the path's example, not this assignment.
                let mayConcretise = isCount || operation == .depositBits || operation == .extractBits
                for (index, place) in places.enumerated()
                where kinds >> index & 1 == 1 && !(mayConcretise && index == 1) {
                    state.setTerm(place, symbols[index])
                    slots[Int(place.rawValue)] = 0xDEAD_BEEF_DEAD_BEEF
                }
                try executor.symbolicOperation(op, state)
                let term = state.term(op.destination)
                let result =
                    term.isNone ? slots[Int(op.destination.rawValue)] : arena.evaluate(term, assignment)
                #expect(result == expected, "\(op) of \(operands.map { String($0, radix: 16) }), symbolic \(kinds)")
                if result != expected { return }
            }
        }
    }

    private static func value(_ generator: inout Seeded) -> UInt64 {
        switch Int.random(in: 0..<6, using: &generator) {
        case 0: UInt64.random(in: 0..<70, using: &generator)
        case 1: [0, .max, 1 << 63, 0x8000_0000, 0x80, 0x7FFF, 0xFFFF_FFFF].randomElement(using: &generator) ?? 0
        case 2: UInt64(UInt8.random(in: 0...255, using: &generator)) &* 0x0101_0101_0101_0101
        default: generator.next()
        }
    }

    private static func width(_ operation: X86.Operation, _ round: Int) -> UInt8 {
        switch operation {
        case .scaledAdd: 64
        case .parity, .auxiliaryCarry: 8
        case .byteSwap: [16, 32, 64][round % 3]
        case .signExtend: [8, 16, 32][round % 3]
        case .insert: [8, 16, 32][round % 3]
        case .equal, .and, .or, .xor, .move, .select: [1, 8, 16, 32, 64][round % 5]
        case .depositBits, .extractBits: [32, 64][round % 2]
        default: [8, 16, 32, 64][round % 4]
        }
    }

    private static func operation(_ operation: X86.Operation, _ width: UInt8, _ generator: inout Seeded) -> MicroOp {
        var immediate: UInt64 = 0
        switch operation {
        case .signExtend: immediate = width == 32 ? 64 : 32
        case .extract, .insert:
            immediate = UInt64.random(in: 0...UInt64(64 - Int(width)), using: &generator)
        case .scaledAdd: immediate = UInt64.random(in: 0...3, using: &generator)
        default: if operation.immediateIsSlot { immediate = 204 }
        }
        return MicroOp(
            operation, width: width, destination: Slot(210), a: Slot(200), b: Slot(202), immediate: immediate)
    }
}

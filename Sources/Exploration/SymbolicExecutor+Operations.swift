import Expressions
import Machine
import X86

/// Pure micro-operations with a symbolic operand. The meaning of each is written at `X86.Operation`.
extension SymbolicExecutor {
    package func symbolicOperation(_ op: MicroOp, _ state: ExecutionState) throws(Interruption) {
        let width = Int(op.width)
        if op.operation == .move && width == 128 {
            for (source, target) in [(op.a, op.destination), (op.a.high, op.destination.high)] {
                let term = state.term(source)
                if term.isNone {
                    state.machine.slots[Int(target.rawValue)] = state.machine.slots[Int(source.rawValue)]
                }
                state.setTerm(target, term)
            }
            return
        }
        set(op.destination, try result(op, width, state), state)
    }

    private func result(_ op: MicroOp, _ width: Int, _ state: ExecutionState) throws(Interruption) -> Term {
        func a(_ bits: Int) -> Term { value(op.a, bits, op, state) }
        func b(_ bits: Int) -> Term { value(op.b, bits, op, state) }
        func third(_ bits: Int) -> Term { value(op.third, bits, op, state) }
        func plain(_ operation: Operator) -> Term { arena.make(operation, a(width), b(width)) }
        let amount = Int(truncatingIfNeeded: op.immediate)

        switch op.operation {
        case .move: return a(width)
        case .signExtend: return arena.signExtend(a(width), to: amount)
        case .extract:
            let low = amount & 63
            let source = a(64)
            return arena.extract(source, low: low, width: min(width, 64 - low))
        case .insert:
            var parts = b(width)
            if amount > 0 { parts = arena.concat(parts, arena.extract(a(64), low: 0, width: amount)) }
            let top = amount + width
            return top == 64 ? parts : arena.concat(arena.extract(a(64), low: top, width: 64 - top), parts)
        case .select: return arena.ifThenElse(third(1), a(width), b(width))
        case .add: return plain(.add)
        case .subtract: return plain(.subtract)
        case .scaledAdd:
            return arena.make(
                .add, a(64), arena.make(.shiftLeft, b(64), arena.constant(op.immediate, width: 64)))
        case .multiply: return plain(.multiply)
        case .multiplyHighUnsigned: return plain(.multiplyHighUnsigned)
        case .multiplyHighSigned: return plain(.multiplyHighSigned)
        case .negate: return arena.negate(a(width))
        case .and: return plain(.and)
        case .or: return plain(.or)
        case .xor: return plain(.xor)
        case .not: return arena.not(a(width))
        case .shiftLeft: return shifted(.shiftLeft, a(width), by: b(64))
        case .shiftRight: return shifted(.shiftRightLogical, a(width), by: b(64))
        case .shiftRightArithmetic: return shifted(.shiftRightArithmetic, a(width), by: b(64))
        case .rotateLeft: return rotated(a(width), by: b(width), left: true)
        case .rotateRight: return rotated(a(width), by: b(width), left: false)
        case .equal: return plain(.equal)
        case .notEqual: return arena.not(plain(.equal))
        case .lessUnsigned: return plain(.lessUnsigned)
        case .lessOrEqualUnsigned: return arena.lessOrEqualUnsigned(a(width), b(width))
        case .lessSigned: return plain(.lessSigned)
        case .lessOrEqualSigned: return arena.lessOrEqualSigned(a(width), b(width))
        case .sign: return arena.extract(a(width), low: width - 1, width: 1)
        case .parity: return parity(a(8))
        case .auxiliaryCarry:
            let bits = arena.make(.xor, arena.make(.xor, a(8), b(8)), third(8))
            return arena.extract(bits, low: 4, width: 1)
        case .carryAdd, .carrySubtract, .overflowAdd, .overflowSubtract:
            return carry(op.operation, a(width), b(width), third(width))
        case .countLeadingZeros: return leadingZeros(a(width))
        case .countTrailingZeros: return trailingZeros(a(width))
        case .populationCount: return ones(a(width))
        case .byteSwap: return swapped(a(width))
        case .crc32: return crc32(a(32), b(width))
        case .depositBits, .extractBits:
            let mask = try concretised(b(width), "the mask of PDEP or PEXT", state)
            return op.operation == .depositBits ? deposited(a(width), mask) : gathered(a(width), mask)
        default: return try lanes(op, a(64), b(64), state)
        }
    }

    // MARK: Shifts

    /// A shift by a 64-bit count of which every bit counts.
    private func shifted(_ operation: Operator, _ value: Term, by count: Term) -> Term {
        let width = arena.width(value)
        if let known = arena.constantValue(count) {
            if known < UInt64(width) { return arena.make(operation, value, arena.constant(known, width: width)) }
            if operation != .shiftRightArithmetic { return arena.constant(0, width: width) }
            return arena.signExtend(arena.extract(value, low: width - 1, width: 1), to: width)
        }
        let inside = arena.make(.lessUnsigned, count, arena.constant(UInt64(width), width: 64))
        let within = arena.make(operation, value, resized(count, to: width))
        let beyond =
            operation == .shiftRightArithmetic
            ? arena.signExtend(arena.extract(value, low: width - 1, width: 1), to: width)
            : arena.constant(0, width: width)
        return arena.ifThenElse(inside, within, beyond)
    }

    /// A rotation; the width is a power of two.
    private func rotated(_ value: Term, by count: Term, left: Bool) -> Term {
        let width = arena.width(value)
        let modulus = arena.constant(UInt64(width - 1), width: width)
        let places = arena.make(.and, count, modulus)
        // The other part moves by width - places, which for 0 places is a shift by the width: nothing.
        let rest = arena.make(.subtract, arena.constant(UInt64(width), width: width), places)
        let first = arena.make(left ? .shiftLeft : .shiftRightLogical, value, places)
        let second = arena.make(left ? .shiftRightLogical : .shiftLeft, value, rest)
        return arena.make(.or, first, second)
    }

    // MARK: Flags

    private func parity(_ value: Term) -> Term {
        var sum = arena.extract(value, low: 0, width: 1)
        for bit in 1..<8 { sum = arena.make(.xor, sum, arena.extract(value, low: bit, width: 1)) }
        return arena.not(sum)
    }

    private func carry(_ operation: X86.Operation, _ a: Term, _ b: Term, _ r: Term) -> Term {
        let top = arena.width(a) - 1
        if operation == .overflowSubtract && arena.make(.subtract, a, b) == r {
            return arena.make(.subtractOverflow, a, b)
        }
        let x = arena.extract(a, low: top, width: 1)
        let y = arena.extract(b, low: top, width: 1)
        let z = arena.extract(r, low: top, width: 1)
        switch operation {
        case .carryAdd:
            return arena.make(
                .or, arena.make(.and, x, y), arena.make(.and, arena.make(.or, x, y), arena.not(z)))
        case .carrySubtract:
            let n = arena.not(x)
            return arena.make(.or, arena.make(.and, n, y), arena.make(.and, arena.make(.or, n, y), z))
        case .overflowAdd: return arena.make(.and, arena.make(.xor, x, z), arena.make(.xor, y, z))
        default: return arena.make(.and, arena.make(.xor, x, y), arena.make(.xor, x, z))
        }
    }

    // MARK: Bits and bytes

    private func leadingZeros(_ value: Term) -> Term {
        let width = arena.width(value)
        var result = arena.constant(UInt64(width), width: 8)
        for bit in 0..<width {
            result = arena.ifThenElse(
                arena.extract(value, low: bit, width: 1), arena.constant(UInt64(width - 1 - bit), width: 8), result)
        }
        return result
    }

    private func trailingZeros(_ value: Term) -> Term {
        let width = arena.width(value)
        var result = arena.constant(UInt64(width), width: 8)
        for bit in (0..<width).reversed() {
            result = arena.ifThenElse(
                arena.extract(value, low: bit, width: 1), arena.constant(UInt64(bit), width: 8), result)
        }
        return result
    }

    private func ones(_ value: Term) -> Term {
        var result = arena.constant(0, width: 8)
        for bit in 0..<arena.width(value) {
            result = arena.make(
                .add, result, arena.zeroExtend(arena.extract(value, low: bit, width: 1), to: 8))
        }
        return result
    }

    private func swapped(_ value: Term) -> Term {
        var result = arena.extract(value, low: 0, width: 8)
        for byte in 1..<arena.width(value) / 8 {
            result = arena.concat(result, arena.extract(value, low: 8 * byte, width: 8))
        }
        return result
    }

    /// CRC-32C, least significant bit first (polynomial 0x1EDC6F41, reflected).
    private func crc32(_ accumulator: Term, _ data: Term) -> Term {
        let polynomial = arena.constant(0x82F6_3B78, width: 32)
        let zero = arena.constant(0, width: 32)
        var crc = accumulator
        for byte in 0..<arena.width(data) / 8 {
            crc = arena.make(
                .xor, crc, arena.zeroExtend(arena.extract(data, low: 8 * byte, width: 8), to: 32))
            for _ in 0..<8 {
                let bit = arena.extract(crc, low: 0, width: 1)
                let shifted = arena.zeroExtend(arena.extract(crc, low: 1, width: 31), to: 32)
                crc = arena.make(.xor, shifted, arena.ifThenElse(bit, polynomial, zero))
            }
        }
        return crc
    }

    private func deposited(_ value: Term, _ mask: UInt64) -> Term {
        var next = 0
        let bits = (0..<arena.width(value)).map { bit -> Term in
            guard mask >> UInt64(bit) & 1 == 1 else { return arena.constant(0, width: 1) }
            defer { next += 1 }
            return arena.extract(value, low: next, width: 1)
        }
        return joined(bits)
    }

    private func gathered(_ value: Term, _ mask: UInt64) -> Term {
        let bits = (0..<arena.width(value)).filter { mask >> UInt64($0) & 1 == 1 }.map {
            arena.extract(value, low: $0, width: 1)
        }
        return bits.isEmpty ? arena.constant(0, width: 1) : joined(bits)
    }

    /// Terms side by side, the first one lowest; 64 bits at most.
    func joined(_ parts: [Term]) -> Term {
        var result = parts[0]
        for part in parts.dropFirst() { result = arena.concat(part, result) }
        return result
    }
}

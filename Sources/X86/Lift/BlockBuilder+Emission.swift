// Operations, temporaries and commits
extension BlockBuilder {
    mutating func temporary() -> Slot {
        let slot = Slot(nextTemporary)
        nextTemporary += 1
        return slot
    }

    /// Two neighbouring temporaries for a 128-bit value.
    mutating func temporaryPair() -> Slot {
        let slot = Slot(nextTemporary)
        nextTemporary += 2
        return slot
    }

    /// A slot that holds the value.
    mutating func materialize(_ value: Value) -> Slot {
        switch value {
        case .slot(let slot): return slot
        case .constant(0): return .zero
        case .constant(let constant):
            let result = temporary()
            operations.append(MicroOp(.move, destination: result, a: .immediate, immediate: constant))
            return result
        }
    }

    mutating func unary(_ operation: Operation, _ width: UInt8, _ a: Value, immediate: UInt64 = 0) -> Value {
        let source = materialize(a)
        let result = temporary()
        operations.append(MicroOp(operation, width: width, destination: result, a: source, immediate: immediate))
        return .slot(result)
    }

    mutating func binary(_ operation: Operation, _ width: UInt8, _ a: Value, _ b: Value) -> Value {
        let left = materialize(a)
        let result: Slot
        switch b {
        case .constant(let constant):
            result = temporary()
            operations.append(
                MicroOp(operation, width: width, destination: result, a: left, b: .immediate, immediate: constant))
        case .slot(let right):
            result = temporary()
            operations.append(MicroOp(operation, width: width, destination: result, a: left, b: right))
        }
        return .slot(result)
    }

    /// An operation whose immediate field names a third slot.
    mutating func ternary(_ operation: Operation, _ width: UInt8, _ a: Value, _ b: Value, _ third: Value) -> Value {
        let left = materialize(a)
        let right = materialize(b)
        let extra = materialize(third)
        let result = temporary()
        operations.append(
            MicroOp(
                operation, width: width, destination: result, a: left, b: right,
                immediate: UInt64(extra.rawValue)))
        return .slot(result)
    }

    /// `condition` (0 or 1) ? a : b.
    mutating func select(_ width: UInt8, _ condition: Value, _ a: Value, _ b: Value) -> Value {
        ternary(.select, width, a, b, condition)
    }

    mutating func insert(_ width: UInt8, into old: Value, _ new: Value, at position: UInt64) -> Value {
        let left = materialize(old)
        let right = materialize(new)
        let result = temporary()
        operations.append(
            MicroOp(.insert, width: width, destination: result, a: left, b: right, immediate: position))
        return .slot(result)
    }

    /// Zero-extended to 64 bits.
    mutating func zeroExtend(_ width: UInt8, _ value: Value) -> Value {
        if case .constant(let constant) = value { return .constant(constant & (~0 >> UInt64(64 - width))) }
        return width == 64 ? value : unary(.move, width, value)
    }

    mutating func signExtend(_ width: UInt8, _ value: Value, to target: UInt8) -> Value {
        width == target ? value : unary(.signExtend, width, value, immediate: UInt64(target))
    }

    /// A commit of 64 bits to a slot.
    mutating func commit(_ slot: Slot, _ value: Value) {
        switch value {
        case .slot(let source): commits.append(MicroOp(.move, destination: slot, a: source))
        case .constant(let constant):
            commits.append(MicroOp(.move, destination: slot, a: .immediate, immediate: constant))
        }
    }

    /// Writes a general register with the merge rule of its width.
    mutating func commitGeneral(_ slot: Slot, _ width: Int, _ value: Value, isHighByte: Bool = false) {
        switch width {
        case 64: commit(slot, value)
        case 32:
            switch value {
            case .slot(let source): commits.append(MicroOp(.move, width: 32, destination: slot, a: source))
            case .constant(let constant): commit(slot, .constant(constant & 0xFFFF_FFFF))
            }
        default:
            let source = materialize(value)
            commits.append(
                MicroOp(
                    .insert, width: UInt8(width), destination: slot, a: slot, b: source, immediate: isHighByte ? 8 : 0))
        }
    }

    mutating func terminate(_ operation: MicroOp) { terminators.append(operation) }

    mutating func helper(
        _ helper: Helper, destination: Slot = .zero, a: Value = .zero, b: Value = .zero, detail: Int = 0,
        argument: Int = 0
    ) {
        let left = materialize(a)
        let right = materialize(b)
        operations.append(
            .helper(helper, destination: destination, a: left, b: right, detail: detail, argument: argument))
    }
}

import X86

// Sums, logic, products, shifts
extension Translator {
    private static let hostOperations: [Operation: HostALUOperation] = [
        .add: .add, .subtract: .subtract, .and: .and, .or: .or, .xor: .xor,
    ]

    func emitArithmetic(_ op: MicroOp) {
        let width = op.width
        let mask = Self.mask(width)
        let size = Self.size(width)
        let a = known(op.a, op)
        let b = known(op.b, op)
        if a.isConstant, b.isConstant {
            define(op.destination, constant: Self.fold(op.operation, a.bits, b.bits) & mask)
            return
        }
        let (boundA, boundB) = (bound(op.a, op), bound(op.b, op))
        guard let host = Self.hostOperations[op.operation] else { return }
        // What to apply: a constant that the instruction can hold, or a register.
        let constant: UInt64? = b.isConstant && (size == 32 || CodeAssembler.fits32(b.bits)) ? b.bits : nil
        let right = constant == nil ? register(op.b, op) : nil
        let result: HostRegister
        if a.isConstant {
            result = allocate()
            code.move(result, constant: a.bits)
        } else {
            result = destination(from: op.a, op)
        }
        if let constant {
            code.arithmetic(host, result, constant: constant, size)
        } else if let right {
            code.arithmetic(host, result, right, size)
        }
        var bound = mask
        var isExact = width >= 32
        switch op.operation {
        case .and:
            bound = min(boundA, boundB, mask)
            isExact = isExact || min(boundA, boundB) <= mask
        case .or, .xor:
            if max(boundA, boundB) <= mask {
                isExact = true
                bound = Self.ones(max(boundA, boundB))
            }
        default: break
        }
        if !isExact { clearAbove(result, width) }
        let kind: Arithmetic.Kind =
            op.operation == .add ? .add : op.operation == .subtract ? .subtract : .logic
        var origin = Arithmetic(
            kind: kind, width: width, a: a.cut(to: mask), b: b.cut(to: mask), result: nil)
        define(op.destination, result, bound: bound)
        origin.result = name(op.destination)
        slots[Int(op.destination.rawValue)].origin = origin
        // Only instructions of the operation's own width leave its flags.
        flags = width >= 32 ? origin : .none
    }

    /// The smallest 2^n - 1 that is not less.
    static func ones(_ value: UInt64) -> UInt64 { value == 0 ? 0 : ~0 >> UInt64(value.leadingZeroBitCount) }

    private static func fold(_ operation: Operation, _ a: UInt64, _ b: UInt64) -> UInt64 {
        switch operation {
        case .add: a &+ b
        case .subtract: a &- b
        case .and: a & b
        case .or: a | b
        default: a ^ b
        }
    }

    func emitScaledAdd(_ op: MicroOp) {
        let scale = UInt8(op.immediate & 3)
        let index = register(op.b, op)
        if constant(op.a, op) == 0 {
            let result = allocate()
            code.move(result, index)
            if scale != 0 {
                code.shift(.left, result, by: scale)
                flags = .none
            }
            define(op.destination, result)
            return
        }
        let base = register(op.a, op)
        let result = allocate()
        code.loadAddress(result, HostAddress(base, 0, index: index, scale: scale))
        define(op.destination, result)
    }

    func emitMultiply(_ op: MicroOp) {
        let size = Self.size(op.width)
        flags = .none
        if let factor = constant(op.b, op), size == 32 || CodeAssembler.fits32(factor) {
            let source = register(op.a, op)
            let result = allocate()
            code.multiply(result, source, constant: factor, size)
            clearAbove(result, op.width)
            define(op.destination, result, bound: Self.mask(op.width))
            return
        }
        let factor = register(op.b, op)
        let result = destination(from: op.a, op)
        code.multiply(result, factor, size)
        clearAbove(result, op.width)
        define(op.destination, result, bound: Self.mask(op.width))
    }

    func emitMultiplyHigh(_ op: MicroOp) {
        let isSigned = op.operation == .multiplyHighSigned
        flags = .none
        if op.width == 64 {
            let factor = register(op.b, op)
            copy(.rax, op.a, op)
            code.unary(isSigned ? .multiplySigned : .multiply, factor)
            let result = allocate()
            code.move(result, .rdx)
            define(op.destination, result)
            return
        }
        copyExtended(.rax, op.a, op, isSigned)
        copyExtended(.rdx, op.b, op, isSigned)
        code.multiply(.rax, .rdx)
        code.shift(.right, .rax, by: op.width)
        let result = allocate()
        code.zeroExtend(result, .rax, op.width)
        define(op.destination, result, bound: Self.mask(op.width))
    }

    /// An operand of fewer than 64 bits, extended to 64, in a scratch register.
    func copyExtended(_ to: HostRegister, _ slot: Slot, _ op: MicroOp, _ isSigned: Bool) {
        copy(to, slot, op, op.width)
        if isSigned { code.signExtend(to, to, op.width, to: 64) }
    }

    func emitUnary(_ op: MicroOp) {
        let result = destination(from: op.a, op)
        let isNot = op.operation == .not
        code.unary(isNot ? .not : .negate, result, Self.size(op.width))
        if !isNot { flags = .none }
        clearAbove(result, op.width)
        define(op.destination, result, bound: Self.mask(op.width))
    }

    func emitShift(_ op: MicroOp) {
        let width = op.width
        let mask = Self.mask(width)
        let size = Self.size(width)
        let host: HostShift =
            op.operation == .shiftLeft ? .left : op.operation == .shiftRight ? .right : .rightArithmetic
        if let count = constant(op.b, op) {
            emitShift(op, host, by: count)
            return
        }
        flags = .none
        let isBounded = bound(op.b, op) < UInt64(size)
        copy(.rcx, op.b, op)
        let result = shiftOperand(op, host, isWide: !isBounded && host == .rightArithmetic)
        if isBounded {
            code.shiftByCL(host, result, size)
            if width < 32 { code.zeroExtend(result, result, width) }
        } else if host == .rightArithmetic {
            // On the sign-extended 64 bits; a larger count gives what 63 gives.
            code.move(.rax, constant: 63)
            code.arithmetic(.compare, .rcx, .rax)
            code.moveIf(.above, .rcx, .rax)
            code.shiftByCL(host, result)
            code.zeroExtend(result, result, width)
        } else {
            code.shiftByCL(host, result, size)
            code.move(.rax, constant: 0)
            code.arithmetic(.compare, .rcx, constant: UInt64(width))
            code.moveIf(.aboveOrEqual, result, .rax)
            if width < 32 { code.zeroExtend(result, result, width) }
        }
        define(op.destination, result, bound: mask)
    }

    /// A changeable copy of operand a with the bits above the width as the shift needs them.
    private func shiftOperand(_ op: MicroOp, _ host: HostShift, isWide: Bool = false) -> HostRegister {
        let width = op.width
        if host == .rightArithmetic, width < 32 || (isWide && width < 64) {
            let source = register(op.a, op)
            let result = allocate()
            code.signExtend(result, source, width, to: isWide ? 64 : 32)
            return result
        }
        if host == .right, width < 32, bound(op.a, op) > Self.mask(width) {
            let source = register(op.a, op)
            let result = allocate()
            code.zeroExtend(result, source, width)
            return result
        }
        let result = destination(from: op.a, op)
        // A count of 0 does not clear the upper half on every host.
        if width == 32, bound(op.a, op) > Self.mask(32) { code.move(result, result, 32) }
        return result
    }

    private func emitShift(_ op: MicroOp, _ host: HostShift, by count: UInt64) {
        let width = op.width
        let mask = Self.mask(width)
        if count >= UInt64(width), host != .rightArithmetic {
            define(op.destination, constant: 0)
            return
        }
        let amount = UInt8(min(count, UInt64(width) - 1))
        let limit = bound(op.a, op)
        let result = shiftOperand(op, host)
        if amount != 0 || width == 32 {
            if amount == 0 {
                code.move(result, result, 32)
            } else {
                code.shift(host, result, by: amount, Self.size(width))
                flags = .none
            }
        }
        var bound = mask
        if host == .right { bound = min(limit, mask) >> UInt64(amount) }
        if width < 32, host != .right { code.zeroExtend(result, result, width) }
        define(op.destination, result, bound: bound)
    }

    func emitRotate(_ op: MicroOp) {
        let host: HostShift = op.operation == .rotateLeft ? .rotateLeft : .rotateRight
        flags = .none
        if let count = constant(op.b, op) {
            let result = destination(from: op.a, op)
            let amount = UInt8(count & UInt64(op.width - 1))
            if amount != 0 {
                code.shift(host, result, by: amount, op.width)
            }
            if amount == 0 || op.width < 32, op.width < 64 { code.zeroExtend(result, result, op.width) }
            define(op.destination, result, bound: Self.mask(op.width))
            return
        }
        copy(.rcx, op.b, op)
        // The host takes counts modulo 32 or 64, and those of narrow rotates modulo their width. A count of 0 leaves the upper half.
        let result = destination(from: op.a, op)
        if op.width == 32 { code.move(result, result, 32) }
        code.shiftByCL(host, result, op.width)
        if op.width < 32 { code.zeroExtend(result, result, op.width) }
        define(op.destination, result, bound: Self.mask(op.width))
    }
}

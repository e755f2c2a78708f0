/// A bit-vector expression: a handle into the ``ExpressionArena`` that made it.
///
/// Expressions are hash-consed: within one arena two handles are equal exactly when the (simplified) expressions are the
/// same tree. The handle 0, ``none``, stands for "no expression" (a concrete value in the engine's slots).
package struct Term: Hashable, Sendable, BitwiseCopyable {
    /// Index of the node in its arena; 0 for ``none``.
    package let handle: UInt32

    @inlinable
    package init(handle: UInt32) { self.handle = handle }

    /// No expression: the value is concrete.
    package static let none = Term(handle: 0)

    /// Whether this is ``none``.
    @inlinable
    package var isNone: Bool { handle == 0 }
}

/// What a node computes. Operands and results are bit-vectors of 1 to 64 bits; a truth value is a 1-bit vector.
///
/// The meaning follows SMT-LIB's QF_BV, also where x86 differs: a division by zero gives all ones, the remainder by zero
/// gives the dividend, and a shift by the width or more gives 0 (or the sign). Whoever lifts machine code guards those cases.
package enum Operator: UInt8, Sendable, CaseIterable {
    // Leaves.
    /// A constant: its value is in the node.
    case constant = 1
    /// One symbolic byte (8 bits), by its index in the arena.
    case symbol
    /// Element `a` (as an unsigned index) of a constant table.
    case table

    // One operand.
    /// Bitwise complement.
    case not
    /// Zeros in front.
    case zeroExtend
    /// Copies of the sign bit in front.
    case signExtend
    /// `width` bits from bit `low` on.
    case extract

    // Two operands of the result's width.
    case add
    case subtract
    case multiply
    /// The upper half of the double-width product of unsigned operands.
    case multiplyHighUnsigned
    /// The upper half of the double-width product of signed operands.
    case multiplyHighSigned
    case divideUnsigned
    case remainderUnsigned
    /// Truncates towards zero.
    case divideSigned
    /// The sign follows the dividend.
    case remainderSigned
    case and
    case or
    case xor
    case shiftLeft
    case shiftRightLogical
    case shiftRightArithmetic

    // Two operands of one width, a 1-bit result.
    case equal
    case lessUnsigned
    case lessSigned
    /// Whether `a - b` overflows as a signed subtraction. A node of its own so that the sign/overflow pair of a machine's
    /// "less" condition is recognised.
    case subtractOverflow

    /// `a` above `b`: the width is the sum of both, at most 64.
    case concat
    /// `a ? b : c`, where `a` has 1 bit.
    case ifThenElse
}

/// One node of the arena: 24 bytes.
struct Node {
    var operation: Operator
    var width: UInt8
    /// The lowest bit of an ``Operator/extract``.
    var low: UInt16
    /// First operand; the byte index of a symbol; the low half of a constant.
    var a: UInt32
    /// Second operand; the table's number; the high half of a constant.
    var b: UInt32
    /// Third operand.
    var c: UInt32
    /// The interned set of symbolic bytes that the value depends on.
    var dependencies: UInt32
    var hash: UInt32

    init(
        operation: Operator, width: UInt8, low: UInt16 = 0, a: UInt32 = 0, b: UInt32 = 0, c: UInt32 = 0,
        dependencies: UInt32 = 0
    ) {
        self.operation = operation
        self.width = width
        self.low = low
        self.a = a
        self.b = b
        self.c = c
        self.dependencies = dependencies
        // Two multiply-xorshift rounds over the identity of the node.
        var h = UInt64(a) | UInt64(b) << 32
        h =
            (h ^ (UInt64(c) << 16 | UInt64(operation.rawValue) << 56 | UInt64(width) << 48 | UInt64(low)))
            &* 0x9E37_79B9_7F4A_7C15
        h ^= h >> 29
        h = h &* 0xBF58_476D_1CE4_E5B9
        self.hash = UInt32(truncatingIfNeeded: h >> 32)
    }

    /// The value of a constant node.
    var constantValue: UInt64 { UInt64(a) | UInt64(b) << 32 }

    /// Same node, apart from what follows from the rest (dependencies).
    func isIdentical(to other: Node) -> Bool {
        operation == other.operation && width == other.width && low == other.low && a == other.a && b == other.b
            && c == other.c
    }
}

/// All ones in the lowest `width` bits; `width` is 1 to 64.
@inlinable
package func lowMask(_ width: Int) -> UInt64 { ~0 >> UInt64(64 - width) }

/// `value` of `width` bits with its sign spread over 64 bits.
@inlinable
package func signExtended(_ value: UInt64, from width: Int) -> Int64 {
    let shift = UInt64(64 - width)
    return Int64(bitPattern: value << shift) >> Int64(shift)
}

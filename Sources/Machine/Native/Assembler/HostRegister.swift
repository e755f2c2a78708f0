/// A general register of the host, by its number in instruction encodings.
package struct HostRegister: Equatable, Sendable {
    package let number: UInt8

    package init(_ number: UInt8) { self.number = number }

    package static let rax = HostRegister(0)
    package static let rcx = HostRegister(1)
    package static let rdx = HostRegister(2)
    package static let rbx = HostRegister(3)
    package static let rsp = HostRegister(4)
    package static let rbp = HostRegister(5)
    package static let rsi = HostRegister(6)
    package static let rdi = HostRegister(7)
    package static let r8 = HostRegister(8)
    package static let r9 = HostRegister(9)
    package static let r10 = HostRegister(10)
    package static let r11 = HostRegister(11)
    package static let r12 = HostRegister(12)
    package static let r13 = HostRegister(13)
    package static let r14 = HostRegister(14)
    package static let r15 = HostRegister(15)
}

/// Memory operand: base + index * 2^scale + displacement.
package struct HostAddress: Equatable, Sendable {
    package var base: HostRegister
    /// Not RSP.
    package var index: HostRegister?
    /// Binary logarithm of the index's factor, 0-3.
    package var scale: UInt8
    package var displacement: Int32

    package init(_ base: HostRegister, _ displacement: Int32 = 0, index: HostRegister? = nil, scale: UInt8 = 0) {
        self.base = base
        self.index = index
        self.scale = scale
        self.displacement = displacement
    }
}

/// Condition codes of Jcc, SETcc and CMOVcc (Intel SDM volume 2, appendix B, table B-10).
package enum HostCondition: UInt8, Sendable {
    case overflow = 0
    case noOverflow = 1
    case below = 2
    case aboveOrEqual = 3
    case equal = 4
    case notEqual = 5
    case belowOrEqual = 6
    case above = 7
    case sign = 8
    case noSign = 9
    case parity = 10
    case noParity = 11
    case less = 12
    case greaterOrEqual = 13
    case lessOrEqual = 14
    case greater = 15

    /// True when this one is false.
    package var inverse: HostCondition { HostCondition(rawValue: rawValue ^ 1) ?? self }
}

/// The eight operations that share one encoding pattern; the raw value is the ModRM extension of the immediate forms.
package enum HostALUOperation: UInt8, Sendable {
    case add = 0
    case or = 1
    case addCarry = 2
    case subtractBorrow = 3
    case and = 4
    case subtract = 5
    case xor = 6
    case compare = 7
}

/// Shifts and rotates; the raw value is the ModRM extension.
package enum HostShift: UInt8, Sendable {
    case rotateLeft = 0
    case rotateRight = 1
    case left = 4
    case right = 5
    case rightArithmetic = 7
}

/// One-operand operations of opcodes F6 and F7; the raw value is the ModRM extension.
package enum HostUnary: UInt8, Sendable {
    case not = 2
    case negate = 3
    /// RDX:RAX = RAX * operand.
    case multiply = 4
    case multiplySigned = 5
    /// RAX, RDX = quotient and remainder of RDX:RAX; the operands must be such that the host does not fault.
    case divide = 6
    case divideSigned = 7
}

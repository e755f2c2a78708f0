/// A general register of the host, by its number in instruction encodings.
struct HostRegister: Equatable, Sendable {
    let number: UInt8

    init(_ number: UInt8) { self.number = number }

    static let rax = HostRegister(0)
    static let rcx = HostRegister(1)
    static let rdx = HostRegister(2)
    static let rbx = HostRegister(3)
    static let rsp = HostRegister(4)
    static let rbp = HostRegister(5)
    static let rsi = HostRegister(6)
    static let rdi = HostRegister(7)
    static let r8 = HostRegister(8)
    static let r9 = HostRegister(9)
    static let r10 = HostRegister(10)
    static let r11 = HostRegister(11)
    static let r12 = HostRegister(12)
    static let r13 = HostRegister(13)
    static let r14 = HostRegister(14)
    static let r15 = HostRegister(15)
}

/// Memory operand: base + index * 2^scale + displacement.
struct HostAddress: Equatable, Sendable {
    var base: HostRegister
    /// Not RSP.
    var index: HostRegister?
    /// Binary logarithm of the index's factor, 0-3.
    var scale: UInt8
    var displacement: Int32

    init(_ base: HostRegister, _ displacement: Int32 = 0, index: HostRegister? = nil, scale: UInt8 = 0) {
        self.base = base
        self.index = index
        self.scale = scale
        self.displacement = displacement
    }
}

/// Condition codes of Jcc, SETcc and CMOVcc (Intel SDM volume 2, appendix B, table B-10).
enum HostCondition: UInt8, Sendable {
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
    var inverse: HostCondition { HostCondition(rawValue: rawValue ^ 1) ?? self }
}

/// The eight operations that share one encoding pattern; the raw value is the ModRM extension of the immediate forms.
enum HostALUOperation: UInt8, Sendable {
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
enum HostShift: UInt8, Sendable {
    case rotateLeft = 0
    case rotateRight = 1
    case left = 4
    case right = 5
    case rightArithmetic = 7
}

/// One-operand operations of opcodes F6 and F7; the raw value is the ModRM extension.
enum HostUnary: UInt8, Sendable {
    case not = 2
    case negate = 3
    /// RDX:RAX = RAX * operand.
    case multiply = 4
    case multiplySigned = 5
    /// RAX, RDX = quotient and remainder of RDX:RAX; the operands must be such that the host does not fault.
    case divide = 6
    case divideSigned = 7
}

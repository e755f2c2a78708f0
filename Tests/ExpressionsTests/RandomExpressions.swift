import Expressions

/// A seeded generator (SplitMix64): tests repeat exactly.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}

/// A tree that describes an expression before any arena sees it, so that it can be built with and without simplification.
indirect enum Tree {
    case constant(UInt64, Int)
    case symbol(UInt32)
    case not(Tree)
    case extended(Tree, Int, signed: Bool)
    case extract(Tree, low: Int, width: Int)
    case binary(Operator, Tree, Tree)
    case choice(Tree, Tree, Tree)
    case table(ConstantTable, Tree)

    static let arithmetic: [Operator] = [
        .add, .subtract, .multiply, .multiplyHighUnsigned, .multiplyHighSigned, .divideUnsigned, .remainderUnsigned,
        .divideSigned, .remainderSigned, .and, .or, .xor, .shiftLeft, .shiftRightLogical, .shiftRightArithmetic,
        .and, .or, .xor, .add, .subtract,
    ]
    static let comparisons: [Operator] = [.equal, .lessUnsigned, .lessSigned, .subtractOverflow]

    /// A random tree of `width` bits over `symbols` bytes.
    static func random(width: Int, depth: Int, symbols: UInt32, using generator: inout Seeded) -> Tree {
        func tree(_ width: Int) -> Tree {
            random(width: width, depth: depth - 1, symbols: symbols, using: &generator)
        }
        if depth == 0 || Int.random(in: 0..<12, using: &generator) == 0 {
            if width == 8 && Bool.random(using: &generator) {
                return .symbol(UInt32.random(in: 0..<symbols, using: &generator))
            }
            if width > 8 && Bool.random(using: &generator) {
                return .extended(
                    .symbol(UInt32.random(in: 0..<symbols, using: &generator)), width,
                    signed: Bool.random(using: &generator))
            }
            return .constant(interesting(width, using: &generator), width)
        }
        if width == 1 && Int.random(in: 0..<3, using: &generator) > 0 {
            let operandWidth = [1, 4, 8, 12, 16].randomElement(using: &generator) ?? 8
            let operation = comparisons.randomElement(using: &generator) ?? .equal
            let left = tree(operandWidth)
            return .binary(operation, left, tree(operandWidth))
        }
        switch Int.random(in: 0..<12, using: &generator) {
        case 0: return .not(tree(width))
        case 1 where width > 1:
            let inner = Int.random(in: 1..<width, using: &generator)
            return .extended(tree(inner), width, signed: Bool.random(using: &generator))
        case 2, 3:
            let inner = min(64, width + Int.random(in: 1...9, using: &generator))
            guard inner > width else { return .not(tree(width)) }
            return .extract(tree(inner), low: Int.random(in: 0...inner - width, using: &generator), width: width)
        case 4 where width > 1, 5 where width > 1:
            let low = Int.random(in: 1..<width, using: &generator)
            let high = tree(width - low)
            return .binary(.concat, high, tree(low))
        case 6:
            let test = tree(1)
            let first = tree(width)
            return .choice(test, first, tree(width))
        case 7 where width <= 16:
            let elements = (0..<Int.random(in: 2...9, using: &generator)).map { _ in
                generator.next()
            }
            let table = ConstantTable(elements: elements, elementWidth: width)
            return .table(table, tree(table.indexWidth))
        default:
            let operation = arithmetic.randomElement(using: &generator) ?? .add
            let left = tree(width)
            if Int.random(in: 0..<3, using: &generator) == 0 {
                return .binary(operation, left, .constant(interesting(width, using: &generator), width))
            }
            return .binary(operation, left, tree(width))
        }
    }

    /// Constants near the edges, where rules go wrong.
    static func interesting(_ width: Int, using generator: inout Seeded) -> UInt64 {
        let top = UInt64(1) << UInt64(width - 1)
        let candidates: [UInt64] = [
            0, 1, 2, 3, UInt64(width), UInt64(width - 1), top, top &- 1, top &+ 1, .max, .max &- 1, 0xF0, 0x0F,
            1 << UInt64.random(in: 0..<UInt64(width), using: &generator), generator.next(), generator.next(),
        ]
        return (candidates.randomElement(using: &generator) ?? 0) & lowMask(width)
    }

    func build(in arena: ExpressionArena) -> Term {
        switch self {
        case .constant(let value, let width): arena.constant(value, width: width)
        case .symbol(let byte): arena.symbol(byte)
        case .not(let a): arena.not(a.build(in: arena))
        case .extended(let a, let width, let signed):
            signed
                ? arena.signExtend(a.build(in: arena), to: width) : arena.zeroExtend(a.build(in: arena), to: width)
        case .extract(let a, let low, let width): arena.extract(a.build(in: arena), low: low, width: width)
        case .binary(.concat, let a, let b): arena.concat(a.build(in: arena), b.build(in: arena))
        case .binary(let operation, let a, let b):
            arena.make(operation, a.build(in: arena), b.build(in: arena))
        case .choice(let test, let a, let b):
            arena.ifThenElse(test.build(in: arena), a.build(in: arena), b.build(in: arena))
        case .table(let table, let index): arena.load(table, at: index.build(in: arena))
        }
    }
}

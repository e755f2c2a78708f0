/// A set of byte values.
struct ByteDomain: Hashable, Sendable {
    private var words: SIMD4<UInt64>

    static let full = ByteDomain(words: SIMD4(repeating: ~0))

    private init(words: SIMD4<UInt64>) { self.words = words }

    /// The values for which `contains` is true.
    init(_ contains: (UInt8) -> Bool) {
        words = SIMD4(repeating: 0)
        for value in 0...UInt8.max where contains(value) { words[Int(value >> 6)] |= 1 << UInt64(value & 63) }
    }

    func intersection(_ other: ByteDomain) -> ByteDomain { ByteDomain(words: words & other.words) }

    func contains(_ value: UInt8) -> Bool { words[Int(value >> 6)] >> UInt64(value & 63) & 1 == 1 }

    /// The least value; nil for the empty set.
    var first: UInt8? {
        for index in 0..<4 where words[index] != 0 {
            return UInt8(index * 64 + words[index].trailingZeroBitCount)
        }
        return nil
    }
}

extension ExpressionArena {
    /// The values of its only symbolic byte for which a 1-bit expression is true; nil when the expression is too large to be
    /// tabulated (more than 512 nodes).
    ///
    /// Evaluates node by node over all 256 values, which costs less than one solver query.
    func domain(of expression: Term) -> ByteDomain? {
        guard let order = topologicalOrder(of: [expression], limit: 512) else { return nil }
        var place: [UInt32: Int] = [:]
        var columns: [UInt64] = []
        columns.reserveCapacity(order.count * 256)
        for (index, handle) in order.enumerated() {
            let node = node(handle)
            let width = Int(node.width)
            let a = (place[node.a] ?? 0) * 256
            let b = (place[node.b] ?? 0) * 256
            let c = (place[node.c] ?? 0) * 256
            switch node.operation {
            case .constant: columns.append(contentsOf: repeatElement(node.constantValue, count: 256))
            case .symbol: columns.append(contentsOf: 0..<256)
            case .table, .not, .zeroExtend, .signExtend, .extract:
                for value in 0..<256 { columns.append(unaryValue(node, columns[a + value], width: width)) }
            case .ifThenElse:
                for value in 0..<256 {
                    columns.append(columns[a + value] != 0 ? columns[b + value] : columns[c + value])
                }
            case .concat:
                let shift = UInt64(self.node(node.b).width)
                for value in 0..<256 { columns.append(columns[a + value] << shift | columns[b + value]) }
            default:
                let operandWidth = Int(self.node(node.a).width)
                for value in 0..<256 {
                    columns.append(
                        node.operation.compute(columns[a + value], columns[b + value], width: operandWidth))
                }
            }
            place[handle] = index
        }
        let last = (order.count - 1) * 256
        return ByteDomain { columns[last + Int($0)] == 1 }
    }
}

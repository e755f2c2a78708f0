extension ExpressionArena {
    /// A complete SMT-LIB 2 script (QF_BV, or QF_UFBV with constant tables) that asserts that every expression is true.
    ///
    /// Shared nodes become definitions `n<handle>` in dependency order, so the text's size is that of the graph. A symbolic
    /// byte is `s<index>`; truth values are 1-bit vectors.
    package func smtLIB(asserting assertions: [Term]) -> String {
        // Without a limit the order is always complete.
        let order = topologicalOrder(of: assertions) ?? []
        let usesTables = order.contains { nodes[Int($0)].operation == .table }
        var lines = ["(set-logic \(usesTables ? "QF_UFBV" : "QF_BV"))"]
        var declared: Set<UInt32> = []
        for handle in order {
            let node = nodes[Int(handle)]
            switch node.operation {
            case .constant: continue
            case .symbol:
                lines.append("(declare-const s\(node.a) (_ BitVec 8))")
                continue
            case .table where declared.insert(node.b).inserted:
                let table = tables[Int(node.b)]
                lines.append(
                    "(declare-fun t\(node.b) ((_ BitVec \(table.indexWidth))) (_ BitVec \(table.elementWidth)))")
                for (index, element) in table.elements.enumerated() {
                    let place = literal(UInt64(index), table.indexWidth)
                    lines.append("(assert (= (t\(node.b) \(place)) \(literal(element, table.elementWidth))))")
                }
            default: break
            }
            lines.append("(define-fun n\(handle) () (_ BitVec \(node.width)) \(definition(node)))")
        }
        for assertion in assertions { lines.append("(assert (= \(reference(assertion.handle)) #b1))") }
        lines.append("(check-sat)")
        return lines.joined(separator: "\n") + "\n"
    }

    private func literal(_ value: UInt64, _ width: Int) -> String { "(_ bv\(value) \(width))" }

    private func reference(_ handle: UInt32) -> String {
        let node = nodes[Int(handle)]
        switch node.operation {
        case .constant: return literal(node.constantValue, Int(node.width))
        case .symbol: return "s\(node.a)"
        default: return "n\(handle)"
        }
    }

    private func definition(_ node: Node) -> String {
        let a = reference(node.a)
        let operandWidth = Int(nodes[Int(node.a)].width)
        switch node.operation {
        case .constant, .symbol: return ""
        case .table: return "(t\(node.b) \(a))"
        case .not: return "(bvnot \(a))"
        case .zeroExtend: return "((_ zero_extend \(Int(node.width) - operandWidth)) \(a))"
        case .signExtend: return "((_ sign_extend \(Int(node.width) - operandWidth)) \(a))"
        case .extract: return "((_ extract \(Int(node.low) + Int(node.width) - 1) \(node.low)) \(a))"
        case .ifThenElse: return "(ite (= \(a) #b1) \(reference(node.b)) \(reference(node.c)))"
        default: break
        }
        let b = reference(node.b)
        switch node.operation {
        case .multiplyHighUnsigned, .multiplyHighSigned:
            let extend = node.operation == .multiplyHighUnsigned ? "zero_extend" : "sign_extend"
            let product = "(bvmul ((_ \(extend) \(operandWidth)) \(a)) ((_ \(extend) \(operandWidth)) \(b)))"
            return "((_ extract \(2 * operandWidth - 1) \(operandWidth)) \(product))"
        case .equal: return "(ite (= \(a) \(b)) #b1 #b0)"
        case .lessUnsigned: return "(ite (bvult \(a) \(b)) #b1 #b0)"
        case .lessSigned: return "(ite (bvslt \(a) \(b)) #b1 #b0)"
        case .subtractOverflow:
            let top = operandWidth - 1
            return "((_ extract \(top) \(top)) (bvand (bvxor \(a) \(b)) (bvxor \(a) (bvsub \(a) \(b)))))"
        default: return "(\(Self.smtName(node.operation)) \(a) \(b))"
        }
    }

    private static func smtName(_ operation: Operator) -> String {
        switch operation {
        case .add: "bvadd"
        case .subtract: "bvsub"
        case .multiply: "bvmul"
        case .divideUnsigned: "bvudiv"
        case .remainderUnsigned: "bvurem"
        case .divideSigned: "bvsdiv"
        case .remainderSigned: "bvsrem"
        case .and: "bvand"
        case .or: "bvor"
        case .xor: "bvxor"
        case .shiftLeft: "bvshl"
        case .shiftRightLogical: "bvlshr"
        case .shiftRightArithmetic: "bvashr"
        default: "concat"
        }
    }

    /// A short text of an expression for logs: SMT-LIB syntax as a tree, with `…` below `depth` levels.
    package func describe(_ expression: Term, depth: Int = 6) -> String {
        let node = node(expression)
        switch node.operation {
        case .constant: return "0x" + String(node.constantValue, radix: 16)
        case .symbol:
            let buffer = buffers.last { $0.firstByte <= node.a }
            return buffer.map { "\($0.name)[\(node.a - $0.firstByte)]" } ?? "s\(node.a)"
        default: break
        }
        if depth == 0 { return "…" }
        let parts = operands(expression).map { describe($0, depth: depth - 1) }
        let shape =
            switch node.operation {
            case .extract: "extract \(Int(node.low) + Int(node.width) - 1) \(node.low)"
            case .zeroExtend, .signExtend: "\(node.operation) \(node.width)"
            case .table: "table \(node.b)"
            default: "\(node.operation)"
            }
        return "(\(shape) \(parts.joined(separator: " ")))"
    }
}

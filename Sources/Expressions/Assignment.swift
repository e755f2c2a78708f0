/// A value for every symbolic byte of an arena; bytes beyond its end are 0.
///
/// The version names the content: evaluation keeps what it computed under one version, so that the next expression under
/// the same assignment costs its new nodes only. ``ExpressionArena/assignment(_:)`` gives out versions.
package struct Assignment: Sendable {
    /// Value by byte index.
    package let bytes: [UInt8]
    /// Different for every assignment of an arena.
    package let version: UInt64

    init(bytes: [UInt8], version: UInt64) {
        self.bytes = bytes
        self.version = version
    }

    /// The value of one byte.
    @inlinable
    package func value(of byte: UInt32) -> UInt8 { Int(byte) < bytes.count ? bytes[Int(byte)] : 0 }
}

/// Values for some symbolic bytes: what a solver found.
package struct ByteValues: Sendable, Equatable {
    /// Byte index and value, by ascending index.
    package var entries: [Entry]

    package init(entries: [Entry]) { self.entries = entries }

    /// One byte's value.
    package struct Entry: Sendable, Equatable {
        package let byte: UInt32
        package let value: UInt8

        package init(byte: UInt32, value: UInt8) {
            self.byte = byte
            self.value = value
        }
    }
}

extension ExpressionArena {
    /// An assignment of `bytes` to the symbolic bytes from index 0 on.
    package func assignment(_ bytes: [UInt8]) -> Assignment {
        defer { nextStamp += 1 }
        return Assignment(bytes: bytes, version: nextStamp)
    }

    /// `base` with some bytes replaced.
    package func assignment(_ base: Assignment, replacing values: ByteValues) -> Assignment {
        var bytes = base.bytes
        if let last = values.entries.last, Int(last.byte) >= bytes.count {
            bytes.append(contentsOf: repeatElement(0, count: Int(last.byte) + 1 - bytes.count))
        }
        for entry in values.entries { bytes[Int(entry.byte)] = entry.value }
        return assignment(bytes)
    }

    /// The value of an expression under an assignment.
    ///
    /// Iterative; nodes already evaluated under the same assignment are not visited again. Of a choice only the chosen
    /// side is evaluated.
    package func evaluate(_ expression: Term, _ assignment: Assignment) -> UInt64 {
        let stamp = assignment.version
        let root = Int(expression.handle)
        if scratchStamps[root] == stamp { return scratchValues[root] }
        return assignment.bytes.withUnsafeBufferPointer { bytes in
            walkStack.removeAll(keepingCapacity: true)
            walkStack.append(expression.handle)
            while let handle = walkStack.last {
                let index = Int(handle)
                if scratchStamps[index] == stamp {
                    walkStack.removeLast()
                    continue
                }
                if let value = value(of: nodes[index], stamp: stamp, bytes: bytes) {
                    scratchValues[index] = value
                    scratchStamps[index] = stamp
                    walkStack.removeLast()
                }
            }
            return scratchValues[root]
        }
    }

    /// The node's value, or nil after its missing operands were put on the stack.
    private func value(of node: Node, stamp: UInt64, bytes: UnsafeBufferPointer<UInt8>) -> UInt64? {
        let width = Int(node.width)
        switch node.operation {
        case .constant: return node.constantValue
        case .symbol: return Int(node.a) < bytes.count ? UInt64(bytes[Int(node.a)]) : 0
        case .ifThenElse:
            guard let test = known(node.a, stamp) else { return nil }
            return known(test != 0 ? node.b : node.c, stamp)
        case .table, .not, .zeroExtend, .signExtend, .extract:
            guard let a = known(node.a, stamp) else { return nil }
            return unaryValue(node, a, width: width)
        default:
            guard let a = known(node.a, stamp), let b = known(node.b, stamp) else { return nil }
            if node.operation == .concat { return a << UInt64(nodes[Int(node.b)].width) | b }
            return node.operation.compute(a, b, width: Int(nodes[Int(node.a)].width))
        }
    }

    /// The value of a node with one operand.
    @inline(__always)
    func unaryValue(_ node: Node, _ a: UInt64, width: Int) -> UInt64 {
        switch node.operation {
        case .table: return tables[Int(node.b)].elements[Int(a)]
        case .not: return ~a & lowMask(width)
        case .zeroExtend: return a
        case .signExtend:
            return UInt64(bitPattern: signExtended(a, from: Int(nodes[Int(node.a)].width))) & lowMask(width)
        default: return a >> UInt64(node.low) & lowMask(width)
        }
    }

    /// The operand's value, or nil after it was put on the stack.
    private func known(_ handle: UInt32, _ stamp: UInt64) -> UInt64? {
        if scratchStamps[Int(handle)] == stamp { return scratchValues[Int(handle)] }
        walkStack.append(handle)
        return nil
    }

    // MARK: Walks

    /// Every node below the given expressions, operands before users, each once; nil when there are more than `limit`.
    func topologicalOrder(of roots: [Term], limit: Int = .max) -> [UInt32]? {
        var order: [UInt32] = []
        let stamp = nextStamp
        nextStamp += 1
        // The stamps of evaluation serve as visit marks; the evaluated values of the marked nodes are given up.
        for root in roots {
            walkStack.removeAll(keepingCapacity: true)
            walkStack.append(root.handle)
            while let handle = walkStack.last {
                if scratchStamps[Int(handle)] == stamp {
                    walkStack.removeLast()
                    continue
                }
                let before = walkStack.count
                forEachOperand(of: nodes[Int(handle)]) { operand in
                    if scratchStamps[Int(operand)] != stamp { walkStack.append(operand) }
                }
                if walkStack.count == before {
                    scratchStamps[Int(handle)] = stamp
                    order.append(handle)
                    if order.count > limit { return nil }
                    walkStack.removeLast()
                }
            }
        }
        return order
    }

    /// Calls `body` with each operand's handle.
    @inline(__always)
    func forEachOperand(of node: Node, _ body: (UInt32) -> Void) {
        let count = node.operation.operandCount
        if count > 0 { body(node.a) }
        if count > 1 { body(node.b) }
        if count > 2 { body(node.c) }
    }

    /// The operands of an expression, in order.
    package func operands(_ expression: Term) -> [Term] {
        var result: [Term] = []
        forEachOperand(of: node(expression)) { result.append(Term(handle: $0)) }
        return result
    }
}

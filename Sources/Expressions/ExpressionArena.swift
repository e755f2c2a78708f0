/// Owns the expressions of one worker: hash-consed nodes in one flat array, behind 32-bit handles.
///
/// Nothing is freed before the arena is: states come and go, but share most of their expressions. No node is an object,
/// so a chain of any depth is made, walked and dropped without recursion. An arena belongs to one thread at a time.
///
/// Constructors simplify (see `ExpressionArena+Simplify*.swift`): every rule keeps the value for every assignment.
package final class ExpressionArena {
    // The class is confined to one thread, and no method keeps a pointer over a call that may grow the storage.
    @exclusivity(unchecked) private(set) var nodes: UnsafeMutablePointer<Node>
    @exclusivity(unchecked) private var capacity: Int
    @exclusivity(unchecked) private var used: Int
    /// Open addressing with linear probing; 0 is a free place.
    @exclusivity(unchecked) private var places: UnsafeMutablePointer<UInt32>
    @exclusivity(unchecked) private var placesMask: Int

    @exclusivity(unchecked) var sets = DependencySets()
    @exclusivity(unchecked) private(set) var tables: [ConstantTable] = []
    @exclusivity(unchecked) private var tableNumbers: [ConstantTable: UInt32] = [:]
    /// The symbolic buffers, in the order in which they were made.
    @exclusivity(unchecked) package private(set) var buffers: [SymbolBuffer] = []
    /// How many symbolic bytes there are.
    @exclusivity(unchecked) package private(set) var symbolCount = 0
    /// Off only to compare with plain construction: constructors then only fold nothing and intern.
    @exclusivity(unchecked) package var simplifies = true

    /// Scratch for evaluation, one entry per node: value, and the model under which it was computed.
    @exclusivity(unchecked) var scratchValues: UnsafeMutablePointer<UInt64>
    @exclusivity(unchecked) var scratchStamps: UnsafeMutablePointer<UInt64>
    @exclusivity(unchecked) var walkStack: [UInt32] = []
    @exclusivity(unchecked) var nextStamp: UInt64 = 1
    /// How many rules are building at the moment.
    @exclusivity(unchecked) var ruleDepth = 0

    /// An empty arena; `capacity` is the number of nodes to have room for at first.
    package init(capacity: Int = 4096) {
        var places = 1024
        while places < capacity * 2 { places *= 2 }
        self.capacity = places / 2
        used = 1
        nodes = .allocate(capacity: self.capacity)
        nodes.initialize(to: Node(operation: .constant, width: 1))
        scratchValues = .allocate(capacity: self.capacity)
        scratchStamps = .allocate(capacity: self.capacity)
        scratchStamps.initialize(repeating: 0, count: self.capacity)
        self.places = .allocate(capacity: places)
        self.places.initialize(repeating: 0, count: places)
        placesMask = places - 1
    }

    deinit {
        nodes.deallocate()
        places.deallocate()
        scratchValues.deallocate()
        scratchStamps.deallocate()
    }

    /// How many nodes there are.
    package var nodeCount: Int { used - 1 }

    /// Bytes that the nodes, their hash table and the evaluation scratch take.
    package var byteCount: Int {
        capacity * (MemoryLayout<Node>.stride + 2 * MemoryLayout<UInt64>.stride) + (placesMask + 1) * 4
    }

    // MARK: Reading

    func node(_ expression: Term) -> Node { nodes[Int(expression.handle)] }

    func node(_ handle: UInt32) -> Node { nodes[Int(handle)] }

    /// What the expression computes at its root.
    package func operation(_ expression: Term) -> Operator { node(expression).operation }

    /// Bits of the value: 1 to 64.
    package func width(_ expression: Term) -> Int { Int(node(expression).width) }

    /// The value, when the expression is a constant.
    package func constantValue(_ expression: Term) -> UInt64? {
        let node = node(expression)
        return node.operation == .constant ? node.constantValue : nil
    }

    /// The symbolic bytes that the value depends on, as ascending intervals of byte indices.
    package func dependencies(_ expression: Term) -> [ClosedRange<UInt32>] {
        sets.intervals(node(expression).dependencies)
    }

    // MARK: Leaves

    /// The constant `value`, cut to `width` bits.
    package func constant(_ value: UInt64, width: Int) -> Term {
        let value = value & lowMask(width)
        return intern(
            Node(
                operation: .constant, width: UInt8(width), a: UInt32(truncatingIfNeeded: value),
                b: UInt32(truncatingIfNeeded: value >> 32)))
    }

    /// A 1-bit constant.
    package func truth(_ value: Bool) -> Term { constant(value ? 1 : 0, width: 1) }

    /// Makes `count` new symbolic bytes. Names need not be unique: the buffer's number makes the symbols distinct.
    package func makeBuffer(name: String, count: Int) -> SymbolBuffer {
        let buffer = SymbolBuffer(number: buffers.count, name: name, firstByte: UInt32(symbolCount), count: count)
        buffers.append(buffer)
        symbolCount += count
        return buffer
    }

    /// The expression (8 bits) of a symbolic byte.
    package func symbol(_ byte: UInt32) -> Term {
        precondition(Int(byte) < symbolCount, "a symbolic byte that no buffer has")
        return intern(
            Node(operation: .symbol, width: 8, a: byte, dependencies: sets.singleton(byte)))
    }

    /// The number of an equal table, kept or added.
    func tableNumber(_ table: ConstantTable) -> UInt32 {
        if let known = tableNumbers[table] { return known }
        let number = UInt32(tables.count)
        tables.append(table)
        tableNumbers[table] = number
        return number
    }

    // MARK: Interning

    /// The handle of the node, made if it is new.
    func intern(_ node: Node) -> Term {
        var place = Int(node.hash) & placesMask
        while true {
            let handle = places[place]
            if handle == 0 { break }
            if nodes[Int(handle)].hash == node.hash && nodes[Int(handle)].isIdentical(to: node) {
                return Term(handle: handle)
            }
            place = (place + 1) & placesMask
        }
        if used == capacity {
            grow()
            place = Int(node.hash) & placesMask
            while places[place] != 0 { place = (place + 1) & placesMask }
        }
        let handle = UInt32(used)
        (nodes + used).initialize(to: node)
        places[place] = handle
        used += 1
        return Term(handle: handle)
    }

    private func grow() {
        // Handles are 32 bits: 4 G nodes are 160 GiB, memory ends first.
        precondition(capacity < 1 << 31, "the expression arena is full")
        let newCapacity = capacity * 2
        nodes = Self.moved(nodes, count: used, to: newCapacity)
        scratchValues.deallocate()
        scratchValues = .allocate(capacity: newCapacity)
        // The scratch is a cache: its stamps say which values count.
        scratchStamps.deallocate()
        scratchStamps = .allocate(capacity: newCapacity)
        scratchStamps.initialize(repeating: 0, count: newCapacity)
        places.deallocate()
        places = .allocate(capacity: newCapacity * 2)
        places.initialize(repeating: 0, count: newCapacity * 2)
        placesMask = newCapacity * 2 - 1
        for handle in 1..<used {
            var place = Int(nodes[handle].hash) & placesMask
            while places[place] != 0 { place = (place + 1) & placesMask }
            places[place] = UInt32(handle)
        }
        capacity = newCapacity
    }

    private static func moved<T>(
        _ old: UnsafeMutablePointer<T>, count: Int, to capacity: Int
    ) -> UnsafeMutablePointer<T> {
        let new = UnsafeMutablePointer<T>.allocate(capacity: capacity)
        new.moveInitialize(from: old, count: count)
        old.deallocate()
        return new
    }
}

/// A run of symbolic bytes that the guest asked for at once.
package struct SymbolBuffer: Hashable, Sendable {
    /// Position in ``ExpressionArena/buffers``.
    package let number: Int
    /// As the guest named it.
    package let name: String
    /// Index of its first byte among all symbolic bytes of the arena.
    package let firstByte: UInt32
    /// Bytes.
    package let count: Int

    /// Byte indices of the buffer.
    package var bytes: Range<UInt32> { firstByte..<firstByte + UInt32(count) }
}

/// Constant memory that is read at a symbolic index: `2^indexWidth` elements, padded with zeros.
package struct ConstantTable: Hashable, Sendable {
    /// Bits of the index: 1 to 16.
    package let indexWidth: Int
    /// Bits of an element.
    package let elementWidth: Int
    /// The elements, `2^indexWidth` of them.
    package let elements: [UInt64]

    /// A table of the elements, padded with zeros to a power of two of at least two; at most 65,536 elements.
    package init(elements: [UInt64], elementWidth: Int) {
        var bits = 1
        while 1 << bits < elements.count { bits += 1 }
        precondition(bits <= 16, "a constant table is too large")
        indexWidth = bits
        self.elementWidth = elementWidth
        self.elements =
            elements.map { $0 & lowMask(elementWidth) } + Array(repeating: 0, count: (1 << bits) - elements.count)
    }
}

/// A number of an interned constraint group; 0 is the empty group.
typealias GroupNumber = UInt32

/// Interned sets of constraints that belong together because they share symbolic bytes.
///
/// A group is the extension of one group by a constraint, or the union of two; its identity is the sum of a 128-bit hash of its
/// constraints, so it does not depend on the order in which a path collected them. What is known of a group (satisfiable with
/// these values, or not) is known for every path that has it. Two different groups meet in one number with a probability of
/// about n²/2^129 for n groups: less than that of a memory error.
struct ConstraintGroups {
    struct Group {
        var first: GroupNumber
        var second: GroupNumber
        /// `none` in the union of two groups.
        var constraint: Term
        /// The set of symbolic bytes.
        var dependencies: UInt32
        var identity: Identity
        var status: Status
        /// The values that the only byte may have, when the group depends on one byte and all its constraints were tabulated.
        var domain: ByteDomain?
    }

    enum Status {
        case open
        case satisfiable(ByteValues)
        case unsatisfiable
    }

    struct Identity: Hashable {
        var low: UInt64
        var high: UInt64

        static func + (left: Identity, right: Identity) -> Identity {
            Identity(low: left.low &+ right.low, high: left.high &+ right.high)
        }

        /// Two rounds of a 64-bit finaliser with different seeds.
        init(of expression: Term) {
            low = Self.mix(UInt64(expression.handle) &+ 0x9E37_79B9_7F4A_7C15)
            high = Self.mix(UInt64(expression.handle) ^ 0xD1B5_4A32_D192_ED03)
        }

        init(low: UInt64, high: UInt64) {
            self.low = low
            self.high = high
        }

        private static func mix(_ value: UInt64) -> UInt64 {
            var z = value
            z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
            return z ^ z >> 31
        }
    }

    private(set) var groups: [Group] = [
        Group(
            first: 0, second: 0, constraint: .none, dependencies: 0, identity: Identity(low: 0, high: 0),
            status: .satisfiable(ByteValues(entries: [])))
    ]
    private var interned: [Identity: GroupNumber] = [:]

    subscript(number: GroupNumber) -> Group { groups[Int(number)] }

    mutating func setStatus(_ status: Status, of number: GroupNumber) { groups[Int(number)].status = status }

    mutating func setDomain(_ domain: ByteDomain, of number: GroupNumber) { groups[Int(number)].domain = domain }

    /// The group with one more constraint.
    mutating func extended(_ group: GroupNumber, by constraint: Term, _ arena: ExpressionArena) -> GroupNumber {
        let identity = groups[Int(group)].identity + Identity(of: constraint)
        if let known = interned[identity] { return known }
        return add(
            Group(
                first: group, second: 0, constraint: constraint,
                dependencies: arena.sets.union(
                    groups[Int(group)].dependencies, arena.node(constraint).dependencies),
                identity: identity, status: .open, domain: nil))
    }

    /// The union of two groups that share no byte.
    mutating func merged(_ a: GroupNumber, _ b: GroupNumber, _ arena: ExpressionArena) -> GroupNumber {
        if a == 0 || a == b { return b }
        if b == 0 { return a }
        let identity = groups[Int(a)].identity + groups[Int(b)].identity
        if let known = interned[identity] { return known }
        return add(
            Group(
                first: a, second: b, constraint: .none,
                dependencies: arena.sets.union(groups[Int(a)].dependencies, groups[Int(b)].dependencies),
                identity: identity, status: .open, domain: nil))
    }

    private mutating func add(_ group: Group) -> GroupNumber {
        let number = GroupNumber(groups.count)
        groups.append(group)
        interned[group.identity] = number
        return number
    }

    /// The constraints of a group, oldest first.
    func constraints(of group: GroupNumber) -> [Term] {
        var result: [Term] = []
        var pending = [group]
        while let number = pending.popLast() {
            if number == 0 { continue }
            let group = groups[Int(number)]
            if !group.constraint.isNone { result.append(group.constraint) }
            // Collected backwards: what comes last is looked at first.
            pending.append(group.first)
            if group.second != 0 { pending.append(group.second) }
        }
        result.reverse()
        return result
    }
}

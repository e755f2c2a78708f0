/// A JSON value that keeps order, duplicate keys and the place in the text.
///
/// Descriptions of QEMU contain duplicate keys, and are edited as text, hence neither Foundation nor dictionaries.
struct JSONNode: Sendable {
    enum Value: Sendable {
        case object([Member])
        case array([JSONNode])
        case string(String)
        /// An integer that fits 64 bits. Other numbers are kept in the text only.
        case integer(Int64)
        case otherNumber
        case boolean(Bool)
        case null
    }

    struct Member: Sendable {
        var key: String
        var value: JSONNode
    }

    var value: Value
    /// Where the value stands in the text.
    var range: Range<Int>

    /// The first member with a key.
    func member(_ key: String) -> JSONNode? {
        guard case .object(let members) = value else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// The last member with a key.
    func lastMember(_ key: String) -> JSONNode? {
        guard case .object(let members) = value else { return nil }
        return members.last { $0.key == key }?.value
    }

    /// How many members have a key.
    func memberCount(_ key: String) -> Int {
        guard case .object(let members) = value else { return 0 }
        return members.reduce(0) { $1.key == key ? $0 + 1 : $0 }
    }

    /// The first member with a key, if it is an integer.
    // Never inlined: the optimiser of Swift 6.3.1 fails on callers that contain this twice.
    @inline(never)
    func integer(_ key: String) -> Int64? { member(key)?.integer }

    /// The last member with a key, if it is an integer.
    @inline(never)
    func lastInteger(_ key: String) -> Int64? { lastMember(key)?.integer }

    var string: String? { if case .string(let text) = value { text } else { nil } }
    var integer: Int64? { if case .integer(let number) = value { number } else { nil } }
    var elements: [JSONNode]? { if case .array(let nodes) = value { nodes } else { nil } }
    var isObject: Bool { if case .object = value { true } else { false } }
}

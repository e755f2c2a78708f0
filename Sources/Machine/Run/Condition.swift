/// What a branch asks of the flags right after they were set, without jumps of the host: which of some facts must hold, or none of them.
struct Condition: OptionSet, Sendable, Hashable {
    let rawValue: UInt8

    /// ZF.
    static let zero = Condition(rawValue: 1)
    /// CF.
    static let carry = Condition(rawValue: 2)
    /// SF differs from OF.
    static let less = Condition(rawValue: 4)
    /// SF.
    static let sign = Condition(rawValue: 8)
    /// None of the others may hold.
    static let not = Condition(rawValue: 16)

    /// Whether the branch is taken, by `raw` of a condition and the flags in their slots.
    @inline(__always)
    static func holds(_ raw: UInt64, _ slots: UnsafeMutablePointer<UInt64>) -> Bool {
        let (carry, zero, sign, overflow) = (slots[17], slots[20], slots[21], slots[23])
        let facts = zero | carry << 1 | (sign ^ overflow) << 2 | sign << 3
        return (facts & raw != 0) != (raw & 16 != 0)
    }
}

import Expressions

/// The symbolic bytes of one 4 KiB page: a mask, and a term (8 bits) for each byte whose mask bit is set.
final class SymbolicPage {
    static let size = 4096
    /// 64 words of mask.
    private let mask: UnsafeMutablePointer<UInt64>
    private let handles: UnsafeMutablePointer<UInt32>
    private(set) var count = 0

    init() {
        mask = .allocate(capacity: Self.size / 64)
        mask.initialize(repeating: 0, count: Self.size / 64)
        // A handle means something where its mask bit is set only.
        handles = .allocate(capacity: Self.size)
        handles.initialize(repeating: 0, count: Self.size)
    }

    private init(copying other: SymbolicPage) {
        mask = .allocate(capacity: Self.size / 64)
        mask.initialize(from: other.mask, count: Self.size / 64)
        handles = .allocate(capacity: Self.size)
        handles.initialize(from: other.handles, count: Self.size)
        count = other.count
    }

    deinit {
        mask.deallocate()
        handles.deallocate()
    }

    func copy() -> SymbolicPage { SymbolicPage(copying: self) }

    /// Whether any of `length` bytes from `offset` on is symbolic; the range lies inside the page.
    func hasSymbols(_ offset: Int, _ length: Int) -> Bool {
        let end = offset + length
        var index = offset
        while index < end {
            let word = mask[index >> 6] >> UInt64(index & 63)
            let part = min(64 - index & 63, end - index)
            if word & (~0 >> UInt64(64 - part)) != 0 { return true }
            index += part
        }
        return false
    }

    /// The byte's term, `none` when it is concrete.
    func term(_ offset: Int) -> Term {
        mask[offset >> 6] >> UInt64(offset & 63) & 1 == 0 ? .none : Term(handle: handles[offset])
    }

    func set(_ offset: Int, _ term: Term) {
        let bit = UInt64(1) << UInt64(offset & 63)
        let had = mask[offset >> 6] & bit != 0
        if term.isNone {
            if had {
                mask[offset >> 6] &= ~bit
                count -= 1
            }
        } else {
            handles[offset] = term.handle
            if !had {
                mask[offset >> 6] |= bit
                count += 1
            }
        }
    }
}

/// The symbolic bytes of a state's memory, by guest-physical page. Pages are shared between states until one writes.
struct SymbolicMemory {
    private var pages: [UInt64: SymbolicPage] = [:]

    var isEmpty: Bool { pages.isEmpty }

    /// How many bytes are symbolic.
    var byteCount: Int { pages.values.reduce(0) { $0 + $1.count } }

    /// Whether any of the bytes is symbolic; the range lies inside one page.
    func hasSymbols(_ physical: UInt64, _ length: Int) -> Bool {
        guard let page = pages[physical >> 12] else { return false }
        return page.hasSymbols(Int(physical & 4095), length)
    }

    /// The term of a byte, `none` when it is concrete.
    func term(_ physical: UInt64) -> Term { pages[physical >> 12]?.term(Int(physical & 4095)) ?? .none }

    func hasPage(_ physical: UInt64) -> Bool { pages[physical >> 12] != nil }

    /// Sets or, with `none`, clears the terms of consecutive bytes inside one page.
    ///
    /// - Returns: whether the page now holds symbolic bytes, when that changed.
    mutating func set(_ physical: UInt64, _ terms: [Term]) -> Bool? {
        let key = physical >> 12
        let offset = Int(physical & 4095)
        guard var page = pages[key] else {
            guard terms.contains(where: { !$0.isNone }) else { return nil }
            let page = SymbolicPage()
            for (index, term) in terms.enumerated() { page.set(offset + index, term) }
            pages[key] = page
            return true
        }
        // Taken out of the dictionary, so that only other states count as owners.
        pages[key] = nil
        if !isKnownUniquelyReferenced(&page) { page = page.copy() }
        for (index, term) in terms.enumerated() { page.set(offset + index, term) }
        if page.count == 0 { return false }
        pages[key] = page
        return nil
    }
}

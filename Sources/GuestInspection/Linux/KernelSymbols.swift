/// The symbol table that a Linux kernel keeps in its memory ("kallsyms"; see <doc:Linux> for the format).
package struct KernelSymbols: Sendable {
    /// A symbol.
    package struct Symbol: Sendable, Hashable {
        /// Its name.
        package var name: String
        /// The letter that `nm` gives: `t` for code, `d` for data...; capital for symbols of other files.
        package var kind: Character
        /// Virtual address; for per-CPU variables the offset in each CPU's area.
        package var address: UInt64
    }

    /// How addresses are stored.
    package enum AddressForm: String, Sendable, Hashable {
        /// Unsigned offsets from the base.
        case relative
        /// Values that are not negative are addresses themselves; negative ones count down from the base (per-CPU variables
        /// have small addresses).
        case absolutePerCPU
    }

    /// Number of symbols.
    package let count: Int
    /// Base of the offsets: the kernel's first address, with randomisation.
    package let base: UInt64
    /// How addresses are stored.
    package let form: AddressForm
    /// Compressed names: length and that many tokens, one after the other.
    let names: ArraySlice<UInt8>
    /// What each token stands for.
    let tokens: [[UInt8]]
    /// Offset of each name in `names`.
    let places: [UInt32]
    /// Offsets as stored.
    let offsets: [UInt32]
    /// Where to look for a name.
    let index: NameIndex

    /// Address of a symbol by its number.
    package func address(_ index: Int) -> UInt64 {
        let stored = offsets[index]
        switch form {
        case .relative: return base &+ UInt64(stored)
        case .absolutePerCPU:
            let signed = Int64(Int32(bitPattern: stored))
            return signed >= 0 ? UInt64(signed) : base &- 1 &- UInt64(bitPattern: signed)
        }
    }

    /// Length and beginning of the name at a position in `names`; nil beyond the end.
    ///
    /// A length of 128 and more takes two bytes, seven bits first.
    static func header(_ names: ArraySlice<UInt8>, _ position: Int) -> (length: Int, start: Int)? {
        guard names.indices.contains(position) else { return nil }
        let first = Int(names[position])
        if first & 0x80 == 0 { return (first, position + 1) }
        guard names.indices.contains(position + 1) else { return nil }
        return (first & 0x7f | Int(names[position + 1]) << 7, position + 2)
    }

    /// The expanded name of a symbol, the letter first; empty beyond the end.
    func expanded(_ index: Int) -> [UInt8] {
        guard places.indices.contains(index),
            let (length, start) = Self.header(names, names.startIndex + Int(places[index])),
            start + length <= names.endIndex
        else { return [] }
        return names[start..<start + length].flatMap { tokens[Int($0)] }
    }

    /// All symbols of some names, in order of the table. Static functions of different files may share a name.
    package func symbols(named wanted: Set<String>) -> [String: [Symbol]] {
        var result: [String: [Symbol]] = [:]
        for name in wanted {
            let found = symbols(named: name)
            if !found.isEmpty { result[name] = found }
        }
        return result
    }

    /// All symbols of a name, in order of the table.
    package func symbols(named name: String) -> [Symbol] {
        let text = Array(name.utf8)
        return index.candidates(text).compactMap { candidate in
            let full = expanded(candidate)
            guard let kind = full.first, full.dropFirst().elementsEqual(text) else { return nil }
            return Symbol(name: name, kind: Character(UnicodeScalar(kind)), address: address(candidate))
        }
    }

    /// All symbols whose names begin with a text. Expands every name.
    package func symbols(withPrefix prefix: String) -> [Symbol] {
        let text = Array(prefix.utf8)
        return (0..<count).compactMap { candidate in
            let full = expanded(candidate)
            return full.dropFirst().starts(with: text) ? symbol(full, candidate) : nil
        }
    }

    /// The symbol at or before an address, with the distance from it; nil before the first symbol.
    package func symbol(at target: UInt64) -> (symbol: Symbol, offset: UInt64)? {
        // The table is in order of addresses.
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if address(middle) <= target { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return nil }
        // The first of several symbols with the same address.
        var index = low - 1
        while index > 0, address(index - 1) == address(index) { index -= 1 }
        guard let symbol = symbol(index) else { return nil }
        return (symbol, target - symbol.address)
    }

    /// A symbol by its number.
    package func symbol(_ index: Int) -> Symbol? { symbol(expanded(index), index) }

    private func symbol(_ name: [UInt8], _ index: Int) -> Symbol? {
        guard let kind = name.first else { return nil }
        return Symbol(
            name: String(decoding: name.dropFirst(), as: UTF8.self), kind: Character(UnicodeScalar(kind)),
            address: address(index))
    }

    /// Address behind a symbol's code or data: that of the next symbol with a greater address.
    package func end(ofSymbolAt address: UInt64) -> UInt64? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self.address(middle) <= address { low = middle + 1 } else { high = middle }
        }
        return low < count ? self.address(low) : nil
    }
}

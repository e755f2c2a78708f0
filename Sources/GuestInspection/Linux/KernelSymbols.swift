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
    /// Offset of every 256th name.
    let markers: [Int]
    /// Offsets as stored.
    let offsets: [UInt32]

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

    /// Calls `body` for all symbols in order of the table with the expanded name, the letter first. Ends early if it returns false.
    func forEachName(_ body: (_ index: Int, _ name: borrowing [UInt8]) -> Bool) {
        var position = names.startIndex
        var name: [UInt8] = []
        for index in 0..<count {
            guard let (length, start) = Self.header(names, position), start + length <= names.endIndex else { return }
            name.removeAll(keepingCapacity: true)
            for byte in names[start..<start + length] { name += tokens[Int(byte)] }
            guard body(index, name) else { return }
            position = start + length
        }
    }

    /// All symbols of some names, in one pass over the table. Static functions of different files may share a name.
    package func symbols(named wanted: Set<String>) -> [String: [Symbol]] {
        let keys = Dictionary(uniqueKeysWithValues: wanted.map { (Array($0.utf8), $0) })
        let lengths = Set(keys.keys.map(\.count))
        var result: [String: [Symbol]] = [:]
        forEachName { index, name in
            guard let kind = name.first, lengths.contains(name.count - 1),
                let text = keys[Array(name.dropFirst())]
            else { return true }
            result[text, default: []].append(
                Symbol(name: text, kind: Character(UnicodeScalar(kind)), address: address(index)))
            return true
        }
        return result
    }

    /// All symbols whose names begin with a text.
    package func symbols(withPrefix prefix: String) -> [Symbol] {
        let text = Array(prefix.utf8)
        var result: [Symbol] = []
        forEachName { index, name in
            guard let kind = name.first, name.count > text.count, name[1..<1 + text.count].elementsEqual(text) else {
                return true
            }
            result.append(
                Symbol(
                    name: String(decoding: name.dropFirst(), as: UTF8.self), kind: Character(UnicodeScalar(kind)),
                    address: address(index)))
            return true
        }
        return result
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
    package func symbol(_ index: Int) -> Symbol? {
        guard (0..<count).contains(index), index / 256 < markers.count else { return nil }
        var position = names.startIndex + markers[index / 256]
        for _ in 0..<index % 256 {
            guard let (length, start) = Self.header(names, position) else { return nil }
            position = start + length
        }
        guard let (length, start) = Self.header(names, position), start + length <= names.endIndex else { return nil }
        let name = names[start..<start + length].flatMap { tokens[Int($0)] }
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

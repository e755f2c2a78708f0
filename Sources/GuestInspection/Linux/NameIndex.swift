extension KernelSymbols {
    /// Finds symbols by their names without expanding all of them.
    ///
    /// A hash of each name leads to a chain of symbols. It is made in one pass over the table; a table that a guest made up can make
    /// chains long, which makes looking up slower and nothing else.
    struct NameIndex: Sendable {
        /// First symbol of each chain plus one; 0 for none.
        private let heads: [UInt32]
        /// The next symbol of the same chain plus one.
        private let next: [UInt32]

        /// Hashes names (FNV-1a) without their letters.
        init(names: ArraySlice<UInt8>, places: [UInt32], tokens: [[UInt8]]) {
            var size = 1
            while size < places.count { size *= 2 }
            var heads = [UInt32](repeating: 0, count: size)
            var next = [UInt32](repeating: 0, count: places.count)
            // The tokens' texts in one run of bytes.
            let texts = tokens.flatMap(\.self)
            var starts: [Int] = [0]
            for token in tokens { starts.append((starts.last ?? 0) + token.count) }
            names.withUnsafeBufferPointer { names in
                texts.withUnsafeBufferPointer { texts in
                    // From the last to the first, so that chains are in order of the table.
                    for index in places.indices.reversed() {
                        var position = Int(places[index])
                        var length = Int(names[position])
                        if length & 0x80 != 0 {
                            length = length & 0x7f | Int(names[position + 1]) << 7
                            position += 1
                        }
                        var hash = Self.seed
                        var isLetter = true
                        for token in names[position + 1..<position + 1 + length] {
                            for place in starts[Int(token)]..<starts[Int(token) + 1] {
                                if !isLetter { hash = (hash ^ UInt32(texts[place])) &* Self.prime }
                                isLetter = false
                            }
                        }
                        let bucket = Int(Self.mixed(hash)) & (size - 1)
                        next[index] = heads[bucket]
                        heads[bucket] = UInt32(index + 1)
                    }
                }
            }
            self.heads = heads
            self.next = next
        }

        private static let seed: UInt32 = 0x811c_9dc5
        private static let prime: UInt32 = 0x0100_0193

        /// The lower bits depend on all others.
        private static func mixed(_ hash: UInt32) -> UInt32 { hash ^ hash >> 15 }

        /// Numbers of the symbols that may have a name, in order of the table.
        func candidates(_ name: [UInt8]) -> [Int] {
            let hash = name.reduce(Self.seed) { ($0 ^ UInt32($1)) &* Self.prime }
            var entry = heads[Int(Self.mixed(hash)) & (heads.count - 1)]
            var result: [Int] = []
            while entry != 0 {
                result.append(Int(entry) - 1)
                entry = next[Int(entry) - 1]
            }
            return result
        }
    }
}

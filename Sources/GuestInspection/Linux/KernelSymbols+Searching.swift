extension KernelSymbols {
    /// Finds the symbol table in a part of a kernel's image by its structure alone.
    ///
    /// - Parameters:
    ///   - bytes: a contiguous part of the image, read-only data at best.
    ///   - kernel: the virtual addresses of the image; the table's base has to be one of them.
    package init?(searching bytes: [UInt8], kernel: Range<UInt64>) {
        let table = ByteTable(bytes)
        // The ten digits are tokens of themselves in every kernel, one after the other.
        let digits: [UInt8] = "0123456789".utf8.flatMap { [$0, 0] }
        for place in table.places(of: digits) {
            guard let tokens = Tokens(table, digitsAt: place),
                let names = Names(table, before: tokens.start),
                let addresses = Addresses(table, names: names, tokens: tokens, kernel: kernel)
            else { continue }
            self.init(
                count: names.count, base: addresses.base, form: addresses.form, names: names.bytes,
                tokens: tokens.texts, places: names.places, offsets: addresses.offsets,
                index: NameIndex(names: names.bytes, places: names.places, tokens: tokens.texts))
            return
        }
        return nil
    }

    /// The least and most symbols of a kernel that are believed.
    private static let counts = 1000...(4 << 20)

    private static func aligned(_ offset: Int) -> Int { (offset + 7) & ~7 }

    /// The table of tokens with its index.
    private struct Tokens {
        let texts: [[UInt8]]
        /// First byte of the texts.
        let start: Int
        /// First byte behind the index.
        let end: Int

        init?(_ table: ByteTable, digitsAt place: Int) {
            // From "0" on, the texts are walked to the end; the index behind them tells where they begin.
            var position = place
            for _ in 0x30..<256 {
                guard let length = table.stringLength(at: position), length < 128 else { return nil }
                position += length + 1
            }
            let index = KernelSymbols.aligned(position)
            guard let digit = table.u16(index + 2 * 0x30), Int(digit) <= place else { return nil }
            start = place - Int(digit)
            end = index + 512
            var texts: [[UInt8]] = []
            var expected = 0
            for token in 0..<256 {
                guard let offset = table.u16(index + 2 * token), Int(offset) == expected,
                    let length = table.stringLength(at: start + expected), length < 128
                else { return nil }
                texts.append(Array(table.bytes[start + expected..<start + expected + length]))
                expected += length + 1
            }
            guard start + expected == position else { return nil }
            self.texts = texts
        }
    }

    /// The compressed names with their number and markers.
    private struct Names {
        let count: Int
        /// Offset of the number of symbols, which stands before the names.
        let countOffset: Int
        let bytes: ArraySlice<UInt8>
        /// Offset of each name.
        let places: [UInt32]

        init?(_ table: ByteTable, before end: Int) {
            // The number stands alone in eight bytes; the names that follow it decide. Candidates that fail do so within a few
            // hundred bytes, and the budget keeps hostile bytes from making many of them long.
            var budget = 64 << 20
            var place = (end - 16) & ~7
            let lowest = max(0, end - (64 << 20))
            while place >= lowest {
                if let value = table.u64(place), KernelSymbols.counts.contains(Int(clamping: value)),
                    let names = Self.walk(table, count: Int(value), from: place + 8, to: end, &budget)
                {
                    count = Int(value)
                    countOffset = place
                    bytes = names.bytes
                    places = names.places
                    return
                }
                if budget <= 0 { return nil }
                place -= 8
            }
            return nil
        }

        private static func walk(
            _ table: ByteTable, count: Int, from start: Int, to end: Int, _ budget: inout Int
        ) -> (bytes: ArraySlice<UInt8>, places: [UInt32])? {
            let all = table.bytes[start..<end]
            var places: [UInt32] = []
            var position = start
            for _ in 0..<count {
                places.append(UInt32(position - start))
                budget -= 1
                guard budget > 0, let (length, first) = KernelSymbols.header(all, position), length > 0,
                    first + length <= end
                else { return nil }
                position = first + length
            }
            var marker = KernelSymbols.aligned(position)
            for index in stride(from: 0, to: count, by: 256) {
                guard let value = table.u32(marker), value == places[index], marker + 4 <= end else { return nil }
                marker += 4
            }
            return (table.bytes[start..<position], places)
        }
    }

    /// The addresses: before the names (until Linux 6.3) or behind the tokens (since 6.4).
    private struct Addresses {
        let base: UInt64
        let form: AddressForm
        let offsets: [UInt32]

        init?(_ table: ByteTable, names: Names, tokens: Tokens, kernel: Range<UInt64>) {
            let length = KernelSymbols.aligned(4 * names.count)
            let old = (offsets: names.countOffset - 8 - length, base: names.countOffset - 8)
            let behind = KernelSymbols.aligned(tokens.end)
            for place in [old, (offsets: behind, base: behind + length)] {
                guard let base = table.u64(place.base), kernel.contains(base), table.u32(place.offsets) != nil else {
                    continue
                }
                let offsets = (0..<names.count).compactMap { table.u32(place.offsets + 4 * $0) }
                guard offsets.count == names.count else { continue }
                for form in [AddressForm.absolutePerCPU, .relative] where Self.isOrdered(offsets, form) {
                    self.base = base
                    self.form = form
                    self.offsets = offsets
                    return
                }
            }
            return nil
        }

        /// Symbols are in order of their addresses; with per-CPU variables, small addresses come first.
        private static func isOrdered(_ offsets: [UInt32], _ form: AddressForm) -> Bool {
            switch form {
            case .relative: return zip(offsets, offsets.dropFirst()).allSatisfy { $0 <= $1 }
            case .absolutePerCPU:
                guard let last = offsets.last, Int32(bitPattern: last) < 0 else { return false }
                var negative = false
                for (previous, next) in zip(offsets, offsets.dropFirst()) {
                    let (first, second) = (Int32(bitPattern: previous), Int32(bitPattern: next))
                    negative = negative || first < 0
                    guard negative ? second < 0 && second <= first : second < 0 || second >= first else { return false }
                }
                return true
            }
        }
    }
}

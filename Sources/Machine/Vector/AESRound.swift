/// One round of AES (FIPS 197) on a 128-bit state, as AES-NI splits it. A column is a 32-bit word with row 0 in its lowest byte.
enum AESRound {
    /// Substitution boxes, and for each byte the column that it becomes: with (inverse) substitution and (Inv)MixColumns, and the latter alone.
    private struct Tables {
        var forward = [UInt32](repeating: 0, count: 256)
        var inverse = [UInt32](repeating: 0, count: 256)
        var encryption = [UInt32](repeating: 0, count: 256)
        var decryption = [UInt32](repeating: 0, count: 256)
        var inverseMix = [UInt32](repeating: 0, count: 256)

        init() {
            for value in 0..<256 {
                // The inverse in GF(2^8), then the affine map.
                let reciprocal = (0..<256).first { AESRound.multiply(UInt8($0), UInt8(value)) == 1 } ?? 0
                let doubled = UInt32(reciprocal) << 8 | UInt32(reciprocal)
                let mapped = (0..<5).reduce(UInt32(0x63)) { $0 ^ doubled >> UInt32(8 - $1) & 0xFF }
                forward[value] = mapped
                inverse[Int(mapped)] = UInt32(value)
            }
            for value in 0..<256 {
                encryption[value] = AESRound.column(forward[value], [2, 1, 1, 3])
                decryption[value] = AESRound.column(inverse[value], [14, 9, 13, 11])
                inverseMix[value] = AESRound.column(UInt32(value), [14, 9, 13, 11])
            }
        }
    }

    private static let tables = Tables()

    /// The product modulo x^8 + x^4 + x^3 + x + 1.
    private static func multiply(_ a: UInt8, _ b: UInt8) -> UInt8 {
        var (x, y, result) = (a, b, UInt8(0))
        while y != 0 {
            if y & 1 != 0 { result ^= x }
            x = x << 1 ^ (x & 0x80 != 0 ? 0x1B : 0)
            y >>= 1
        }
        return result
    }

    private static func column(_ byte: UInt32, _ factors: [UInt8]) -> UInt32 {
        factors.enumerated().reduce(0) {
            $0 | UInt32(multiply(UInt8(byte & 0xFF), $1.element)) << UInt32($1.offset * 8)
        }
    }

    private static func word(_ state: UInt128, _ index: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: state >> UInt128((index & 3) * 32))
    }

    /// Each column from one byte of each row: row r from the column `step * r` further on.
    private static func columns(_ state: UInt128, step: Int, _ table: [UInt32]) -> UInt128 {
        let words = (word(state, 0), word(state, 1), word(state, 2), word(state, 3))
        func source(_ index: Int) -> UInt32 {
            switch index & 3 {
            case 0: words.0
            case 1: words.1
            case 2: words.2
            default: words.3
            }
        }
        var result: UInt128 = 0
        for index in 0..<4 {
            var column: UInt32 = 0
            for row in 0..<4 {
                let shift = UInt32(row * 8)
                let part = table[Int(source(index + step * row) >> shift & 0xFF)]
                column ^= row == 0 ? part : part << shift | part >> (32 - shift)
            }
            result |= UInt128(column) << UInt128(index * 32)
        }
        return result
    }

    /// ShiftRows, SubBytes and, unless it is the last round, MixColumns, or their inverses; then the key.
    static func apply(_ state: UInt128, key: UInt128, isDecryption: Bool, isLast: Bool) -> UInt128 {
        if isDecryption { return columns(state, step: -1, isLast ? tables.inverse : tables.decryption) ^ key }
        return columns(state, step: 1, isLast ? tables.forward : tables.encryption) ^ key
    }

    static func inverseMixColumns(_ state: UInt128) -> UInt128 { columns(state, step: 0, tables.inverseMix) }

    /// AESKEYGENASSIST.
    static func keyAssist(_ value: UInt128, constant: UInt32) -> UInt128 {
        let substituted = columns(value, step: 0, tables.forward)
        func rotated(_ word: UInt32) -> UInt32 { (word >> 8 | word << 24) ^ constant }
        let first = word(substituted, 1)
        let third = word(substituted, 3)
        return UInt128(first) | UInt128(rotated(first)) << 32 | UInt128(third) << 64 | UInt128(rotated(third)) << 96
    }
}

/// One round of AES (FIPS 197) on a 128-bit state of little-endian words, as AES-NI splits it.
enum AESRound {
    /// The S-box and its inverse, from the definition: the inverse in GF(2^8), then the affine map.
    private static let boxes: (forward: [UInt8], inverse: [UInt8]) = {
        var forward = [UInt8](repeating: 0, count: 256)
        var inverse = [UInt8](repeating: 0, count: 256)
        for value in 0..<256 {
            let byte = UInt8(value)
            let reciprocal = (0..<256).map { UInt8($0) }.first { multiply($0, byte) == 1 } ?? 0
            var result: UInt8 = 0x63
            for shift in 0..<5 {
                result ^= reciprocal << UInt8(shift) | (shift == 0 ? 0 : reciprocal >> UInt8(8 - shift))
            }
            forward[value] = result
            inverse[Int(result)] = byte
        }
        return (forward, inverse)
    }()

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

    private static func bytes(_ state: UInt128) -> [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: state >> UInt128($0 * 8)) }
    }

    private static func state(_ bytes: [UInt8]) -> UInt128 {
        bytes.enumerated().reduce(0) { $0 | UInt128($1.element) << UInt128($1.offset * 8) }
    }

    /// ShiftRows and SubBytes, or their inverses; then MixColumns unless it is the last round.
    static func apply(_ value: UInt128, key: UInt128, isDecryption: Bool, isLast: Bool) -> UInt128 {
        let source = bytes(value)
        let box = isDecryption ? boxes.inverse : boxes.forward
        var result = source
        for column in 0..<4 {
            for row in 0..<4 {
                let from = (column + (isDecryption ? 4 - row : row)) & 3
                result[column * 4 + row] = box[Int(source[from * 4 + row])]
            }
        }
        if !isLast { result = mixed(result, isInverse: isDecryption) }
        return state(result) ^ key
    }

    static func inverseMixColumns(_ value: UInt128) -> UInt128 { state(mixed(bytes(value), isInverse: true)) }

    private static func mixed(_ source: [UInt8], isInverse: Bool) -> [UInt8] {
        let factors: [UInt8] = isInverse ? [14, 11, 13, 9] : [2, 3, 1, 1]
        return source.indices.map { index in
            let column = index & ~3
            let row = index & 3
            return (0..<4).reduce(UInt8(0)) { $0 ^ multiply(source[column + $1], factors[($1 - row + 4) & 3]) }
        }
    }

    /// AESKEYGENASSIST.
    static func keyAssist(_ value: UInt128, constant: UInt32) -> UInt128 {
        func word(_ index: Int) -> UInt32 {
            let plain = UInt32(truncatingIfNeeded: value >> UInt128(index * 32))
            return (0..<4).reduce(0) { result, byte in
                let shift = UInt32(byte * 8)
                return result | UInt32(boxes.forward[Int(plain >> shift & 0xFF)]) << shift
            }
        }
        func rotated(_ word: UInt32) -> UInt32 { (word >> 8 | word << 24) ^ constant }
        let first = word(1)
        let third = word(3)
        return UInt128(first) | UInt128(rotated(first)) << 32 | UInt128(third) << 64 | UInt128(rotated(third)) << 96
    }
}

/// The SHA extensions (Intel SDM volume 2, SHA1RNDS4 and following; FIPS 180-4). Words are numbered from the lowest.
enum SHARound {
    typealias Words = (UInt32, UInt32, UInt32, UInt32)

    static func words(_ value: UInt128) -> Words {
        func word(_ index: UInt128) -> UInt32 { UInt32(truncatingIfNeeded: value >> (index * 32)) }
        return (word(0), word(1), word(2), word(3))
    }

    static func joined(_ words: Words) -> UInt128 {
        UInt128(words.0) | UInt128(words.1) << 32 | UInt128(words.2) << 64 | UInt128(words.3) << 96
    }

    private static func left(_ value: UInt32, _ count: UInt32) -> UInt32 { value << count | value >> (32 - count) }
    private static func right(_ value: UInt32, _ count: UInt32) -> UInt32 { left(value, 32 - count) }

    static func rounds1(_ state: Words, _ message: Words, function: Int) -> Words {
        var (d, c, b, a) = state
        var e: UInt32 = 0
        let constants: [UInt32] = [0x5A82_7999, 0x6ED9_EBA1, 0x8F1B_BCDC, 0xCA62_C1D6]
        for word in [message.3, message.2, message.1, message.0] {
            let mix: UInt32 =
                switch function & 3 {
                case 0: b & c ^ ~b & d
                case 2: b & c ^ b & d ^ c & d
                default: b ^ c ^ d
                }
            let next = mix &+ left(a, 5) &+ word &+ e &+ constants[function & 3]
            (e, d, c, b, a) = (d, c, left(b, 30), a, next)
        }
        return (d, c, b, a)
    }

    static func nextE(_ state: Words, _ message: Words) -> Words {
        (message.0, message.1, message.2, message.3 &+ left(state.3, 30))
    }

    static func message1A(_ a: Words, _ b: Words) -> Words {
        (b.2 ^ a.0, b.3 ^ a.1, a.0 ^ a.2, a.1 ^ a.3)
    }

    static func message1B(_ a: Words, _ b: Words) -> Words {
        let w16 = left(a.3 ^ b.2, 1)
        return (left(a.0 ^ w16, 1), left(a.1 ^ b.0, 1), left(a.2 ^ b.1, 1), w16)
    }

    /// Two rounds of SHA-256: `first` holds H G D C, `second` F E B A, `keys` the two message words with constants.
    static func rounds256(_ first: Words, _ second: Words, keys: Words) -> Words {
        var (h, g, d, c) = first
        var (f, e, b, a) = second
        for key in [keys.0, keys.1] {
            let choice = e & f ^ ~e & g
            let sum1 = right(e, 6) ^ right(e, 11) ^ right(e, 25)
            let majority = a & b ^ a & c ^ b & c
            let sum0 = right(a, 2) ^ right(a, 13) ^ right(a, 22)
            let common = choice &+ sum1 &+ key &+ h
            (h, g, f, e, d, c, b, a) = (g, f, e, common &+ d, c, b, a, common &+ majority &+ sum0)
        }
        return (f, e, b, a)
    }

    private static func sigma0(_ x: UInt32) -> UInt32 { right(x, 7) ^ right(x, 18) ^ x >> 3 }
    private static func sigma1(_ x: UInt32) -> UInt32 { right(x, 17) ^ right(x, 19) ^ x >> 10 }

    static func message256A(_ a: Words, _ b: Words) -> Words {
        (a.0 &+ sigma0(a.1), a.1 &+ sigma0(a.2), a.2 &+ sigma0(a.3), a.3 &+ sigma0(b.0))
    }

    static func message256B(_ a: Words, _ b: Words) -> Words {
        let w16 = a.0 &+ sigma1(b.2)
        let w17 = a.1 &+ sigma1(b.3)
        return (w16, w17, a.2 &+ sigma1(w16), a.3 &+ sigma1(w17))
    }
}

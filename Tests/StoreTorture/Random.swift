/// A small generator of pseudo-random numbers (SplitMix64), the same on every run.
struct Random: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    /// Bytes made of units of up to 64 KiB: of a common stock, so that processes share them, or new; some zero, some that compress.
    mutating func contents(units: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<units {
            let length = Bool.random(using: &self) ? 65_536 : Int.random(in: 1..<65_536, using: &self)
            switch Int.random(in: 0..<10, using: &self) {
            case 0: bytes += [UInt8](repeating: 0, count: length)
            case 1..<6:
                var stock = Random(UInt64.random(in: 0..<40, using: &self))
                bytes += stock.unit(65_536, isText: false)
            case 6..<8: bytes += unit(length, isText: true)
            default: bytes += unit(length, isText: false)
            }
        }
        return bytes
    }

    private mutating func unit(_ count: Int, isText: Bool) -> [UInt8] {
        if isText {
            let word = next()
            return (0..<count).map { (index: Int) -> UInt8 in
                UInt8(truncatingIfNeeded: word >> (index % 7 * 8)) ^ UInt8(index / 4096)
            }
        }
        return [UInt8](unsafeUninitializedCapacity: (count + 7) / 8 * 8) { buffer, initialized in
            for index in 0..<(count + 7) / 8 {
                let word = next()
                for byte in 0..<8 { buffer[8 * index + byte] = UInt8(truncatingIfNeeded: word >> UInt64(8 * byte)) }
            }
            initialized = count
        }
    }
}

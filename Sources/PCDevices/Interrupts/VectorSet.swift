/// One bit for each of the 256 interrupt vectors: what IRR, ISR and TMR hold (SDM volume 3, 11.8.4).
package struct VectorSet: Sendable, Hashable {
    // Four words instead of an array: copying a local APIC allocates nothing.
    private var word0: UInt64 = 0
    private var word1: UInt64 = 0
    private var word2: UInt64 = 0
    private var word3: UInt64 = 0

    package init() {}

    /// The vector of the highest priority, which is the largest; nil when the set is empty.
    package var highest: UInt8? {
        if word3 != 0 { return 255 - UInt8(truncatingIfNeeded: word3.leadingZeroBitCount) }
        if word2 != 0 { return 191 - UInt8(truncatingIfNeeded: word2.leadingZeroBitCount) }
        if word1 != 0 { return 127 - UInt8(truncatingIfNeeded: word1.leadingZeroBitCount) }
        if word0 != 0 { return 63 - UInt8(truncatingIfNeeded: word0.leadingZeroBitCount) }
        return nil
    }

    package subscript(vector: UInt8) -> Bool {
        get { self[word: vector >> 6] & (1 &<< UInt64(vector & 63)) != 0 }
        set {
            let bit: UInt64 = 1 &<< UInt64(vector & 63)
            if newValue { self[word: vector >> 6] |= bit } else { self[word: vector >> 6] &= ~bit }
        }
    }

    /// The 32 vectors of one of the eight registers, vector 32 * `number` in bit 0.
    package subscript(register number: Int) -> UInt32 {
        get {
            let word = self[word: UInt8(truncatingIfNeeded: number >> 1)]
            return UInt32(truncatingIfNeeded: number & 1 == 0 ? word : word >> 32)
        }
        set {
            let shift = UInt64(number & 1) &* 32
            let index = UInt8(truncatingIfNeeded: number >> 1)
            self[word: index] = self[word: index] & ~(0xFFFF_FFFF &<< shift) | UInt64(newValue) &<< shift
        }
    }

    /// All eight registers.
    package var registers: [UInt32] { (0..<8).map { self[register: $0] } }

    private subscript(word index: UInt8) -> UInt64 {
        get {
            switch index & 3 {
            case 0: word0
            case 1: word1
            case 2: word2
            default: word3
            }
        }
        set {
            switch index & 3 {
            case 0: word0 = newValue
            case 1: word1 = newValue
            case 2: word2 = newValue
            default: word3 = newValue
            }
        }
    }
}

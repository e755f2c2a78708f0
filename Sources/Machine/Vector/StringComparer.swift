/// PCMPESTRI and its family (Intel SDM volume 2, 4.1): the second string's elements against the first's.
struct StringComparer {
    private let isWord: Bool
    private let isSigned: Bool
    /// Bits 2-3 of the immediate: equal any, ranges, equal each, equal ordered.
    private let aggregation: Int
    private let polarity: Int
    private let a: VectorWords
    private let b: VectorWords
    let count: Int
    private let lengthA: Int
    private let lengthB: Int

    /// - Parameter lengths: the explicit lengths, signed; their magnitudes count, held to the number of elements.
    init(control: Int, _ a: VectorWords, _ b: VectorWords, lengths: (Int64, Int64)?) {
        isWord = control & 1 != 0
        isSigned = control & 2 != 0
        aggregation = (control >> 2) & 3
        polarity = (control >> 4) & 3
        self.a = a
        self.b = b
        let bits = control & 1 != 0 ? 16 : 8
        let total = 128 / bits
        count = total
        func length(_ value: VectorWords) -> Int { (0..<total).first { value[$0, bits] == 0 } ?? total }
        if let lengths {
            lengthA = Int(min(lengths.0.magnitude, UInt64(total)))
            lengthB = Int(min(lengths.1.magnitude, UInt64(total)))
        } else {
            lengthA = length(a)
            lengthB = length(b)
        }
    }

    /// SF and ZF: the first and the second string end inside of the vector.
    var firstEnds: Bool { lengthA < count }
    var secondEnds: Bool { lengthB < count }

    private func element(_ source: VectorWords, _ index: Int) -> Int {
        let raw = source[index, isWord ? 16 : 8]
        guard isSigned else { return Int(raw) }
        return isWord ? Int(Int16(truncatingIfNeeded: raw)) : Int(Int8(truncatingIfNeeded: raw))
    }

    /// One bit for each element of the second string, after the polarity.
    var result: UInt32 {
        var bits: UInt32 = 0
        for index in 0..<count where matches(index) { bits |= 1 << UInt32(index) }
        let all: UInt32 = count == 16 ? 0xFFFF : 0xFF
        switch polarity {
        case 1: return ~bits & all
        case 3: return bits ^ (lengthB == 16 ? 0xFFFF : 1 << UInt32(lengthB) - 1) & all
        default: return bits
        }
    }

    private func matches(_ index: Int) -> Bool {
        let isValid = index < lengthB
        switch aggregation {
        case 0:
            guard isValid else { return false }
            let value = element(b, index)
            return (0..<lengthA).contains { element(a, $0) == value }
        case 1:
            guard isValid else { return false }
            let value = element(b, index)
            return stride(from: 0, to: lengthA - 1, by: 2).contains {
                element(a, $0) <= value && value <= element(a, $0 + 1)
            }
        case 2:
            if !isValid || index >= lengthA { return !isValid && index >= lengthA }
            return element(a, index) == element(b, index)
        default:
            // Elements of the first string that are beyond its end match everything, those of the second nothing.
            for offset in 0..<min(count - index, lengthA) {
                if index + offset >= lengthB || element(a, offset) != element(b, index + offset) { return false }
            }
            return true
        }
    }
}

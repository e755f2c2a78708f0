import X86

// Vector integer helpers on registers
extension Machine {
    func vectorInteger(_ op: MicroOp) throws(AccessFailure) {
        guard let operation = VectorOperation(rawValue: UInt8(op.detail & 0xFF)) else { throw unsupported() }
        let words = op.detail & 0x100 != 0 ? 4 : 2
        let a = vector(op.a, words)
        let b = vector(op.b, words)
        let c = operation == .sha256Rounds ? vector(.xmm(0), 2) : VectorWords()
        var result = VectorWords()
        for lane in 0..<words / 2 {
            let value = Self.compute(
                operation, Self.lane(a, lane), Self.lane(b, lane), Self.lane(c, 0), lane: lane, op.argument)
            result[word: lane * 2] = UInt64(truncatingIfNeeded: value)
            result[word: lane * 2 + 1] = UInt64(truncatingIfNeeded: value >> 64)
        }
        setVector(op.destination, result, words)
    }

    private static func lane(_ value: VectorWords, _ lane: Int) -> UInt128 {
        UInt128(value[word: lane * 2]) | UInt128(value[word: lane * 2 + 1]) << 64
    }

    private static func compute(
        _ operation: VectorOperation, _ a: UInt128, _ b: UInt128, _ c: UInt128, lane: Int, _ argument: Int
    ) -> UInt128 {
        typealias SHA = SHARound
        let x = SHA.words(a)
        let y = SHA.words(b)
        switch operation {
        case .aesEncrypt: return AESRound.apply(a, key: b, isDecryption: false, isLast: false)
        case .aesEncryptLast: return AESRound.apply(a, key: b, isDecryption: false, isLast: true)
        case .aesDecrypt: return AESRound.apply(a, key: b, isDecryption: true, isLast: false)
        case .aesDecryptLast: return AESRound.apply(a, key: b, isDecryption: true, isLast: true)
        case .aesInverseMixColumns: return AESRound.inverseMixColumns(b)
        case .aesKeyAssist: return AESRound.keyAssist(b, constant: UInt32(argument & 0xFF))
        case .carrylessMultiply:
            return carrylessProduct(
                UInt64(truncatingIfNeeded: argument & 1 != 0 ? a >> 64 : a),
                UInt64(truncatingIfNeeded: argument & 0x10 != 0 ? b >> 64 : b))
        case .sha1Rounds: return SHA.joined(SHA.rounds1(x, y, function: argument))
        case .sha1NextE: return SHA.joined(SHA.nextE(x, y))
        case .sha1Message1: return SHA.joined(SHA.message1A(x, y))
        case .sha1Message2: return SHA.joined(SHA.message1B(x, y))
        case .sha256Rounds: return SHA.joined(SHA.rounds256(x, y, keys: SHA.words(c)))
        case .sha256Message1: return SHA.joined(SHA.message256A(x, y))
        case .sha256Message2: return SHA.joined(SHA.message256B(x, y))
        case .multipleDifferences: return multipleDifferences(a, b, control: argument >> (lane * 3))
        case .minimumPosition: return minimumPosition(b)
        }
    }

    /// Multiplication of polynomials over GF(2).
    private static func carrylessProduct(_ a: UInt64, _ b: UInt64) -> UInt128 {
        var rest = b
        var result: UInt128 = 0
        while rest != 0 {
            result ^= UInt128(a) << UInt128(rest.trailingZeroBitCount)
            rest &= rest &- 1
        }
        return result
    }

    /// MPSADBW: eight sums of four differences; bit 2 of the control moves the window of a, bits 0-1 choose the quadruple of b.
    private static func multipleDifferences(_ a: UInt128, _ b: UInt128, control: Int) -> UInt128 {
        func byte(_ value: UInt128, _ index: Int) -> Int { Int(truncatingIfNeeded: value >> UInt128(index * 8)) & 0xFF }
        let start = control & 4
        let block = (control & 3) * 4
        return (0..<8).reduce(UInt128(0)) { result, position in
            let sum = (0..<4).reduce(0) { $0 + abs(byte(a, start + position + $1) - byte(b, block + $1)) }
            return result | UInt128(sum) << UInt128(position * 16)
        }
    }

    /// PHMINPOSUW: the smallest word, and its first position in the next word.
    private static func minimumPosition(_ b: UInt128) -> UInt128 {
        var best = UInt128(0xFFFF)
        var position = 0
        for index in (0..<8).reversed() {
            let word = b >> UInt128(index * 16) & 0xFFFF
            if word <= best { (best, position) = (word, index) }
        }
        return best | UInt128(position) << 16
    }

    func compareStrings(_ op: MicroOp) {
        let form = StringComparison(detail: op.detail)
        func length(_ slot: Slot) -> Int64 {
            let value = processor[slot]
            return form.hasLongLengths ? Int64(bitPattern: value) : Int64(Int32(truncatingIfNeeded: value))
        }
        let comparer = StringComparer(
            control: op.argument, vector(op.a, 2), vector(op.b, 2),
            lengths: form.hasExplicitLengths ? (length(.rax), length(.rdx)) : nil)
        let result = comparer.result
        let isMostSignificant = op.argument & 0x40 != 0
        if form.returnsMask {
            var mask = VectorWords()
            if isMostSignificant {
                let bits = 128 / comparer.count
                for index in 0..<comparer.count where result & (1 << UInt32(index)) != 0 { mask[index, bits] = ~0 }
            } else {
                mask[word: 0] = UInt64(result)
            }
            setVector(.xmm(0), mask, 2)
        } else {
            let index =
                result == 0
                ? comparer.count : isMostSignificant ? 31 - result.leadingZeroBitCount : result.trailingZeroBitCount
            processor[.rcx] = UInt64(index)
        }
        processor[.cf] = result != 0 ? 1 : 0
        processor[.zf] = comparer.secondEnds ? 1 : 0
        processor[.sf] = comparer.firstEnds ? 1 : 0
        processor[.of] = UInt64(result & 1)
        processor[.af] = 0
        processor[.pf] = 0
    }

    func clearVectors(all: Bool) {
        for register in 0..<16 {
            if all { setVector(.xmm(register), VectorWords(), 2) }
            setVector(.ymmUpper(register), VectorWords(), 2)
        }
    }
}

import X86

/// One floating-point instruction on vectors, fused ones excepted: element by element into `result`.
struct FloatElements {
    private let form: FloatForm
    private let argument: Int
    private let a: VectorWords
    private let b: VectorWords
    /// Ordinary numbers may be left to the host: rounding to nearest, and the precision flag is set and masked already.
    private let isPlain: Bool
    var unit: FloatUnit
    var result: VectorWords

    init(_ form: FloatForm, argument: Int, _ a: VectorWords, _ b: VectorWords, mxcsr: UInt32) {
        self.form = form
        self.argument = argument
        self.a = a
        self.b = b
        unit = FloatUnit(mxcsr: mxcsr)
        isPlain = HostArithmetic.isAllowed(mxcsr)
        // Scalar forms leave the upper elements of a.
        result = form.format.isScalar ? a : VectorWords()
    }

    private var format: BinaryFormat { form.format.isDouble ? .double : .single }
    private var bits: Int { form.format.isDouble ? 64 : 32 }

    /// Elements of the operation's format.
    private var count: Int { form.format.isScalar ? 1 : (form.isWide ? 256 : 128) / bits }

    mutating func run() {
        switch form.operation {
        case .horizontalAdd, .horizontalSubtract: horizontal()
        case .dotProduct: dotProduct()
        case .singleToDouble:
            for index in 0..<(form.format.isScalar ? 1 : form.isWide ? 4 : 2) {
                result[index, 64] = unit.convert(b[index, 32], from: .single, to: .double)
            }
        case .doubleToSingle:
            for index in 0..<count { result[index, 32] = unit.convert(b[index, 64], from: .double, to: .single) }
        case .integersToFloat:
            for index in 0..<count {
                let integer = Int64(Int32(truncatingIfNeeded: b[index, 32]))
                result[index, bits] = unit.fromInteger(integer, format)
            }
        case .floatToIntegers, .floatToIntegersTruncated:
            if form.operation == .floatToIntegersTruncated { unit.rounding = .towardZero }
            for index in 0..<count { result[index, 32] = unit.toInteger(b[index, bits], format, bits: 32) }
        case .halfToSingle:
            for index in 0..<count {
                result[index, 32] = unit.convert(b[index, 16], from: .half, to: .single, ignoresDenormals: true)
            }
        case .singleToHalf:
            // Bit 2 of the immediate chooses MXCSR's rounding; FTZ does not apply.
            if argument & 4 == 0 { unit.rounding = FloatUnit.rounding(UInt32(argument & 3)) }
            unit.flushesToZero = false
            for index in 0..<count { result[index, 16] = unit.convert(b[index, 32], from: .single, to: .half) }
        default:
            for index in 0..<count { result[index, bits] = element(index, a[index, bits], b[index, bits]) }
        }
    }

    private mutating func element(_ index: Int, _ x: UInt64, _ y: UInt64) -> UInt64 {
        let f = format
        switch form.operation {
        case .add, .subtract, .multiply, .divide, .squareRoot:
            if isPlain, let value = HostArithmetic.compute(form.operation, x, y, isDouble: bits == 64) { return value }
            switch form.operation {
            case .add: return unit.add(x, y, f)
            case .subtract: return unit.add(x, y, f, subtracts: true)
            case .multiply: return unit.multiply(x, y, f)
            case .divide: return unit.divide(x, y, f)
            default: return unit.squareRoot(y, f)
            }
        case .addSubtract: return unit.add(x, y, f, subtracts: index & 1 == 0)
        case .minimum: return unit.extremum(x, y, f, isMinimum: true)
        case .maximum: return unit.extremum(x, y, f, isMinimum: false)
        case .compare: return unit.compare(x, y, f, predicate: argument & 31) ? ~0 : 0
        case .round: return unit.roundToIntegral(y, f, control: argument)
        case .reciprocal: return FloatApproximation.reciprocal(y)
        default: return FloatApproximation.reciprocalSquareRoot(y)
        }
    }

    /// In each 128-bit lane: neighbours of a, then neighbours of b.
    private mutating func horizontal() {
        let perLane = 128 / bits
        for index in 0..<count {
            let lane = index / perLane * perLane
            let position = index % perLane
            let source = position < perLane / 2 ? a : b
            let first = lane + position % (perLane / 2) * 2
            result[index, bits] = unit.add(
                source[first, bits], source[first + 1, bits], format, subtracts: form.operation == .horizontalSubtract)
        }
    }

    /// In each 128-bit lane: the products that the upper half of the immediate chooses are added in pairs, then the pairs; the lower half
    /// chooses where the sum goes (Intel SDM volume 2, DPPS). Each step raises its own exceptions. Every element adds in another order, as
    /// Intel's processors do: of several NaNs it can be another one that comes out.
    private mutating func dotProduct() {
        let perLane = 128 / bits
        var sums = (0..<count).map { index in
            argument & (16 << (index % perLane)) != 0 ? unit.multiply(a[index, bits], b[index, bits], format) : 0
        }
        guard unit.finishStep() else { return }
        sums = sums.indices.map { index in
            let pair = [sums[index], sums[index ^ 1]]
            return bits == 32 ? unit.add(pair[1], pair[0], format) : unit.add(pair[0], pair[1], format)
        }
        guard unit.finishStep() else { return }
        if bits == 32 { sums = sums.indices.map { unit.add(sums[$0], sums[$0 ^ 2], format) } }
        for index in 0..<count where argument & (1 << (index % perLane)) != 0 { result[index, bits] = sums[index] }
    }
}

/// A fused multiplication and addition on vectors.
struct FloatFusion {
    private let form: FloatForm
    private let factors: (VectorWords, VectorWords)
    private let addend: VectorWords
    private let isPlain: Bool
    var unit: FloatUnit
    var result: VectorWords

    /// - Parameters:
    ///   - order: which operands are factors: 132 is d * b + a, 213 a * d + b, 231 a * b + d.
    init(
        _ form: FloatForm, order: Int, _ d: VectorWords, _ a: VectorWords, _ b: VectorWords, mxcsr: UInt32
    ) {
        self.form = form
        switch order {
        case 132:
            factors = (d, b)
            addend = a
        case 213:
            factors = (a, d)
            addend = b
        default:
            factors = (a, b)
            addend = d
        }
        unit = FloatUnit(mxcsr: mxcsr)
        isPlain = HostArithmetic.isAllowed(mxcsr)
        result = d
    }

    mutating func run() {
        let bits = form.format.isDouble ? 64 : 32
        let format: BinaryFormat = form.format.isDouble ? .double : .single
        let negatesProduct = form.operation == .negatedMultiplyAdd || form.operation == .negatedMultiplySubtract
        for index in 0..<(form.format.isScalar ? 1 : (form.isWide ? 256 : 128) / bits) {
            let negatesAddend: Bool =
                switch form.operation {
                case .multiplySubtract, .negatedMultiplySubtract: true
                case .multiplyAddSubtract: index & 1 == 0
                case .multiplySubtractAdd: index & 1 != 0
                default: false
                }
            let x = factors.0[index, bits]
            let y = factors.1[index, bits]
            let z = addend[index, bits]
            let signs: UInt64 = format.signBit
            if isPlain,
                let value = HostArithmetic.fuse(
                    negatesProduct ? x ^ signs : x, y, negatesAddend ? z ^ signs : z, isDouble: bits == 64)
            {
                result[index, bits] = value
                continue
            }
            result[index, bits] = unit.multiplyAdd(
                x, y, z, format, negatesProduct: negatesProduct, negatesAddend: negatesAddend)
        }
    }
}

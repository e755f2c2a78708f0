import X86

/// The host's instruction that computes a floating-point helper of the IR: the same one that the guest has, without VEX.
///
/// It runs under the guest's MXCSR with all exceptions masked, so results and flags are the guest's by construction. What differs between
/// makers of processors (approximations, dot products) and what needs more than SSE4.1 is left to `FloatUnit`.
struct HostFloatInstruction {
    enum Operands {
        /// The low element of a is replaced.
        case scalar
        /// All elements of a and b.
        case packed
        /// All elements of b.
        case packedMonadic
        /// The elements in the low half of b.
        case widening
    }

    let opcode: UInt32
    /// 66, F2, F3, or 0.
    let prefix: UInt8
    let operands: Operands
    var immediate: UInt8?
    /// Done for the upper 128 bits as well.
    let isWide: Bool

    /// - Returns: nil when the helper must do it.
    init?(_ form: FloatForm, argument: Int, _ features: HostFeatures) {
        let formatPrefix: UInt8 =
            switch form.format {
            case .scalarSingle: 0xF3
            case .scalarDouble: 0xF2
            case .packedSingle: 0
            case .packedDouble: 0x66
            }
        isWide = form.isWide
        var operands: Operands = form.format.isScalar ? .scalar : form.isMonadic ? .packedMonadic : .packed
        switch form.operation {
        case .add: (opcode, prefix) = (0x0F58, formatPrefix)
        case .multiply: (opcode, prefix) = (0x0F59, formatPrefix)
        case .subtract: (opcode, prefix) = (0x0F5C, formatPrefix)
        case .minimum: (opcode, prefix) = (0x0F5D, formatPrefix)
        case .divide: (opcode, prefix) = (0x0F5E, formatPrefix)
        case .maximum: (opcode, prefix) = (0x0F5F, formatPrefix)
        case .squareRoot: (opcode, prefix) = (0x0F51, formatPrefix)
        case .compare:
            // The other predicates have only VEX forms.
            guard argument & 31 < 8 else { return nil }
            (opcode, prefix) = (0x0FC2, formatPrefix)
            immediate = UInt8(argument & 7)
        case .singleToDouble, .doubleToSingle:
            guard !form.isWide else { return nil }
            (opcode, prefix) = (0x0F5A, formatPrefix)
            if form.format == .packedSingle { operands = .widening }
        case .integersToFloat where form.format == .packedSingle: (opcode, prefix) = (0x0F5B, 0)
        case .integersToFloat where form.format == .packedDouble && !form.isWide:
            (opcode, prefix) = (0x0FE6, 0xF3)
            operands = .widening
        case .floatToIntegers where form.format == .packedSingle: (opcode, prefix) = (0x0F5B, 0x66)
        case .floatToIntegers where form.format == .packedDouble && !form.isWide: (opcode, prefix) = (0x0FE6, 0xF2)
        case .floatToIntegersTruncated where form.format == .packedSingle: (opcode, prefix) = (0x0F5B, 0xF3)
        case .floatToIntegersTruncated where form.format == .packedDouble && !form.isWide:
            (opcode, prefix) = (0x0FE6, 0x66)
        case .round where features.hasVectorExtensions:
            let last: UInt32 =
                switch form.format {
                case .packedSingle: 8
                case .packedDouble: 9
                case .scalarSingle: 10
                case .scalarDouble: 11
                }
            (opcode, prefix) = (0x0F3A00 | last, 0x66)
            immediate = UInt8(argument & 15)
        case .horizontalAdd where features.hasVectorExtensions:
            (opcode, prefix) = (0x0F7C, form.format.isDouble ? 0x66 : 0xF2)
        case .horizontalSubtract where features.hasVectorExtensions:
            (opcode, prefix) = (0x0F7D, form.format.isDouble ? 0x66 : 0xF2)
        case .addSubtract where features.hasVectorExtensions:
            (opcode, prefix) = (0x0FD0, form.format.isDouble ? 0x66 : 0xF2)
        default: return nil
        }
        self.operands = operands
    }
}

import X86

/// Random x87 states in the data area, and how their outcomes are compared.
enum X87Operands {
    /// Bytes of an FNSAVE image of 32 bits.
    private static let imageSize = 108

    static func prepare(_ form: InstructionForm, _ data: inout [UInt8], _ random: inout OperandGenerator) {
        var name: String?
        switch form.setup {
        case .x87, .x87Decimal: break
        case .x87Transcendental(let mnemonic): name = mnemonic
        default: return
        }
        let start = InstructionForms.stateBefore
        func put(_ value: UInt64, _ offset: Int, _ count: Int) {
            for index in 0..<count {
                data[start + offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(index * 8))
            }
        }
        for offset in 0..<imageSize { data[start + offset] = 0 }
        // Masks: mostly all set; precision and rounding control at random (the reserved precision 1 excepted).
        let masks: UInt64 = random.below(3) == 0 ? random.below(64) : 0x3F
        let precision: UInt64 = name != nil ? 3 : [0, 2, 3, 3][Int(random.below(4))]
        let control = masks | precision << 8 | (name != nil ? 0 : random.below(4)) << 10 | 0x40
        put(control, 0, 2)
        put(random.next() & 0x7F00, 4, 2)
        // Tags: full, or some registers empty.
        put(
            random.below(4) == 0 && name == nil
                ? random.next() & 0xFFFF : name == nil && random.below(3) > 0 ? 0x0003 : 0, 8, 2)
        if name == nil || ["fsincos", "fptan"].contains(name ?? "") {
            if name != nil {
                // The register below the top must be free.
                put(0x3000, 4, 2)
                put(0x0C00, 8, 2)
            }
        }
        for register in 0..<8 {
            let (significand, upper) = name.map { transcendental($0, register, &random) } ?? number(&random)
            put(significand, 28 + register * 10, 8)
            put(UInt64(upper), 36 + register * 10, 2)
        }
        // The memory operand: floats of all sizes are interesting in the same words.
        let operand = InstructionForms.mediaOperand
        let (significand, upper) = number(&random)
        var words: (UInt64, UInt64) = (significand, UInt64(upper))
        switch random.below(5) {
        case 0: words.0 = Double(Int64(bitPattern: random.operand())).bitPattern
        case 1: words.0 = UInt64(Float(Int32(truncatingIfNeeded: random.operand())).bitPattern)
        case 2:
            words.0 =
                [
                    0x7FF0_0000_0000_0000, 0xFFF8_0000_0000_0001, 0x7FF0_0000_0000_0001, 0x7F80_0000, 0xFFC0_0000,
                    0x7F80_0001, 1,
                    0x8000_0000_0000_0000, 0x8000_0000, 0x000F_FFFF_FFFF_FFFF, 0x3FF0_0000_0000_0000, 0x3F80_0000,
                ][Int(random.below(12))]
        case 3: words.0 = random.operand()
        default: break
        }
        if case .x87Decimal = form.setup {
            words.0 = (0..<16).reduce(0) { sum, digit in sum | random.below(10) << UInt64(digit * 4) }
            words.1 = random.below(10) | random.below(10) << 4 | (random.below(2) << 15)
        }
        for index in 0..<8 {
            data[operand + index] = UInt8(truncatingIfNeeded: words.0 >> UInt64(index * 8))
            data[operand + 8 + index] = UInt8(truncatingIfNeeded: words.1 >> UInt64(index * 8))
        }
        // A control word without pending trouble for FLDCW.
        data[0x780] = UInt8(random.below(64)) | 0x40
        data[0x781] = UInt8([0, 2, 3][Int(random.below(3))] | random.below(4) << 2)
    }

    /// Special values, neighbours of powers of two, integers, values close to each other.
    private static func number(_ random: inout OperandGenerator) -> (UInt64, UInt16) {
        let sign: UInt16 = random.below(2) == 0 ? 0x8000 : 0
        switch random.below(12) {
        case 0:
            let special: [(UInt64, UInt16)] = [
                (0, 0), (1 << 63, 0x7FFF), (0xC000_0000_0000_0000, 0x7FFF), (0x8000_0000_0000_0001, 0x7FFF),
                (0xC000_0000_1234_5678, 0x7FFF), (0, 0x7FFF), (0x4000_0000_0000_0000, 0x7FFF), (1, 0), (1 << 63, 0),
                (0x7FFF_FFFF_FFFF_FFFF, 0), (0x4000_0000_0000_0000, 0x3FFF), (1 << 63, 1), (~0, 0x7FFE),
                (1 << 63, 0x3FFF), (0xA000_0000_0000_0000, 0x4002), (1 << 63, 0x7FFE),
            ]
            let (significand, exponent) = special[Int(random.below(16))]
            return (significand, exponent | sign)
        case 1, 2, 3:
            return (random.operand() | 1 << 63, UInt16(0x3FFF - 3 + random.below(8)) | sign)
        case 4, 5:
            let value = random.operand()
            guard value != 0 else { return (0, sign) }
            let shift = value.leadingZeroBitCount
            return (value << UInt64(shift), UInt16(0x3FFF + 63 - shift - (random.below(3) == 0 ? 2 : 0)) | sign)
        case 6: return (random.next() | 1 << 63, UInt16(random.below(0x7FFE) + 1) | sign)
        case 7: return (random.operand() | 1 << 63, UInt16(random.below(70) + 1) | sign)
        case 8: return (random.operand() | 1 << 63, UInt16(0x7FFE - random.below(70)) | sign)
        case 9: return (random.operand() | 1 << 63, UInt16(0x3FFF + random.below(140) - 70) | sign)
        // Close to the range of doubles and floats.
        case 10:
            return (
                random.operand() | 1 << 63,
                UInt16([0x3C00, 0x3F80, 0x43FE, 0x407E][Int(random.below(4))] + random.below(4)) | sign
            )
        default: return (random.next() >> random.below(64), sign)
        }
    }

    private static func transcendental(
        _ name: String, _ register: Int, _ random: inout OperandGenerator
    ) -> (UInt64, UInt16) {
        let sign: UInt16 = random.below(2) == 0 ? 0x8000 : 0
        let significand = random.next() | 1 << 63
        switch name {
        case "f2xm1": return (significand, UInt16(0x3FFE - random.below(random.below(3) == 0 ? 80 : 6)) | sign)
        case "fyl2xp1" where register == 0:
            return (significand, UInt16(0x3FFC - random.below(random.below(3) == 0 ? 80 : 6)) | sign)
        case "fyl2x" where register == 0:
            let spread = random.below(4) == 0 ? random.below(0x7000) + 0x400 : 0x3FFF + random.below(6) - 3
            return (random.below(8) == 0 ? 1 << 63 : significand, UInt16(spread))
        case "fsin", "fcos", "fsincos", "fptan":
            return (significand, UInt16(0x3FFF + random.below(random.below(3) == 0 ? 64 : 5) - 3) | sign)
        default: return (significand, UInt16(0x3FFF + random.below(random.below(3) == 0 ? 60 : 6) - 3) | sign)
        }
    }

    /// Whether two outcomes are the same, up to one unit in the last place for transcendental functions.
    static func agree(_ form: InstructionForm, _ found: [UInt8], _ host: [UInt8]) -> Bool {
        if found == host { return true }
        guard case .x87Transcendental = form.setup else { return false }
        var (left, right) = (found, host)
        let start = InstructionForms.stateAfter
        // C1, "rounded up", follows the last bit.
        left[start + 5] &= ~2
        right[start + 5] &= ~2
        for register in 0..<2 {
            let offset = start + 28 + register * 10
            guard left[offset + 8] == right[offset + 8], left[offset + 9] == right[offset + 9] else { continue }
            let (a, b) = (word(left, offset), word(right, offset))
            guard (a > b ? a - b : b - a) <= 1 else { return false }
            for index in 0..<8 { right[offset + index] = left[offset + index] }
        }
        return left == right
    }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
        (0..<8).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64($1 * 8) }
    }

    /// The states before and after, for the report of a difference.
    static func describe(_ form: InstructionForm, before: [UInt8], found: [UInt8], host: [UInt8]) -> String? {
        switch form.setup {
        case .x87, .x87Decimal, .x87Transcendental: break
        default: return nil
        }
        func image(_ bytes: [UInt8], _ start: Int) -> String {
            func hex(_ offset: Int, _ count: Int) -> String {
                let value = (0..<count).reduce(UInt64(0)) { $0 | UInt64(bytes[start + offset + $1]) << UInt64($1 * 8) }
                return String(value, radix: 16)
            }
            let registers = (0..<4).map { "\(hex(36 + $0 * 10, 2)):\(hex(28 + $0 * 10, 8))" }
            return "cw \(hex(0, 2)) sw \(hex(4, 2)) tw \(hex(8, 2)) \(registers.joined(separator: " "))"
        }
        func operand(_ bytes: [UInt8]) -> String {
            let start = InstructionForms.mediaOperand
            return String(word(bytes, start + 8), radix: 16) + ":" + String(word(bytes, start), radix: 16)
        }
        let after = InstructionForms.stateAfter
        return """
            \n  before \(image(before, 0)) memory \(operand(before))\n  engine \(image(found, after)) memory \(operand(found))
              host   \(image(host, after)) memory \(operand(host))
            """
    }
}

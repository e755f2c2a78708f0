import X86

// The environment image of FNSTENV, FLDENV, FNSAVE and FRSTOR (Intel SDM volume 1, 8.1.10)
extension X87Unit {
    /// The full tag word: two bits per physical register.
    var tagWord: UInt16 {
        var word: UInt16 = 0
        for register in 0..<8 {
            let number = registers[register]
            let tag: UInt16
            if emptyTags >> UInt8(register) & 1 != 0 {
                tag = 3
            } else if number.signAndExponent & 0x7FFF == 0, number.significand == 0 {
                tag = 1
            } else if X87Operand(number).kind == .finite, !X87Operand(number).isDenormal {
                tag = 0
            } else {
                tag = 2
            }
            word |= tag << UInt16(register * 2)
        }
        return word
    }

    mutating func setTagWord(_ word: UInt16) {
        emptyTags = 0
        for register in 0..<8 where word >> UInt16(register * 2) & 3 == 3 { emptyTags |= 1 << UInt8(register) }
    }
}

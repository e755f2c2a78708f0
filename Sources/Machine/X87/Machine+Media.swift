import X86

// MMX registers are the significands of the physical x87 registers R0-R7 (Intel SDM volume 3, 12.2)
extension Machine {
    func readMedia(_ register: Int) -> UInt64 {
        processor.system.pointee.floatRegisters[register & 7].significand
    }

    /// Writing sets the exponent and sign to ones.
    func writeMedia(_ register: Int, _ value: UInt64) {
        processor.system.pointee.floatRegisters[register & 7] = ExtendedFloat(
            significand: value, signAndExponent: 0xFFFF)
        enterMedia()
    }

    /// Every MMX instruction but EMMS: TOP = 0, all registers valid.
    func enterMedia() {
        processor.system.pointee.statusWord &= ~0x3800
        processor.system.pointee.emptyTags = 0
    }
}

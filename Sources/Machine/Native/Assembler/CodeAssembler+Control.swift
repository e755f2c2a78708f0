// Jumps and calls
extension CodeAssembler {
    /// Jcc with a 32-bit distance, to be bound.
    ///
    /// - Returns: place of the distance.
    package mutating func jump(_ condition: HostCondition) -> Int {
        byte(0x0F)
        byte(0x80 | condition.rawValue)
        double(0)
        return position - 4
    }

    /// JMP with a 32-bit distance, to be bound.
    package mutating func jump() -> Int {
        byte(0xE9)
        double(0)
        return position - 4
    }

    package mutating func jump(to target: Int) { bind(jump(), to: target) }

    package mutating func jump(_ register: HostRegister) { encode(0xFF, reg: 4, rm: register.number) }

    package mutating func call(to target: Int) {
        byte(0xE8)
        double(0)
        bind(position - 4, to: target)
    }

    package mutating func call(_ register: HostRegister) { encode(0xFF, reg: 2, rm: register.number) }

    package mutating func returnToCaller() { byte(0xC3) }
}

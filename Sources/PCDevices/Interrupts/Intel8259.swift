/// One 8259A: eight inputs, fixed or rotating priorities, one output (Intel 8259A data sheet, 231468-003).
///
/// Vectors are those of 8086 mode, as in every PC. The buffer and cascade pins have no meaning here:
/// ``InterruptControllerPair`` wires the two.
struct Intel8259: Sendable, Hashable {
    /// Where the initialization words are.
    enum Initialization: UInt8, Sendable {
        case done = 0
        /// ICW2, ICW3, ICW4 is expected at the odd port.
        case vector = 1
        case cascade = 2
        case mode = 3
    }

    /// Levels of the inputs at their last change, to know an edge (QEMU's `last_irr`).
    var lines: UInt8 = 0
    /// Interrupt request register.
    var requested: UInt8 = 0
    /// Interrupt mask register.
    var mask: UInt8 = 0
    /// In-service register.
    var inService: UInt8 = 0
    /// The input of the highest priority; the others follow in ascending order.
    var first: UInt8 = 0
    /// Vector of input 0, a multiple of 8.
    var vectorBase: UInt8 = 0
    /// The even port reads the in-service register, else the request register.
    var readsInService = false
    /// The next read is the poll.
    var isPolled = false
    var isSpecialMask = false
    var initialization = Initialization.done
    var isAutomaticEnd = false
    var rotatesOnAutomaticEnd = false
    var isSpecialFullyNested = false
    /// ICW1 said that ICW4 follows.
    var expectsMode = false
    /// ICW1 said that there is no cascade.
    var isSingle = false
    /// ICW1 made all inputs level triggered.
    var isLevelMode = false
    /// Edge/level control register of the chipset: inputs that are level triggered.
    var levelTriggered: UInt8 = 0
    /// Bits of that register that exist.
    let levelMask: UInt8
    let isPrimary: Bool

    init(isPrimary: Bool) {
        self.isPrimary = isPrimary
        // 0, 1, 2, 8 and 13 are always edges (82371AB, 4.1.2.8).
        levelMask = isPrimary ? 0xF8 : 0xDE
    }

    /// The input that the other controller's output is connected to.
    static let cascadeInput: UInt8 = 2
    /// The input whose vector is given when the request has gone.
    static let spuriousInput: UInt8 = 7

    private var levelInputs: UInt8 { isLevelMode ? 0xFF : levelTriggered }

    /// An input changes its level.
    mutating func setLine(_ input: UInt8, _ isAsserted: Bool) {
        let bit = 1 &<< (input & 7) as UInt8
        if isAsserted {
            if levelInputs & bit != 0 || lines & bit == 0 { requested |= bit }
            lines |= bit
        } else {
            if levelInputs & bit != 0 { requested &= ~bit }
            lines &= ~bit
        }
    }

    /// Writes the edge/level control register: a level-triggered input requests what its line says.
    mutating func setTriggers(_ value: UInt8) {
        levelTriggered = value & levelMask
        requested = requested & ~levelInputs | lines & levelInputs
    }

    /// The cascade input follows the output of the other controller.
    mutating func setCascade(_ isAsserted: Bool) {
        let bit = 1 << Self.cascadeInput as UInt8
        requested = requested & ~bit | (isAsserted ? bit : 0)
        lines = lines & ~bit | (isAsserted ? bit : 0)
    }

    /// The input of the highest priority of a set; nil for none.
    private func highest(_ inputs: UInt8) -> UInt8? {
        guard inputs != 0 else { return nil }
        // Rotated so that the input of the highest priority is bit 0.
        let shift = first & 7
        let rotated = inputs &>> shift | (shift == 0 ? 0 : inputs &<< (8 &- shift))
        return (UInt8(truncatingIfNeeded: rotated.trailingZeroBitCount) &+ shift) & 7
    }

    private func rank(_ input: UInt8) -> UInt8 { (input &- first) & 7 }

    /// The request that the output announces: above all that is in service.
    ///
    /// In special mask mode a masked input in service keeps nobody back; in special fully nested mode the cascade input
    /// does not keep back another request of itself (data sheet, "Special mask mode", "Special fully nested mode").
    var pending: UInt8? {
        guard initialization == .done, let input = highest(requested & ~mask) else { return nil }
        var blocking = inService
        if isSpecialMask { blocking &= ~mask }
        if isSpecialFullyNested && isPrimary { blocking &= ~(1 << Self.cascadeInput) }
        guard let current = highest(blocking) else { return input }
        return rank(input) < rank(current) ? input : nil
    }

    /// The acknowledge sequence for an input.
    mutating func acknowledge(_ input: UInt8) {
        let bit = 1 &<< (input & 7) as UInt8
        if isAutomaticEnd {
            if rotatesOnAutomaticEnd { first = (input &+ 1) & 7 }
        } else {
            inService |= bit
        }
        if levelInputs & bit == 0 { requested &= ~bit }
    }

    /// The input of the highest priority in service ends (data sheet, "End of interrupt"): in special mask mode one
    /// that is not masked.
    mutating func endHighest(rotates: Bool) {
        guard let input = highest(isSpecialMask ? inService & ~mask : inService) else { return }
        end(input, rotates: rotates)
    }

    mutating func end(_ input: UInt8, rotates: Bool) {
        inService &= ~(1 &<< (input & 7))
        if rotates { first = (input &+ 1) & 7 }
    }
}

// Words (data sheet, "Programming the 8259A").
extension Intel8259 {
    /// Writes the even port: ICW1, OCW2 or OCW3.
    mutating func writeCommand(_ value: UInt8) {
        if value & 0x10 != 0 {
            initialize(value)
        } else if value & 0x08 != 0 {
            if value & 0x04 != 0 { isPolled = true }
            if value & 0x02 != 0 { readsInService = value & 0x01 != 0 }
            if value & 0x40 != 0 { isSpecialMask = value & 0x20 != 0 }
        } else {
            let input = value & 7
            // Rotate, specific, end of interrupt.
            switch value >> 5 {
            case 0b000: rotatesOnAutomaticEnd = false
            case 0b100: rotatesOnAutomaticEnd = true
            case 0b001: endHighest(rotates: false)
            case 0b101: endHighest(rotates: true)
            case 0b011: end(input, rotates: false)
            case 0b111: end(input, rotates: true)
            case 0b110: first = (input &+ 1) & 7
            default: break
            }
        }
    }

    /// ICW1: edges are forgotten, masks and modes are off. The chipset's edge/level register stays.
    private mutating func initialize(_ value: UInt8) {
        isLevelMode = value & 0x08 != 0
        // An input that is high has to fall before it makes an edge again: the lines stay known.
        requested = levelInputs & lines
        mask = 0
        inService = 0
        first = 0
        readsInService = false
        isPolled = false
        isSpecialMask = false
        isAutomaticEnd = false
        rotatesOnAutomaticEnd = false
        isSpecialFullyNested = false
        vectorBase = 0
        expectsMode = value & 0x01 != 0
        isSingle = value & 0x02 != 0
        initialization = .vector
    }

    /// Writes the odd port: ICW2 to ICW4, or the mask.
    mutating func writeData(_ value: UInt8) {
        switch initialization {
        case .done: mask = value
        case .vector:
            vectorBase = value & 0xF8
            initialization = isSingle ? (expectsMode ? .mode : .done) : .cascade
        case .cascade: initialization = expectsMode ? .mode : .done
        case .mode:
            isSpecialFullyNested = value & 0x10 != 0
            isAutomaticEnd = value & 0x02 != 0
            initialization = .done
        }
    }

    /// The poll word: bit 7 and the input, which is thereby acknowledged; 0 for none.
    mutating func poll() -> UInt8 {
        isPolled = false
        guard let input = pending else { return 0 }
        acknowledge(input)
        return 0x80 | input
    }

    mutating func readCommand() -> UInt8 {
        if isPolled { return poll() }
        return readsInService ? inService : requested
    }

    mutating func readData() -> UInt8 { isPolled ? poll() : mask }
}

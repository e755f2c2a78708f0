/// The PC's two 8259A with the second's output at input 2 of the first, and the edge/level registers of the chipset.
package struct InterruptControllerPair: Sendable, Hashable {
    var primary = Intel8259(isPrimary: true)
    var secondary = Intel8259(isPrimary: false)

    package init() {}

    /// Ports of the pair: command and data of both, edge/level control.
    package enum Port {
        package static let primaryCommand: UInt16 = 0x20
        package static let primaryData: UInt16 = 0x21
        package static let secondaryCommand: UInt16 = 0xA0
        package static let secondaryData: UInt16 = 0xA1
        package static let primaryTrigger: UInt16 = 0x4D0
        package static let secondaryTrigger: UInt16 = 0x4D1
    }

    /// The pair's INTR: the board sets LINT0 of the local APICs to it after each call that changes something.
    package var output: Bool { primary.pending != nil }

    /// An ISA interrupt changes its level. Number 2 is the cascade, and no input.
    package mutating func setLine(_ number: Int, _ isAsserted: Bool) {
        switch number {
        case 2: return
        case 0..<8: primary.setLine(UInt8(number), isAsserted)
        case 8..<16: secondary.setLine(UInt8(number - 8), isAsserted)
        default: return
        }
        updateCascade()
    }

    /// The processor's acknowledge cycles: the vector. A request that has gone gives input 7 of the controller that was
    /// asked, without an interrupt in service there (data sheet, "Interrupt sequence").
    package mutating func acknowledge() -> UInt8 {
        guard let input = primary.pending else { return primary.vectorBase | Intel8259.spuriousInput }
        primary.acknowledge(input)
        guard input == Intel8259.cascadeInput, !primary.isSingle else { return primary.vectorBase | input }
        defer { updateCascade() }
        guard let second = secondary.pending else { return secondary.vectorBase | Intel8259.spuriousInput }
        secondary.acknowledge(second)
        return secondary.vectorBase | second
    }

    /// Reads ports from an absolute number on, each of 8 bits. A port that is none of the pair's reads ones.
    package mutating func read(_ port: UInt16, byteCount: Int, now: UInt64) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<min(max(byteCount, 0), 8) {
            value |= UInt64(read(port &+ UInt16(index))) << UInt64(8 * index)
        }
        return value
    }

    /// Writes ports from an absolute number on, each of 8 bits.
    package mutating func write(_ port: UInt16, byteCount: Int, value: UInt64, now: UInt64) {
        for index in 0..<min(max(byteCount, 0), 8) {
            write(port &+ UInt16(index), UInt8(truncatingIfNeeded: value >> UInt64(8 * index)))
        }
    }

    private mutating func read(_ port: UInt16) -> UInt8 {
        defer { updateCascade() }
        switch port {
        case Port.primaryCommand: return primary.readCommand()
        case Port.primaryData: return primary.readData()
        case Port.secondaryCommand: return secondary.readCommand()
        case Port.secondaryData: return secondary.readData()
        case Port.primaryTrigger: return primary.levelTriggered
        case Port.secondaryTrigger: return secondary.levelTriggered
        default: return 0xFF
        }
    }

    private mutating func write(_ port: UInt16, _ value: UInt8) {
        switch port {
        case Port.primaryCommand: primary.writeCommand(value)
        case Port.primaryData: primary.writeData(value)
        case Port.secondaryCommand: secondary.writeCommand(value)
        case Port.secondaryData: secondary.writeData(value)
        case Port.primaryTrigger: primary.setTriggers(value)
        case Port.secondaryTrigger: secondary.setTriggers(value)
        default: return
        }
        updateCascade()
    }

    private mutating func updateCascade() { primary.setCascade(secondary.pending != nil) }
}

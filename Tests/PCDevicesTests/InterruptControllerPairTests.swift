import PCDevices
import Testing
import VMState

/// The two 8259A, against Intel's data sheet 231468-003.
@Suite struct InterruptControllerPairTests {
    private static let masterPort: UInt16 = 0x20
    private static let slavePort: UInt16 = 0xA0

    private static func out(_ pair: inout InterruptControllerPair, _ port: UInt16, _ values: UInt8...) {
        for value in values { pair.write(port, byteCount: 1, value: UInt64(value), now: 0) }
    }

    private static func read(_ pair: inout InterruptControllerPair, _ port: UInt16) -> UInt64 {
        pair.read(port, byteCount: 1, now: 0)
    }

    private static func readISR(_ pair: inout InterruptControllerPair, _ port: UInt16) -> UInt64 {
        out(&pair, port, 0x0B)
        return read(&pair, port)
    }

    private static func readIRR(_ pair: inout InterruptControllerPair, _ port: UInt16) -> UInt64 {
        out(&pair, port, 0x0A)
        return read(&pair, port)
    }

    /// As a PC's firmware: vectors 0x08 and 0x70, ICW4 with 8086 mode and `mode`.
    private static func started(mode: UInt8 = 0x01, secondaryMode: UInt8 = 0x01) -> InterruptControllerPair {
        var pair = InterruptControllerPair()
        out(&pair, masterPort, 0x11)
        out(&pair, masterPort + 1, 0x08, 0x04, mode)
        out(&pair, slavePort, 0x11)
        out(&pair, slavePort + 1, 0x70, 0x02, secondaryMode)
        return pair
    }

    @Test func vectorsAndMasks() {
        var pair = Self.started()
        #expect(!pair.output)
        pair.setLine(1, true)
        #expect(pair.output)
        Self.out(&pair, Self.masterPort + 1, 0x02)
        #expect(Self.read(&pair, Self.masterPort + 1) == 0x02)
        #expect(!pair.output)
        #expect(Self.readIRR(&pair, Self.masterPort) == 0x02)
        Self.out(&pair, Self.masterPort + 1, 0x00)
        #expect(pair.acknowledge() == 0x09)
        #expect(Self.readISR(&pair, Self.masterPort) == 0x02)
        #expect(Self.readIRR(&pair, Self.masterPort) == 0)
        #expect(!pair.output)
    }

    /// Fully nested mode: input 0 first, lower ones wait for the end.
    @Test func fullyNestedMode() {
        var pair = Self.started()
        pair.setLine(5, true)
        pair.setLine(3, true)
        #expect(pair.acknowledge() == 0x0B)
        #expect(!pair.output)
        pair.setLine(0, true)
        #expect(pair.acknowledge() == 0x08)
        // A non-specific end is that of the highest in service.
        Self.out(&pair, Self.masterPort, 0x20)
        #expect(Self.readISR(&pair, Self.masterPort) == 0x08)
        #expect(!pair.output)
        Self.out(&pair, Self.masterPort, 0x63)
        #expect(pair.acknowledge() == 0x0D)
    }

    @Test func theCascade() {
        var pair = Self.started()
        pair.setLine(14, true)
        #expect(pair.output)
        #expect(Self.readIRR(&pair, Self.masterPort) == 0x04)
        #expect(pair.acknowledge() == 0x76)
        #expect(Self.readISR(&pair, Self.masterPort) == 0x04)
        #expect(Self.readISR(&pair, Self.slavePort) == 0x40)
        // Without special fully nested mode the first controller keeps the second back.
        pair.setLine(8, true)
        #expect(!pair.output)
        pair.setLine(1, true)
        #expect(pair.acknowledge() == 0x09)
        Self.out(&pair, Self.masterPort, 0x20)
        Self.out(&pair, Self.slavePort, 0x20)
        #expect(!pair.output)
        Self.out(&pair, Self.masterPort, 0x20)
        #expect(pair.acknowledge() == 0x70)
        pair.setLine(2, true)
        pair.setLine(16, true)
        pair.setLine(-1, true)
        #expect(Self.readIRR(&pair, Self.masterPort) == 0)
    }

    @Test func specialFullyNestedMode() {
        var pair = Self.started(mode: 0x11)
        pair.setLine(14, true)
        #expect(pair.acknowledge() == 0x76)
        pair.setLine(8, true)
        #expect(pair.acknowledge() == 0x70)
        #expect(Self.readISR(&pair, Self.slavePort) == 0x41)
    }

    /// "Interrupt sequence": without request at the acknowledge, input 7 and nothing in service.
    @Test func spuriousInterrupts() {
        var pair = Self.started()
        #expect(pair.acknowledge() == 0x0F)
        #expect(Self.readISR(&pair, Self.masterPort) == 0)
        // Level triggered, the line falls before the acknowledge.
        Self.out(&pair, 0x4D1, 0x08)
        pair.setLine(11, true)
        #expect(pair.output)
        pair.setLine(11, false)
        #expect(!pair.output)
        #expect(pair.acknowledge() == 0x0F)
    }

    /// Of the second controller: the first one has seen a request that the second one has no more, as KVM can leave it.
    @Test func spuriousInterruptsOfTheSecond() throws {
        var first = try InterruptSections.i8259(InterruptSections.primary, instance: 0)
        try first.set("irr", to: 4)
        let second = try InterruptSections.i8259(InterruptSections.secondary, instance: 1)
        var pair = try InterruptControllerPair(primary: first, secondary: second)
        #expect(pair.acknowledge() == 0x77)
        #expect(Self.readISR(&pair, Self.masterPort) == 0x04)
        #expect(Self.readISR(&pair, Self.slavePort) == 0)
    }

    @Test func automaticEnd() {
        var pair = Self.started(mode: 0x03)
        pair.setLine(3, true)
        #expect(pair.acknowledge() == 0x0B)
        #expect(Self.readISR(&pair, Self.masterPort) == 0)
        pair.setLine(3, false)
        pair.setLine(3, true)
        #expect(pair.acknowledge() == 0x0B)
        // With rotation, the one that was served is last.
        Self.out(&pair, Self.masterPort, 0x80)
        for input in [3, 4] {
            pair.setLine(input, false)
            pair.setLine(input, true)
        }
        #expect(pair.acknowledge() == 0x0B)
        pair.setLine(3, false)
        pair.setLine(3, true)
        #expect(pair.acknowledge() == 0x0C)
        #expect(pair.acknowledge() == 0x0B)
        Self.out(&pair, Self.masterPort, 0x00)
        pair.setLine(5, true)
        #expect(pair.acknowledge() == 0x0D)
        pair.setLine(5, false)
        pair.setLine(5, true)
        pair.setLine(4, false)
        pair.setLine(4, true)
        #expect(pair.acknowledge() == 0x0C)
    }

    /// "Automatic rotation" and "Specific rotation".
    @Test func rotation() {
        var pair = Self.started()
        pair.setLine(4, true)
        pair.setLine(6, true)
        #expect(pair.acknowledge() == 0x0C)
        // Non-specific end with rotation: 4 becomes the last, 5 the first.
        Self.out(&pair, Self.masterPort, 0xA0)
        pair.setLine(1, true)
        pair.setLine(4, false)
        pair.setLine(4, true)
        #expect(pair.acknowledge() == 0x0E)
        Self.out(&pair, Self.masterPort, 0x66)
        #expect(pair.acknowledge() == 0x09)
        Self.out(&pair, Self.masterPort, 0x61)
        #expect(pair.acknowledge() == 0x0C)
        Self.out(&pair, Self.masterPort, 0x64)
        // Set priority: 5 is the last, 6 the first.
        Self.out(&pair, Self.masterPort, 0xC5)
        for input in [5, 6] {
            pair.setLine(input, false)
            pair.setLine(input, true)
        }
        #expect(pair.acknowledge() == 0x0E)
        // Specific end with rotation: 6 is the last, 7 the first.
        Self.out(&pair, Self.masterPort, 0xE6)
        pair.setLine(7, true)
        #expect(pair.acknowledge() == 0x0F)
        #expect(Self.readISR(&pair, Self.masterPort) == 0x80)
    }

    /// "Special mask mode": a masked input in service lets lower ones through, and a non-specific end does not clear
    /// it.
    @Test func specialMaskMode() {
        var pair = Self.started()
        pair.setLine(3, true)
        #expect(pair.acknowledge() == 0x0B)
        pair.setLine(5, true)
        Self.out(&pair, Self.masterPort + 1, 0x08)
        #expect(!pair.output)
        Self.out(&pair, Self.masterPort, 0x68)
        #expect(pair.output)
        #expect(pair.acknowledge() == 0x0D)
        Self.out(&pair, Self.masterPort, 0x20)
        #expect(Self.readISR(&pair, Self.masterPort) == 0x08)
        Self.out(&pair, Self.masterPort, 0x20)
        #expect(Self.readISR(&pair, Self.masterPort) == 0x08)
        Self.out(&pair, Self.masterPort, 0x48)
        Self.out(&pair, Self.masterPort, 0x20)
        #expect(Self.readISR(&pair, Self.masterPort) == 0)
    }

    /// "Poll command": the read is the acknowledge.
    @Test func polling() {
        var pair = Self.started()
        Self.out(&pair, Self.masterPort, 0x0C)
        #expect(Self.read(&pair, Self.masterPort) == 0)
        pair.setLine(6, true)
        Self.out(&pair, Self.masterPort, 0x0C)
        #expect(Self.read(&pair, Self.masterPort) == 0x86)
        #expect(Self.readISR(&pair, Self.masterPort) == 0x40)
        #expect(!pair.output)
    }

    /// ICW1: masks, modes, requests and priorities are as new; a line that is up has to fall before it makes an edge.
    @Test func initialization() {
        var pair = Self.started(mode: 0x13)
        pair.setLine(1, true)
        Self.out(&pair, Self.masterPort + 1, 0xFF)
        Self.out(&pair, Self.masterPort, 0x0B, 0xC3, 0x68)
        // Without ICW4: no automatic end, no special fully nested mode.
        Self.out(&pair, Self.masterPort, 0x10)
        Self.out(&pair, Self.masterPort + 1, 0x47, 0x04)
        #expect(Self.read(&pair, Self.masterPort + 1) == 0)
        #expect(Self.read(&pair, Self.masterPort) == 0)
        #expect(!pair.output)
        pair.setLine(1, true)
        #expect(!pair.output)
        pair.setLine(1, false)
        pair.setLine(1, true)
        #expect(pair.acknowledge() == 0x41)
        #expect(Self.readISR(&pair, Self.masterPort) == 0x02)
        // Single: no ICW3.
        Self.out(&pair, Self.masterPort, 0x12)
        Self.out(&pair, Self.masterPort + 1, 0x50, 0xA5)
        #expect(Self.read(&pair, Self.masterPort + 1) == 0xA5)
    }

    /// 82371AB, 4.1.2.8: inputs 0, 1, 2, 8 and 13 stay edges.
    @Test func edgeAndLevelControl() {
        var pair = Self.started()
        pair.write(0x4D0, byteCount: 2, value: 0xFFFF, now: 0)
        #expect(pair.read(0x4D0, byteCount: 2, now: 0) == 0xDEF8)
        pair.setLine(10, true)
        #expect(pair.acknowledge() == 0x72)
        Self.out(&pair, Self.slavePort, 0x20)
        Self.out(&pair, Self.masterPort, 0x20)
        // Still there.
        #expect(pair.acknowledge() == 0x72)
        pair.setLine(10, false)
        Self.out(&pair, Self.slavePort, 0x20)
        Self.out(&pair, Self.masterPort, 0x20)
        #expect(!pair.output)
        // It survives ICW1. An input whose line is up asks when it becomes level triggered.
        Self.out(&pair, Self.slavePort, 0x11)
        #expect(Self.read(&pair, 0x4D1) == 0xDE)
        var other = Self.started()
        other.setLine(5, true)
        #expect(other.acknowledge() == 0x0D)
        Self.out(&other, Self.masterPort, 0x20)
        #expect(!other.output)
        Self.out(&other, 0x4D0, 0x20)
        #expect(other.output)
    }

    @Test func otherPortsReadOnes() {
        var pair = Self.started()
        #expect(pair.read(0x22, byteCount: 1, now: 0) == 0xFF)
        #expect(pair.read(0x21, byteCount: 2, now: 0) == 0xFF00)
        #expect(pair.read(0xFFFF, byteCount: 8, now: 0) == .max)
        pair.write(0xFFFF, byteCount: 100, value: 0, now: 0)
        pair.write(0x20, byteCount: -1, value: 0, now: 0)
    }
}

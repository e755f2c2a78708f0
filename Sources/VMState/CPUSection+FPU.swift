private typealias Offset = CPULayout.Offset

/// A register of the x87 unit.
package struct FPURegister: Sendable, Hashable {
    /// The 64-bit significand; MMX registers are here.
    package var mantissa: UInt64
    /// Sign in bit 15, exponent below.
    package var signExponent: UInt16

    /// Makes a register.
    package init(mantissa: UInt64, signExponent: UInt16) {
        self.mantissa = mantissa
        self.signExponent = signExponent
    }
}

/// A 128-bit half of a vector register.
package struct VectorLane: Sendable, Hashable {
    /// Bits 0-63.
    package var low: UInt64
    /// Bits 64-127.
    package var high: UInt64

    /// Makes a lane.
    package init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }
}

extension CPUSection {
    /// x87 control word.
    package var fpuControl: UInt16 {
        get { load(Offset.fpuControl) }
        set { store(newValue, Offset.fpuControl) }
    }

    /// x87 status word; the top of the stack is in bits 11-13.
    package var fpuStatus: UInt16 {
        get { load(Offset.fpuStatus) }
        set { store(newValue, Offset.fpuStatus) }
    }

    /// One bit per physical x87 register: 1 = in use (the opposite of QEMU's own `fptags`).
    package var fpuTag: UInt16 {
        get { load(Offset.fpuTag) }
        set { store(newValue, Offset.fpuTag) }
    }

    /// The eight physical x87 registers (R0...R7, not relative to the stack's top).
    package var fpuRegisters: [FPURegister] {
        (0..<8).map {
            FPURegister(
                mantissa: load(Offset.fpuRegisters + 10 * $0), signExponent: load(Offset.fpuRegisters + 10 * $0 + 8))
        }
    }

    /// SSE control and status.
    package var mxcsr: UInt32 {
        get { load(Offset.mxcsr) }
        set { store(newValue, Offset.mxcsr) }
    }

    /// Bits 0-127 of the sixteen vector registers.
    package var xmm: [VectorLane] { lanes(Offset.xmm) }

    /// Bits 128-255 of the sixteen vector registers.
    package var ymmHigh: [VectorLane] { lanes(Offset.ymmHigh) }

    /// Overwrites an x87 register.
    package mutating func setFPURegister(_ index: Int, to value: FPURegister) {
        guard (0..<8).contains(index) else { return }
        store(value.mantissa, Offset.fpuRegisters + 10 * index)
        store(value.signExponent, Offset.fpuRegisters + 10 * index + 8)
    }

    /// Overwrites bits 0-127 of a vector register.
    package mutating func setXMM(_ index: Int, to value: VectorLane) {
        guard (0..<16).contains(index) else { return }
        store(value.low, Offset.xmm + 16 * index)
        store(value.high, Offset.xmm + 16 * index + 8)
    }

    /// Overwrites bits 128-255 of a vector register.
    package mutating func setYMMHigh(_ index: Int, to value: VectorLane) {
        guard (0..<16).contains(index) else { return }
        store(value.low, Offset.ymmHigh + 16 * index)
        store(value.high, Offset.ymmHigh + 16 * index + 8)
    }

    private func lanes(_ start: Int) -> [VectorLane] {
        (0..<16).map { VectorLane(low: load(start + 16 * $0), high: load(start + 16 * $0 + 8)) }
    }
}

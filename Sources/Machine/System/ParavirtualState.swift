/// KVM's paravirtual interface as the machine keeps it for a guest that grew up with it (Linux, Documentation/virt/kvm/x86).
package struct ParavirtualState: Sendable, Hashable {
    /// The guest has seen KVM's signature: hypercalls are answered, and its MSRs exist.
    package var isOffered = false
    /// What KVM's clock showed when virtual time was 0, modulo 2^64.
    package var clockBase: UInt64 = 0
    /// Seconds and nanoseconds of UTC when KVM's clock showed 0.
    package var wallClockSeconds: UInt64 = 0
    package var wallClockNanoseconds: UInt64 = 0

    package init() {}
}

/// Numbers of KVM's MSRs (Documentation/virt/kvm/x86/msr.rst).
enum ParavirtualMSR {
    static let oldWallClock: UInt32 = 0x11
    static let oldSystemTime: UInt32 = 0x12
    static let wallClock: UInt32 = 0x4B56_4D00
    static let systemTime: UInt32 = 0x4B56_4D01
    static let asynchronousFaults: UInt32 = 0x4B56_4D02
    static let stealTime: UInt32 = 0x4B56_4D03
    static let endOfInterrupt: UInt32 = 0x4B56_4D04
    static let pollControl: UInt32 = 0x4B56_4D05
    static let asynchronousFaultVector: UInt32 = 0x4B56_4D06
    static let asynchronousFaultAcknowledge: UInt32 = 0x4B56_4D07
}

/// Numbers of hypercalls (Documentation/virt/kvm/x86/hypercalls.rst).
enum ParavirtualCall {
    static let pollInterrupts: UInt64 = 1
    static let kickProcessor: UInt64 = 5
    static let sendInterrupts: UInt64 = 10
    static let yield: UInt64 = 11
    /// What an unknown call returns: minus ENOSYS of KVM.
    static let unknown = UInt64(bitPattern: -1000)
    /// What a call from user mode returns: minus EPERM.
    static let forbidden = UInt64(bitPattern: -1)
}

/// How a time-stamp counter becomes nanoseconds: `(ticks << shift) * multiplier >> 32`, a negative shift to the right.
struct ClockScale: Sendable, Hashable {
    let multiplier: UInt32
    let shift: Int8

    /// The scale of a counter. A rate of 0 counts as 1 Hz.
    init(hertz: UInt64) {
        var rate = max(hertz, 1)
        var shift: Int8 = 0
        while rate > 2_000_000_000 {
            rate >>= 1
            shift -= 1
        }
        while rate <= 1_000_000_000 {
            rate <<= 1
            shift += 1
        }
        multiplier = UInt32(truncatingIfNeeded: (1_000_000_000 << 32) / rate)
        self.shift = shift
    }
}

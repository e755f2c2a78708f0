/// What the host's processor has beyond SSE2 that translated code can use.
struct HostFeatures: Sendable {
    /// SSSE3, SSE4.1 and SSE4.2, with POPCNT.
    var hasVectorExtensions = false
    var hasLeadingZeroCount = false
    /// BMI1: TZCNT.
    var hasTrailingZeroCount = false
    /// BMI2: PEXT and PDEP.
    var hasBitScatter = false

    /// Nothing but the baseline.
    init() {}

    /// Asks CPUID (Intel SDM volume 2, CPUID) through the routine in the code memory.
    init(_ memory: CodeMemory, _ routines: NativeRoutines) {
        typealias Identify = @convention(c) (UInt32, UInt32, UnsafeMutablePointer<UInt32>) -> Void
        let identify = unsafeBitCast(memory.executable + routines.identify, to: Identify.self)
        func leaf(_ number: UInt32) -> InlineArray<4, UInt32> {
            var result = InlineArray<4, UInt32>(repeating: 0)
            withUnsafeMutableBytes(of: &result) { bytes in
                if let words = bytes.baseAddress?.assumingMemoryBound(to: UInt32.self) { identify(number, 0, words) }
            }
            return result
        }
        // SSSE3, SSE4.1, SSE4.2, POPCNT.
        let wanted: UInt32 = 1 << 9 | 1 << 19 | 1 << 20 | 1 << 23
        hasVectorExtensions = leaf(1)[2] & wanted == wanted
        if leaf(0)[0] >= 7 {
            let structured = leaf(7)[1]
            hasTrailingZeroCount = structured & 1 << 3 != 0
            hasBitScatter = structured & 1 << 8 != 0
        }
        if leaf(0x8000_0000)[0] >= 0x8000_0001 { hasLeadingZeroCount = leaf(0x8000_0001)[2] & 1 << 5 != 0 }
    }
}

import Glibc

/// The host's floating-point environment around one guest operation.
///
/// Results and exception flags come from the host's SSE unit, which follows the same rules. The operations read and write memory
/// that the environment calls may see, so that the compiler keeps the order.
enum HostFloat {
    /// MXCSR exception bits.
    static let invalid: UInt32 = 1
    static let denormal: UInt32 = 2
    static let divideByZero: UInt32 = 4
    static let inexact: UInt32 = 0x20

    /// Runs `body` with MXCSR's rounding and returns the exception bits that it raised, denormals excepted.
    @inline(__always)
    static func observe(_ mxcsr: UInt32, _ body: () -> Void) -> UInt32 {
        let rounding = Int32((mxcsr >> 13) & 3) << 10
        if rounding != 0 { fesetround(rounding) }
        feclearexcept(0x3D)
        body()
        let raised = fetestexcept(0x3D)
        if rounding != 0 { fesetround(0) }
        return UInt32(bitPattern: raised)
    }

    /// One element: dyadic arithmetic of `Float` or `Double` with x86's NaN rules.
    @inline(__always)
    static func arithmetic<Number: BinaryFloatingPoint>(_ operation: Int, _ a: Number, _ b: Number) -> Number {
        if a.isNaN || b.isNaN {
            // The sum signals when one of them is a signalling NaN; the result is the first NaN, made quiet.
            let quiet = a.isNaN ? a : b
            _ = a + b
            return quiet + 0
        }
        switch operation {
        case 0: return a + b
        case 1: return a - b
        case 2: return a * b
        default: return a / b
        }
    }
}

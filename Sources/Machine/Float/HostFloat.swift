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

    /// One element: dyadic arithmetic of numbers that are not NaNs.
    @inline(__always)
    static func arithmetic<Number: BinaryFloatingPoint>(_ operation: Int, _ a: Number, _ b: Number) -> Number {
        switch operation {
        case 0: a + b
        case 1: a - b
        case 2: a * b
        default: a / b
        }
    }
}

/// A floating-point element of an XMM register.
protocol VectorElement: BinaryFloatingPoint {
    /// The same NaN with its quiet bit set: what SSE delivers for a NaN operand.
    var quieted: Self { get }
}

extension Float: VectorElement {
    var quieted: Float { Float(bitPattern: bitPattern | 0x0040_0000) }
}

extension Double: VectorElement {
    var quieted: Double { Double(bitPattern: bitPattern | 0x0008_0000_0000_0000) }
}

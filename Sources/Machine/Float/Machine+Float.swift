import Glibc
import X86

// SSE floating point. MXCSR's flags are kept; an unmasked exception raises #XM. Denormals-are-zero and flush-to-zero are unsupported
extension Machine {
    /// Notes raised exceptions; #XM when one is unmasked.
    private func note(_ raised: UInt32) throws(AccessFailure) {
        let system = processor.system
        system.pointee.mxcsr |= raised & 0x3F
        if raised & ~(system.pointee.mxcsr >> 7) & 0x3F != 0 {
            let isEnabled = system.pointee.cr4 & CR4.simdExceptions != 0
            throw .exception(GuestException(isEnabled ? .simdError : .invalidOpcode))
        }
    }

    private func requirePlainMode() throws(AccessFailure) {
        if processor.system.pointee.mxcsr & 0x8040 != 0 { throw unsupported() }
    }

    func vectorFloat(_ op: MicroOp) throws(AccessFailure) {
        try requirePlainMode()
        let slots = processor.slots
        guard let operation = FloatOperation(rawValue: UInt8(op.detail & 0xFF)),
            let format = FloatFormat(rawValue: UInt8(op.detail >> 8))
        else { throw unsupported() }
        let a = Int(op.a.rawValue)
        let b = Int(op.b.rawValue)
        let destination = Int(op.destination.rawValue)
        var result = FloatLanes(low: slots[a], high: slots[a + 1])
        let left = result
        let right = FloatLanes(low: slots[b], high: slots[b + 1])
        let mxcsr = processor.system.pointee.mxcsr
        var raised: UInt32 = 0
        switch operation {
        case .singleToDouble, .doubleToSingle, .integersToFloat, .floatToIntegers, .floatToIntegersTruncated:
            FloatConverter.convert(operation, format, right, &result, mxcsr, &raised)
        default:
            let isDouble = format == .scalarDouble || format == .packedDouble
            let count = format == .scalarSingle || format == .scalarDouble ? 1 : isDouble ? 2 : 4
            for lane in 0..<count {
                if isDouble {
                    let value = FloatElements.compute(
                        operation, Double(bitPattern: left[double: lane]), Double(bitPattern: right[double: lane]),
                        argument: op.argument, mxcsr, &raised, mask: Double(bitPattern: ~0))
                    result[double: lane] = value.bitPattern
                } else {
                    let value = FloatElements.compute(
                        operation, Float(bitPattern: left[single: lane]), Float(bitPattern: right[single: lane]),
                        argument: op.argument, mxcsr, &raised, mask: Float(bitPattern: ~0))
                    result[single: lane] = value.bitPattern
                }
            }
        }
        try note(raised)
        slots[destination] = result.low
        slots[destination + 1] = result.high
    }

    /// ZF PF CF = 111 unordered, 000 greater, 001 less, 100 equal.
    func compareFloat(_ a: UInt64, _ b: UInt64, width: Int, isQuiet: Bool) throws(AccessFailure) {
        try requirePlainMode()
        let left: Double
        let right: Double
        var raised: UInt32 = 0
        if width == 64 {
            left = Double(bitPattern: a)
            right = Double(bitPattern: b)
            if left.isSubnormal || right.isSubnormal { raised = HostFloat.denormal }
            if left.isSignalingNaN || right.isSignalingNaN { raised = HostFloat.invalid }
        } else {
            let x = Float(bitPattern: UInt32(truncatingIfNeeded: a))
            let y = Float(bitPattern: UInt32(truncatingIfNeeded: b))
            left = Double(x)
            right = Double(y)
            if x.isSubnormal || y.isSubnormal { raised = HostFloat.denormal }
            if x.isSignalingNaN || y.isSignalingNaN { raised = HostFloat.invalid }
        }
        let isUnordered = left.isNaN || right.isNaN
        if isUnordered { raised = isQuiet ? raised & HostFloat.invalid : HostFloat.invalid }
        try note(raised)
        for flag in Slot.arithmeticFlags { processor[flag] = 0 }
        if isUnordered {
            processor[.zf] = 1
            processor[.pf] = 1
            processor[.cf] = 1
        } else {
            processor[.zf] = left == right ? 1 : 0
            processor[.cf] = left < right ? 1 : 0
        }
    }

    func convertFloat(_ a: UInt64, _ detail: Int) throws(AccessFailure) -> UInt64 {
        try requirePlainMode()
        guard let conversion = FloatConversion(rawValue: UInt8(truncatingIfNeeded: detail)) else {
            throw unsupported()
        }
        let mxcsr = processor.system.pointee.mxcsr
        var raised: UInt32 = 0
        let value: UInt64
        let single = Float(bitPattern: UInt32(truncatingIfNeeded: a))
        let double = Double(bitPattern: a)
        switch conversion {
        case .int32ToSingle, .int64ToSingle, .int32ToDouble, .int64ToDouble:
            let isLong = conversion == .int64ToSingle || conversion == .int64ToDouble
            let integer = isLong ? Int64(bitPattern: a) : Int64(Int32(truncatingIfNeeded: a))
            let isSingle = conversion == .int32ToSingle || conversion == .int64ToSingle
            value = FloatConverter.fromInteger(integer, isSingle: isSingle, mxcsr, &raised)
        case .singleToInt32: value = FloatConverter.toInteger(Double(single), 32, (mxcsr >> 13) & 3, &raised)
        case .singleToInt64: value = FloatConverter.toInteger(Double(single), 64, (mxcsr >> 13) & 3, &raised)
        case .doubleToInt32: value = FloatConverter.toInteger(double, 32, (mxcsr >> 13) & 3, &raised)
        case .doubleToInt64: value = FloatConverter.toInteger(double, 64, (mxcsr >> 13) & 3, &raised)
        case .singleToInt32Truncated: value = FloatConverter.toInteger(Double(single), 32, 3, &raised)
        case .singleToInt64Truncated: value = FloatConverter.toInteger(Double(single), 64, 3, &raised)
        case .doubleToInt32Truncated: value = FloatConverter.toInteger(double, 32, 3, &raised)
        case .doubleToInt64Truncated: value = FloatConverter.toInteger(double, 64, 3, &raised)
        }
        try note(raised)
        return value
    }
}

import X86

// SSE, AVX and FMA floating point. MXCSR's flags are kept; an unmasked exception raises #XM and nothing else happens
extension Machine {
    /// Notes the exceptions of an instruction; #XM (or #UD without CR4.OSXMMEXCPT) when one is unmasked.
    ///
    /// Exceptions that are found before computing, when unmasked, keep those of the results from being reported
    /// (Intel SDM volume 1, 11.5.2 and table 11-1).
    private func note(_ unit: FloatUnit) throws(AccessFailure) {
        let raised = unit.raised
        let system = processor.system
        let unmasked = ~(system.pointee.mxcsr >> 7) & 0x3F
        let isEarly = raised & unmasked & FloatUnit.early != 0
        system.pointee.mxcsr |= unit.settled | raised & (isEarly ? FloatUnit.early : 0x3F)
        if raised & unmasked != 0 {
            let isEnabled = system.pointee.cr4 & CR4.simdExceptions != 0
            throw .exception(GuestException(isEnabled ? .simdError : .invalidOpcode))
        }
    }

    /// The words of a vector operand.
    func vector(_ slot: Slot, _ count: Int) -> VectorWords {
        var result = VectorWords()
        guard count > 0 else { return result }
        let slots = processor.slots
        let first = Int(slot.rawValue)
        result[word: 0] = slots[first]
        guard count > 1 else { return result }
        result[word: 1] = slots[first + 1]
        guard count > 2 else { return result }
        let upper = Int(slot.upper.rawValue)
        result[word: 2] = slots[upper]
        result[word: 3] = slots[upper + 1]
        return result
    }

    func setVector(_ slot: Slot, _ value: VectorWords, _ count: Int) {
        processor[slot] = value[word: 0]
        processor[slot.high] = value[word: 1]
        guard count > 2 else { return }
        processor[slot.upper] = value[word: 2]
        processor[slot.upper.high] = value[word: 3]
    }

    func vectorFloat(_ op: MicroOp) throws(AccessFailure) {
        guard let form = FloatForm(detail: op.detail) else { throw unsupported() }
        let mxcsr = processor.system.pointee.mxcsr
        if form.format.isScalar, HostArithmetic.isAllowed(mxcsr), scalarFloat(op, form) { return }
        let a = vector(op.a, form.firstWords)
        let b = vector(op.b, form.sourceWords)
        var result: VectorWords
        if form.isFused {
            let d = vector(op.destination, form.resultWords)
            var fusion = FloatFusion(form, order: op.argument, d, a, b, mxcsr: mxcsr)
            fusion.run()
            try note(fusion.unit)
            result = fusion.result
        } else {
            var elements = FloatElements(form, argument: op.argument, a, b, mxcsr: mxcsr)
            elements.run()
            try note(elements.unit)
            result = elements.result
        }
        setVector(op.destination, result, form.resultWords)
    }

    /// A scalar operation on ordinary numbers, by the host.
    ///
    /// - Returns: false when the case is another one; then nothing has changed.
    private func scalarFloat(_ op: MicroOp, _ form: FloatForm) -> Bool {
        switch form.operation {
        case .add, .subtract, .multiply, .divide, .squareRoot: break
        default: return false
        }
        let slots = processor.slots
        let old = slots[Int(op.a.rawValue)]
        let isDouble = form.format.isDouble
        guard
            let value = HostArithmetic.compute(form.operation, old, slots[Int(op.b.rawValue)], isDouble: isDouble)
        else { return false }
        slots[Int(op.destination.high.rawValue)] = slots[Int(op.a.high.rawValue)]
        slots[Int(op.destination.rawValue)] = isDouble ? value : old & ~0xFFFF_FFFF | value
        return true
    }

    /// ZF PF CF = 111 unordered, 000 greater, 001 less, 100 equal.
    func compareFloat(_ a: UInt64, _ b: UInt64, width: Int, isQuiet: Bool) throws(AccessFailure) {
        let mask: UInt64 = width == 64 ? ~0 : 0xFFFF_FFFF
        let order: FloatUnit.Order
        if let known = HostArithmetic.order(a & mask, b & mask, isDouble: width == 64) {
            order = known
        } else {
            var unit = FloatUnit(mxcsr: processor.system.pointee.mxcsr)
            order = unit.order(a & mask, b & mask, width == 64 ? .double : .single, isQuiet: isQuiet)
            try note(unit)
        }
        for flag in Slot.arithmeticFlags { processor[flag] = 0 }
        processor[.zf] = order == .equal || order == .unordered ? 1 : 0
        processor[.pf] = order == .unordered ? 1 : 0
        processor[.cf] = order == .less || order == .unordered ? 1 : 0
    }

    func convertFloat(_ a: UInt64, _ detail: Int) throws(AccessFailure) -> UInt64 {
        guard let conversion = FloatConversion(rawValue: UInt8(truncatingIfNeeded: detail)) else {
            throw unsupported()
        }
        if let value = HostArithmetic.convert(conversion, a, processor.system.pointee.mxcsr) { return value }
        var unit = FloatUnit(mxcsr: processor.system.pointee.mxcsr)
        let single = a & 0xFFFF_FFFF
        func truncating() { unit.rounding = .towardZero }
        let value: UInt64
        switch conversion {
        case .int32ToSingle: value = unit.fromInteger(Int64(Int32(truncatingIfNeeded: a)), .single)
        case .int64ToSingle: value = unit.fromInteger(Int64(bitPattern: a), .single)
        case .int32ToDouble: value = unit.fromInteger(Int64(Int32(truncatingIfNeeded: a)), .double)
        case .int64ToDouble: value = unit.fromInteger(Int64(bitPattern: a), .double)
        case .singleToInt32: value = unit.toInteger(single, .single, bits: 32)
        case .singleToInt64: value = unit.toInteger(single, .single, bits: 64)
        case .doubleToInt32: value = unit.toInteger(a, .double, bits: 32)
        case .doubleToInt64: value = unit.toInteger(a, .double, bits: 64)
        case .singleToInt32Truncated:
            truncating()
            value = unit.toInteger(single, .single, bits: 32)
        case .singleToInt64Truncated:
            truncating()
            value = unit.toInteger(single, .single, bits: 64)
        case .doubleToInt32Truncated:
            truncating()
            value = unit.toInteger(a, .double, bits: 32)
        case .doubleToInt64Truncated:
            truncating()
            value = unit.toInteger(a, .double, bits: 64)
        }
        try note(unit)
        return value
    }
}

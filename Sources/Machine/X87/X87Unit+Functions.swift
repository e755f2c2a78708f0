import X86

// The transcendental instructions and those around them: D9 F0 to D9 FF
extension X87Unit {
    /// D9 F0-F7: F2XM1 FYL2X FPTAN FPATAN FXTRACT FPREM1 FDECSTP FINCSTP.
    mutating func executeFirstTranscendental(_ index: Int) {
        switch index {
        case 0: unary { $0.powerMinusOne($1) }
        case 1: binaryPop { $0.logarithm(y: $1, x: $2) }
        case 2: trigonometricPush(.tangent)
        case 3: binaryPop { $0.arcTangent(y: $1, x: $2) }
        case 4: extract()
        case 5: remainder(isNearest: true)
        case 6, 7:
            top += index == 6 ? 7 : 1
            status &= ~X87Status.c1
        default: break
        }
    }

    /// D9 F8-FF: FPREM FYL2XP1 FSQRT FSINCOS FRNDINT FSCALE FSIN FCOS.
    mutating func executeSecondTranscendental(_ index: Int) {
        switch index {
        case 0: remainder(isNearest: false)
        case 1: binaryPop { $0.logarithmPlusOne(y: $1, x: $2) }
        case 2: unary { $0.squareRoot($1) }
        case 3: trigonometricPush(.both)
        case 4: unary { $0.roundToInteger($1) }
        case 5:
            var result = ExtendedFloat.indefinite
            if let a = operand(0), let b = operand(1) { result = environment.scale(a, b) }
            if !environment.stopsOperation { self[0] = result }
            finish()
        default: trigonometric(index == 6 ? .sine : .cosine)
        }
    }

    /// ST1 = f(ST1, ST0), then pop.
    private mutating func binaryPop(
        _ body: (inout X87Environment, ExtendedFloat, ExtendedFloat) -> ExtendedFloat
    ) {
        var result = ExtendedFloat.indefinite
        if let a = operand(1), let b = operand(0) { result = body(&environment, a, b) }
        if !environment.stopsOperation {
            self[1] = result
            pop()
        }
        finish()
    }

    private mutating func trigonometric(_ function: X87Environment.Trigonometric) {
        status &= ~X87Status.c2
        var result = ExtendedFloat.indefinite
        if let a = operand(0) {
            guard let both = environment.trigonometric(a, function) else {
                status = status & ~X87Status.c1 | X87Status.c2
                return
            }
            result = function == .cosine ? both.second : both.first
        }
        if !environment.stopsOperation { self[0] = result }
        finish()
    }

    /// FPTAN and FSINCOS: two results.
    private mutating func trigonometricPush(_ function: X87Environment.Trigonometric) {
        status &= ~X87Status.c2
        var results = (first: ExtendedFloat.indefinite, second: ExtendedFloat.indefinite)
        if isEmpty(0) {
            underflow()
        } else if isFull {
            environment.raise(X87Status.invalid | X87Status.stackFault)
            environment.roundedUp = true
        } else {
            guard let both = environment.trigonometric(self[0], function) else {
                status = status & ~X87Status.c1 | X87Status.c2
                return
            }
            results = both
        }
        if !environment.stopsOperation {
            self[0] = results.first
            top += 7
            self[0] = results.second
        }
        finish()
    }

    private mutating func extract() {
        var parts = (exponent: ExtendedFloat.indefinite, significand: ExtendedFloat.indefinite)
        if isEmpty(0) {
            underflow()
        } else if isFull {
            environment.raise(X87Status.invalid | X87Status.stackFault)
            environment.roundedUp = true
        } else {
            parts = environment.extract(self[0])
        }
        if !environment.stopsOperation {
            self[0] = parts.exponent
            top += 7
            self[0] = parts.significand
        }
        finish()
    }

    private mutating func remainder(isNearest: Bool) {
        var result = X87Environment.Remainder(value: .indefinite)
        if let a = operand(0), let b = operand(1) {
            result = environment.remainder(a, b, isNearest: isNearest)
        }
        var bits: UInt16 = 0
        let stops = environment.stopsOperation
        if stops || X87Operand(result.value).isNaN {
            // C0 and C3 stay.
            bits = status & (X87Status.c0 | X87Status.c3)
        } else if result.isPartial {
            bits = X87Status.c2
        } else {
            if result.quotient & 1 != 0 { bits |= X87Status.c1 }
            if result.quotient & 2 != 0 { bits |= X87Status.c3 }
            if result.quotient & 4 != 0 { bits |= X87Status.c0 }
        }
        if !stops { self[0] = result.value }
        setConditions(bits)
        finish(setsC1: false)
    }
}

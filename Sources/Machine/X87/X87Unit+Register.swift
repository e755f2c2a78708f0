import X86

// D8-DF with a register operand or none (Intel SDM volume 2, tables)
extension X87Unit {
    /// What a register form does outside of the x87 unit.
    enum Effect {
        case none
        /// FCOMI and its family: the new ZF, PF and CF; OF, SF and AF become 0.
        case flags(zero: Bool, parity: Bool, carry: Bool)
        /// FNSTSW AX.
        case statusToAX(UInt16)
        /// No such instruction.
        case undefined
    }

    /// Executes the form `opcode` (0xD8-0xDF) with the ModRM byte `modRM` (mod = 3).
    ///
    /// - Parameter condition: for FCMOVcc: whether its condition holds, by the number 0 (below), 1 (equal), 2 (below or equal),
    ///   3 (unordered).
    mutating func executeRegister(_ opcode: Int, _ modRM: Int, condition: (Int) -> Bool) -> Effect {
        let index = modRM & 7
        let group = (modRM >> 3) & 7
        switch opcode {
        case 0xD8:
            if group == 2 || group == 3 {
                compareRegister(index, isQuiet: false, pops: group - 2)
            } else {
                arithmetic(group, target: 0, source: index, pops: false)
            }
        case 0xD9: return executeD9(modRM, group, index)
        case 0xDA, 0xDB: return executeConditional(opcode, modRM, group, index, condition)
        case 0xDC, 0xDE:
            if group == 2 || group == 3 {
                guard opcode == 0xDC || group == 2 || modRM == 0xD9 else { return .undefined }
                // DC D0/D8 and DE D0 are aliases of FCOM, FCOMP; DE D9 is FCOMPP.
                compareRegister(index, isQuiet: false, pops: opcode == 0xDE ? group - 1 : group - 2)
                return .none
            }
            // The register forms of FSUB and FDIV have their reversed encodings swapped.
            let kind = group >= 4 ? group ^ 1 : group
            arithmetic(kind, target: index, source: 0, pops: opcode == 0xDE)
        case 0xDD: return executeDD(group, index)
        default: return executeDF(modRM, group, index)
        }
        return .none
    }

    private mutating func compareRegister(_ index: Int, isQuiet: Bool, pops: Int) {
        compare(with: operand(index), isQuiet: isQuiet, pops: pops)
    }

    /// FFREE clears C1 as well.
    private mutating func free(_ index: Int) {
        emptyTags |= 1 << UInt8((top + index) & 7)
        status &= ~X87Status.c1
    }

    private mutating func executeDD(_ group: Int, _ index: Int) -> Effect {
        switch group {
        case 0: free(index)
        case 1: exchange(index)
        case 2, 3: storeRegister(index, pops: group == 3)
        case 4, 5: compareRegister(index, isQuiet: true, pops: group - 4)
        default: return .undefined
        }
        return .none
    }

    private mutating func executeDF(_ modRM: Int, _ group: Int, _ index: Int) -> Effect {
        switch group {
        case 0:
            free(index)
            pop()
        case 1: exchange(index)
        case 2, 3: storeRegister(index, pops: true)
        case 4:
            guard modRM == 0xE0 else { return .undefined }
            return .statusToAX(status)
        case 5, 6: return compareToFlags(index, isQuiet: group == 5, pops: true)
        default: return .undefined
        }
        return .none
    }

    private mutating func executeConditional(
        _ opcode: Int, _ modRM: Int, _ group: Int, _ index: Int, _ condition: (Int) -> Bool
    ) -> Effect {
        switch group {
        case 0...3:
            let holds = condition(group) != (opcode == 0xDB)
            let value = operand(index)
            if isEmpty(0) { underflow() }
            if !environment.stopsOperation {
                if environment.raised != 0 {
                    self[0] = .indefinite
                } else if holds, let value {
                    self[0] = value
                }
            }
            finish(setsC1: environment.raised & X87Status.stackFault != 0)
        case 4 where opcode == 0xDB:
            switch modRM {
            // FENI, FDISI and FSETPM of older coprocessors do nothing.
            case 0xE0, 0xE1, 0xE4: break
            case 0xE2: status &= 0x7F00
            case 0xE3:
                control = 0x37F
                status = 0
                emptyTags = 0xFF
            default: return .undefined
            }
        case 5 where opcode == 0xDA:
            guard modRM == 0xE9 else { return .undefined }
            compareRegister(1, isQuiet: true, pops: 2)
        case 5, 6:
            guard opcode == 0xDB else { return .undefined }
            return compareToFlags(index, isQuiet: group == 5, pops: false)
        default: return .undefined
        }
        return .none
    }

    /// FCOMI, FUCOMI, FCOMIP, FUCOMIP.
    private mutating func compareToFlags(_ index: Int, isQuiet: Bool, pops: Bool) -> Effect {
        var order = X87Environment.Order.unordered
        if let a = operand(0), let b = operand(index) { order = environment.compare(a, b, isQuiet: isQuiet) }
        environment.roundedUp = false
        // As with FCOM, an unmasked exception keeps only the pop from happening.
        if pops, !environment.stopsOperation { pop() }
        finish(setsC1: environment.raised & X87Status.stackFault != 0)
        let isUnordered = order == .unordered
        return .flags(
            zero: order == .equal || isUnordered, parity: isUnordered, carry: order == .less || isUnordered)
    }

    private mutating func exchange(_ index: Int) {
        var (first, second) = (self[0], self[index])
        if isEmpty(0) || isEmpty(index) {
            underflow()
            if isEmpty(0) { first = .indefinite }
            if isEmpty(index) { second = .indefinite }
        }
        if !environment.stopsOperation {
            self[0] = second
            self[index] = first
        }
        environment.roundedUp = false
        finish()
    }

    /// FST and FSTP to a register.
    private mutating func storeRegister(_ index: Int, pops: Bool) {
        let value = operand(0) ?? .indefinite
        if !environment.stopsOperation {
            self[index] = value
            if pops { pop() }
        }
        environment.roundedUp = false
        finish()
    }

    /// FSTPNCE, which the manuals leave out: FSTP to a register, but from an empty one it stores nothing and raises nothing. As processors
    /// of AMD's family 25 do.
    private mutating func storeQuietly(_ index: Int) {
        guard isEmpty(0) else { return storeRegister(index, pops: true) }
        pop()
        environment.roundedUp = false
        finish()
    }

    private mutating func executeD9(_ modRM: Int, _ group: Int, _ index: Int) -> Effect {
        switch group {
        case 0:
            // An empty source is a stack underflow, whether or not the stack is full.
            if isEmpty(index) {
                underflow()
                if !environment.stopsOperation {
                    top += 7
                    self[0] = .indefinite
                }
                finish()
            } else {
                let value = self[index]
                push { _ in value }
            }
        case 1: exchange(index)
        case 2: return modRM == 0xD0 ? .none : .undefined
        case 3: storeQuietly(index)
        case 4: return executeSign(modRM)
        case 5:
            guard index < 7 else { return .undefined }
            push { Self.constant(index, $0.rounding) }
        case 6: executeFirstTranscendental(index)
        default: executeSecondTranscendental(index)
        }
        return .none
    }

    /// FCHS, FABS, FTST, FXAM.
    private mutating func executeSign(_ modRM: Int) -> Effect {
        switch modRM {
        case 0xE0, 0xE1:
            unary { _, a in a.withSign(modRM == 0xE0 && a.signAndExponent & 0x8000 == 0) }
        case 0xE4: compare(with: ExtendedFloat(), isQuiet: false, pops: 0)
        case 0xE5:
            let operand = X87Operand(self[0])
            var bits: UInt16 =
                switch operand.kind {
                case .unsupported: 0
                case .quietNaN, .signalingNaN: X87Status.c0
                case .finite: operand.isDenormal ? X87Status.c3 | X87Status.c2 : X87Status.c2
                case .infinity: X87Status.c2 | X87Status.c0
                case .zero: X87Status.c3
                }
            if isEmpty(0) { bits = X87Status.c3 | X87Status.c0 }
            if operand.isNegative { bits |= X87Status.c1 }
            setConditions(bits)
        default: return .undefined
        }
        return .none
    }

    /// FLD1 FLDL2T FLDL2E FLDPI FLDLG2 FLDLN2 FLDZ: from more bits than a register holds, rounded as the control word says.
    private static func constant(_ index: Int, _ rounding: X87Environment.Rounding) -> ExtendedFloat {
        // Significand cut to 64 bits, exponent field, and whether the nearest number is the next one.
        let table: [(UInt64, UInt16, Bool)] = [
            (0xD49A_784B_CD1B_8AFE, 0x4000, false), (0xB8AA_3B29_5C17_F0BB, 0x3FFF, true),
            (0xC90F_DAA2_2168_C234, 0x4000, true), (0x9A20_9A84_FBCF_F798, 0x3FFD, true),
            (0xB172_17F7_D1CF_79AB, 0x3FFE, true),
        ]
        if index == 0 { return .one }
        guard index <= table.count else { return ExtendedFloat() }
        let (significand, exponent, nearestIsNext) = table[index - 1]
        let isNext = rounding == .up || (rounding == .nearest && nearestIsNext)
        return ExtendedFloat(significand: significand &+ (isNext ? 1 : 0), signAndExponent: exponent)
    }
}

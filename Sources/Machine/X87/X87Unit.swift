import X86

/// The x87 registers while one instruction executes: a copy of the processor's that replaces it when the instruction completes.
struct X87Unit {
    var control: UInt16
    var status: UInt16
    /// One bit per physical register, 1 = empty.
    var emptyTags: UInt8
    /// R0-R7.
    var registers: InlineArray<8, ExtendedFloat>
    var environment: X87Environment

    init(_ system: SystemState) {
        control = system.controlWord
        status = system.statusWord
        emptyTags = system.emptyTags
        registers = system.floatRegisters
        environment = X87Environment(control: system.controlWord)
    }

    var top: Int {
        get { Int(status >> 11) & 7 }
        set { status = status & ~0x3800 | UInt16(newValue & 7) << 11 }
    }

    func isEmpty(_ index: Int) -> Bool { emptyTags >> UInt8((top + index) & 7) & 1 != 0 }

    /// ST(index) without a look at its tag.
    subscript(index: Int) -> ExtendedFloat {
        get { registers[(top + index) & 7] }
        set {
            registers[(top + index) & 7] = newValue
            emptyTags &= ~(1 << UInt8((top + index) & 7))
        }
    }

    mutating func pop() {
        emptyTags |= 1 << UInt8(top)
        top += 1
    }

    mutating func setConditions(_ bits: UInt16) { status = status & ~X87Status.conditions | bits }

    /// Stack underflow: an operand register is empty.
    mutating func underflow() {
        environment.raise(X87Status.invalid | X87Status.stackFault)
        environment.roundedUp = false
    }

    /// The number in ST(index), or nil after raising a stack underflow.
    mutating func operand(_ index: Int) -> ExtendedFloat? {
        if isEmpty(index) {
            underflow()
            return nil
        }
        return self[index]
    }

    /// The register that a push would go to is in use.
    var isFull: Bool { emptyTags >> UInt8((top + 7) & 7) & 1 == 0 }

    /// Pushes a number; the real indefinite when the stack is full and #IS is masked. A full stack is noticed before the number is
    /// looked at.
    mutating func push(_ load: (inout X87Environment) -> ExtendedFloat) {
        var value = ExtendedFloat.indefinite
        if isFull {
            environment.raise(X87Status.invalid | X87Status.stackFault)
            environment.roundedUp = true
        } else {
            value = load(&environment)
        }
        // A denormal number is loaded even when #D is unmasked.
        if environment.raised & ~control & X87Status.invalid == 0 {
            top += 7
            self[0] = value
        }
        finish()
    }

    /// Takes the raised exceptions over into the status word. C1 says whether the result was rounded up, or, with a stack fault,
    /// whether the stack overflowed.
    mutating func finish(setsC1: Bool = true) {
        if environment.stopsOperation {
            // What the operation would have raised later does not happen.
            let early = X87Status.invalid | X87Status.denormal | X87Status.zeroDivide | X87Status.stackFault
            environment.raised &= early
            if environment.raised & X87Status.stackFault == 0 { environment.roundedUp = false }
        }
        status |= environment.raised & 0x7F
        if setsC1 {
            if environment.roundedUp { status |= X87Status.c1 } else { status &= ~X87Status.c1 }
        }
        updateSummary()
    }

    /// ES and B follow the unmasked exceptions.
    mutating func updateSummary() {
        if status & ~control & X87Status.exceptions != 0 {
            status |= X87Status.summary | X87Status.busy
        } else {
            status &= ~(X87Status.summary | X87Status.busy)
        }
    }

    /// Two-operand arithmetic by its number in the reg field of D8 (0 FADD, 1 FMUL, 4 FSUB, 5 FSUBR, 6 FDIV, 7 FDIVR).
    mutating func compute(_ kind: Int, _ a: ExtendedFloat, _ b: ExtendedFloat) -> ExtendedFloat {
        switch kind {
        case 0: environment.add(a, b)
        case 1: environment.multiply(a, b)
        case 4: environment.add(a, b, subtracts: true)
        case 5: environment.add(b, a, subtracts: true)
        case 6: environment.divide(a, b)
        default: environment.divide(b, a)
        }
    }

    /// ST(target) = ST(target) op ST(source); then pops when `pops`. Reversed forms are those of `kind`.
    mutating func arithmetic(_ kind: Int, target: Int, source: Int, pops: Bool) {
        let result: ExtendedFloat
        if let a = operand(target), let b = operand(source) {
            result = compute(kind, a, b)
        } else {
            result = .indefinite
        }
        if !environment.stopsOperation {
            self[target] = result
            if pops { pop() }
        }
        finish()
    }

    /// ST0 = ST0 op a memory operand; `load` converts it and may raise as well.
    mutating func arithmetic(_ kind: Int, with load: (inout X87Environment) -> ExtendedFloat) {
        guard let a = operand(0) else {
            if !environment.stopsOperation { self[0] = .indefinite }
            finish()
            return
        }
        let b = load(&environment)
        let result = compute(kind, a, b)
        if !environment.stopsOperation { self[0] = result }
        finish()
    }

    /// C3 C2 C0 = 000 greater, 001 less, 100 equal, 111 unordered.
    private static func conditions(_ order: X87Environment.Order) -> UInt16 {
        switch order {
        case .greater: 0
        case .less: X87Status.c0
        case .equal: X87Status.c3
        case .unordered: X87Status.c0 | X87Status.c2 | X87Status.c3
        }
    }

    /// FCOM and its family with an operand already read; nil when it was an empty register.
    mutating func compare(with other: ExtendedFloat?, isQuiet: Bool, pops: Int) {
        var order = X87Environment.Order.unordered
        if let a = operand(0), let other { order = environment.compare(a, other, isQuiet: isQuiet) }
        // The condition codes are set even when an exception is unmasked; only the pop does not happen then.
        setConditions(Self.conditions(order))
        if !environment.stopsOperation {
            for _ in 0..<pops { pop() }
        }
        environment.roundedUp = false
        finish()
    }

    /// A comparison with a number from memory.
    mutating func compare(pops: Int, with load: (inout X87Environment) -> ExtendedFloat) {
        guard !isEmpty(0) else {
            compare(with: .indefinite, isQuiet: false, pops: pops)
            return
        }
        let other = load(&environment)
        compare(with: other, isQuiet: false, pops: pops)
    }

    /// ST0 = f(ST0).
    mutating func unary(_ body: (inout X87Environment, ExtendedFloat) -> ExtendedFloat) {
        var result = ExtendedFloat.indefinite
        if let a = operand(0) { result = body(&environment, a) }
        if !environment.stopsOperation { self[0] = result }
        finish()
    }
}

import X86

// Computing flags that waited, on the way and on slow paths
extension Translator {
    /// Computes the flags of `bits` that wait. RAX, RCX, RDX and EFLAGS may change.
    func materialize(_ bits: UInt8 = FlagBits.all) {
        guard !records.isEmpty else { return }
        // Those of the last operation first: EFLAGS have them already.
        let order = records.filter { isInFlags($0.arithmetic) } + records.filter { !isInFlags($0.arithmetic) }
        for record in order where record.flags & bits != 0 {
            compute(record.arithmetic, record.flags & bits)
            drop(record.flags & bits)
        }
    }

    private func isInFlags(_ wanted: Arithmetic) -> Bool {
        wanted.kind == .logic
            ? flags.kind != .none && flags.width == wanted.width && flags.result == wanted.a
            : flags.hasFlags(of: wanted)
    }

    private func compute(_ arithmetic: Arithmetic, _ bits: UInt8) {
        let (a, b, width) = (place(arithmetic.a), place(arithmetic.b), arithmetic.width)
        if !isInFlags(arithmetic) {
            load(.rdx, a)
            perform(arithmetic.kind, .rdx, b, width)
            flags = arithmetic
        }
        setFlags(bits & ~FlagBits.auxiliary)
        guard bits & FlagBits.auxiliary != 0 else { return }
        if features.hasBitScatter {
            code.loadFlags()
            code.move(.rcx, constant: 1 << 12)
            code.scatter(.rax, .rax, mask: .rcx, isDeposit: false)
            code.store(NativeFrame.slot(Int(Slot.af.rawValue)), .rax, 8)
        } else {
            computeAuxiliary(arithmetic.kind, a, b)
            flags = .none
        }
    }

    /// SETcc for flags that EFLAGS have.
    private func setFlags(_ bits: UInt8) {
        let conditions: [(UInt8, HostCondition, Slot)] = [
            (FlagBits.carry, .below, .cf), (FlagBits.parity, .parity, .pf), (FlagBits.zero, .equal, .zf),
            (FlagBits.sign, .sign, .sf), (FlagBits.overflow, .overflow, .of),
        ]
        for (bit, condition, slot) in conditions where bits & bit != 0 {
            code.set(condition, NativeFrame.slot(Int(slot.rawValue)))
        }
    }

    /// AF by its definition: bit 4 of a ^ b ^ result. RCX and EFLAGS change.
    private func computeAuxiliary(_ kind: Arithmetic.Kind, _ a: FlagWriteBack.Place, _ b: FlagWriteBack.Place) {
        load(.rcx, a)
        apply(kind == .add ? .add : .subtract, .rcx, b, 32)
        apply(.xor, .rcx, a, 32)
        apply(.xor, .rcx, b, 32)
        code.shift(.right, .rcx, by: 4, 32)
        code.arithmetic(.and, .rcx, constant: 1, 32)
        code.store(NativeFrame.slot(Int(Slot.af.rawValue)), .rcx, 8)
    }

    /// Makes EFLAGS those of an operation on a register, which changes, and `b`. RCX may change.
    private func perform(_ kind: Arithmetic.Kind, _ register: HostRegister, _ b: FlagWriteBack.Place, _ width: UInt8) {
        switch kind {
        case .add: apply(.add, register, b, width)
        case .subtract: apply(.compare, register, b, width)
        default: code.test(register, register, width)
        }
    }

    func load(_ register: HostRegister, _ from: FlagWriteBack.Place) {
        switch from {
        case .constant(let value): code.move(register, constant: value)
        case .register(let other): code.move(register, other)
        case .memory(let address): code.load(register, address)
        }
    }

    private func apply(_ operation: HostALUOperation, _ to: HostRegister, _ from: FlagWriteBack.Place, _ width: UInt8) {
        switch from {
        case .constant(let value):
            if width == 64, !CodeAssembler.fits32(value) {
                code.move(.rcx, constant: value)
                code.arithmetic(operation, to, .rcx, width)
            } else {
                code.arithmetic(operation, to, constant: value, width)
            }
        case .register(let other): code.arithmetic(operation, to, other, width)
        case .memory(let address): code.arithmetic(operation, to, address, width)
        }
    }

    func place(_ value: KnownValue) -> FlagWriteBack.Place {
        if value.isConstant { return .constant(value.bits) }
        let register = slots[value.slot].register
        return register != SlotState.noRegister ? .register(HostRegister(register)) : .memory(place(value.slot))
    }

    /// Where a slot's value is kept when it is in no register.
    func place(_ slot: Int) -> HostAddress {
        slot < Self.firstHidden
            ? NativeFrame.slot(slot)
            : HostAddress(.rsp, NativeFrame.hidden + Int32(truncatingIfNeeded: slot - Self.firstHidden) * 8)
    }

    // Slow paths

    /// What waits now, for a stub.
    func appendFlagWriteBacks() {
        for record in records {
            flagWriteBacks.append(
                FlagWriteBack(
                    kind: record.arithmetic.kind, width: record.arithmetic.width, a: place(record.arithmetic.a),
                    b: place(record.arithmetic.b), flags: record.flags))
        }
    }

    /// RCX, RDX and EFLAGS change.
    func emit(_ writeBack: FlagWriteBack) {
        load(.rdx, writeBack.a)
        perform(writeBack.kind, .rdx, writeBack.b, writeBack.width)
        setFlags(writeBack.flags & ~FlagBits.auxiliary)
        if writeBack.flags & FlagBits.auxiliary != 0 {
            computeAuxiliary(writeBack.kind, writeBack.a, writeBack.b)
        }
    }

}

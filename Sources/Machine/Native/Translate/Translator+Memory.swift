import X86

// Guest loads and stores: the TLB in line, Swift code when it has no entry
extension Translator {
    /// Address as register and displacement; constants that an instruction cannot hold are added into RAX.
    private func address(_ op: MicroOp) -> (HostRegister, Int32) {
        if let constant = constant(op.a, op) {
            code.move(.rax, constant: constant &+ op.immediate)
            return (.rax, 0)
        }
        let base = register(op.a, op)
        // 16 bytes below the limit: the second half and the last byte have displacements too.
        if let displacement = Int32(exactly: Int64(bitPattern: op.immediate)), displacement < Int32.max - 16 {
            return (base, displacement)
        }
        code.move(.rax, constant: op.immediate)
        code.arithmetic(.add, .rax, base)
        return (.rax, 0)
    }

    /// Looks the page up. Afterwards RCX is what to add to the guest address.
    ///
    /// The compared page is that of the access's last byte, the entry that of its first: they differ when the access crosses pages, because
    /// neighbouring pages have different entries.
    ///
    /// - Returns: the jump that is taken when the entry is another one.
    private func emitLookUp(_ base: HostRegister, _ displacement: Int32, bytes: Int32, tag: Int32) -> Int {
        let entries = Int32(set * TLB.setCount) << Int32(TLB.Layout.entryShift)
        let last = displacement + bytes - 1
        if displacement == 0 {
            code.move(.rcx, base, 32)
        } else {
            code.loadAddress(.rcx, HostAddress(base, displacement), 32)
        }
        if last == 0 {
            code.move(.rdx, base)
        } else {
            code.loadAddress(.rdx, HostAddress(base, last))
        }
        code.shift(.right, .rcx, by: UInt8(12 - TLB.Layout.entryShift), 32)
        code.arithmetic(.and, .rdx, constant: ~4095)
        code.arithmetic(.and, .rcx, constant: UInt64(TLB.setCount - 1) << TLB.Layout.entryShift, 32)
        code.arithmetic(.compare, .rdx, HostAddress(.r13, entries + tag, index: .rcx))
        let missing = code.jump(.notEqual)
        code.load(.rcx, HostAddress(.r13, entries + TLB.Layout.addend, index: .rcx))
        flags = .none
        return missing
    }

    private func info(_ op: MicroOp, _ position: Int) -> UInt32 {
        UInt32(op.width >> 3) | (op.operation == .loadForStore ? 0x100 : 0)
            | UInt32(truncatingIfNeeded: position) << 12
    }

    func emitLoad(_ op: MicroOp, _ position: Int) {
        let isForStore = op.operation == .loadForStore
        let (base, displacement) = address(op)
        let first = allocate()
        let second = op.width == 128 ? allocate() : nil
        let missing = emitLookUp(
            base, displacement, bytes: Int32(op.width >> 3),
            tag: isForStore ? TLB.Layout.write : TLB.Layout.read)
        code.load(first, HostAddress(.rcx, displacement, index: base), min(op.width, 64))
        if let second { code.load(second, HostAddress(.rcx, displacement + 8, index: base)) }
        addStub(
            .load(
                register: base, displacement: displacement, first: first, second: second,
                info: info(op, position)), from: missing, writesBack: true)
        define(op.destination, first, bound: op.width >= 64 ? .max : Self.mask(op.width))
        if let second { define(op.destination.high, second) }
    }

    /// #GP unless the address is a multiple of `width` bytes.
    func emitRequireAligned(_ op: MicroOp, _ position: Int) {
        let (base, displacement) = address(op)
        code.loadAddress(.rcx, HostAddress(base, displacement), 32)
        code.test(.rcx, constant: UInt64(op.width &- 1), 32)
        flags = .none
        addStub(.unaligned(operation: position), from: code.jump(.notEqual), writesBack: true)
    }

    /// What to store: a constant if the instruction can hold it.
    private func source(_ slot: Slot, _ op: MicroOp) -> StoreSource {
        // The immediate field is the displacement here.
        if slot != .immediate, let constant = constant(slot, op),
            op.width < 64 || CodeAssembler.fits32(constant)
        {
            return .constant(constant)
        }
        return .register(register(slot, op))
    }

    func emitStore(_ op: MicroOp, _ position: Int) {
        let first = source(op.b, op)
        let second = op.width == 128 ? source(op.b.high, op) : nil
        let (base, displacement) = address(op)
        let missing = emitLookUp(base, displacement, bytes: Int32(op.width >> 3), tag: TLB.Layout.write)
        put(first, HostAddress(.rcx, displacement, index: base), min(op.width, 64))
        if let second { put(second, HostAddress(.rcx, displacement + 8, index: base), 64) }
        addStub(
            .store(
                register: base, displacement: displacement, first: first, second: second,
                info: info(op, position)), from: missing, writesBack: true)
    }

    func put(_ source: StoreSource, _ to: HostAddress, _ width: UInt8) {
        switch source {
        case .register(let register): code.store(to, register, width)
        case .constant(let constant): code.store(to, constant: constant, width)
        }
    }
}

import X86

// Moves, extensions, fields, selections
extension Translator {
    static func mask(_ width: UInt8) -> UInt64 { ~0 >> UInt64(64 - width) }

    /// The host's operand size for an operation of the IR: 64, else 32.
    static func size(_ width: UInt8) -> UInt8 { width == 64 ? 64 : 32 }

    /// Clears the bits of a register above `width`, of which those above bit 31 are known to be clear when `width` is below 64.
    func clearAbove(_ register: HostRegister, _ width: UInt8) {
        switch width {
        case 8, 16: code.zeroExtend(register, register, width)
        case 1:
            code.arithmetic(.and, register, constant: 1, 32)
            flags = .none
        default: break
        }
    }

    func emitMove(_ op: MicroOp) {
        if op.width == 128 {
            let high = MicroOp(.move, destination: op.destination.high, a: op.a.high)
            if op.destination == op.a.high {
                // The low half would overwrite what the high half is to be.
                let value = destination(from: op.a.high, high)
                let low = allocate()
                copy(low, op.a, op)
                define(op.destination, low)
                define(op.destination.high, value)
                return
            }
            moveSlot(op.destination, op.a, op)
            moveSlot(op.destination.high, op.a.high, high)
            return
        }
        if op.width == 64 {
            moveSlot(op.destination, op.a, op)
            return
        }
        let mask = Self.mask(op.width)
        if let constant = constant(op.a, op) {
            define(op.destination, constant: constant & mask)
        } else if bound(op.a, op) <= mask {
            moveSlot(op.destination, op.a, op)
        } else if op.width >= 8 {
            let source = register(op.a, op)
            let result = allocate()
            code.zeroExtend(result, source, op.width)
            define(op.destination, result, bound: mask)
        } else {
            let result = destination(from: op.a, op)
            clearAbove(result, op.width)
            define(op.destination, result, bound: mask)
        }
    }

    private func moveSlot(_ to: Slot, _ from: Slot, _ op: MicroOp) {
        if to == from { return }
        if let constant = constant(from, op) {
            define(to, constant: constant)
            return
        }
        let index = Int(from.rawValue)
        let (bound, origin) = (slots[index].bound, slots[index].origin)
        define(to, destination(from: from, op), bound: bound, origin: origin)
    }

    func emitSignExtend(_ op: MicroOp) {
        let target = UInt8(truncatingIfNeeded: op.immediate)
        let source = register(op.a, op)
        let result = allocate()
        if op.width == 1 {
            code.move(result, source)
            code.shift(.left, result, by: 63)
            code.shift(.rightArithmetic, result, by: 63)
            flags = .none
        } else {
            code.signExtend(result, source, op.width, to: target == 64 ? 64 : 32)
        }
        if target < 32 { code.zeroExtend(result, result, target) }
        define(op.destination, result, bound: Self.mask(target))
    }

    func emitExtract(_ op: MicroOp) {
        let position = UInt8(op.immediate & 63)
        let mask = Self.mask(op.width)
        if position == 0 {
            emitMove(MicroOp(.move, width: op.width, destination: op.destination, a: op.a))
            return
        }
        let limit = bound(op.a, op) >> UInt64(position)
        let result = destination(from: op.a, op)
        code.shift(.right, result, by: position)
        flags = .none
        if limit > mask {
            switch op.width {
            case 8, 16, 32: code.zeroExtend(result, result, op.width)
            case 64: break
            default: code.arithmetic(.and, result, constant: mask, 32)
            }
        }
        define(op.destination, result, bound: min(limit, mask))
    }

    func emitInsert(_ op: MicroOp) {
        let position = UInt8(op.immediate & 63)
        let mask = Self.mask(op.width)
        let source: HostRegister? = constant(op.b, op) == nil ? register(op.b, op) : nil
        let bound = bound(op.a, op) | mask << UInt64(position)
        if position == 0, op.width == 8 || op.width == 16 {
            if source == nil { copy(.rax, op.b, op) }
            let result = destination(from: op.a, op)
            code.move(result, source ?? .rax, op.width)
            define(op.destination, result, bound: bound)
            return
        }
        flags = .none
        if let constant = constant(op.b, op) {
            code.move(.rax, constant: (constant & mask) << UInt64(position))
        } else {
            copy(.rax, op.b, op, op.width == 1 ? 64 : op.width)
            if op.width == 1 { code.arithmetic(.and, .rax, constant: 1, 32) }
            if position != 0 { code.shift(.left, .rax, by: position) }
        }
        let old = self.bound(op.a, op)
        let result = destination(from: op.a, op)
        let kept = ~(mask << UInt64(position))
        if old >= 1 << UInt64(position) {
            if CodeAssembler.fits32(kept) {
                code.arithmetic(.and, result, constant: kept)
            } else if kept == 0xFFFF_FFFF {
                code.move(result, result, 32)
            } else {
                code.move(.rcx, constant: kept)
                code.arithmetic(.and, result, .rcx)
            }
        }
        code.arithmetic(.or, result, .rax)
        define(op.destination, result, bound: bound)
    }

    /// d = condition ? a : b. `condition`: what EFLAGS say, when the condition was not put into a slot.
    func emitSelect(_ op: MicroOp, condition: HostCondition?) {
        let size = Self.size(op.width)
        let yes = register(op.a, op)
        let no = register(op.b, op)
        let chooser = condition == nil ? register(op.third, op) : nil
        let isYesFree =
            op.a != .immediate && op.a.isTemporary && slots[Int(op.a.rawValue)].usesLeft <= 0 && op.a != op.b
        let isChooser = op.a == op.third || op.b == op.third
        if let chooser {
            code.test(chooser, chooser)
            flags = .none
        }
        let wanted = condition ?? .notEqual
        let bound = max(bound(op.a, op), bound(op.b, op)) & Self.mask(op.width)
        let limit = max(self.bound(op.a, op), self.bound(op.b, op)) > Self.mask(op.width) ? Self.mask(op.width) : bound
        let result: HostRegister
        if isYesFree, !isChooser {
            result = destination(from: op.a, op)
            code.moveIf(wanted.inverse, result, no, size)
        } else if op.b == op.destination, op.b != op.a {
            result = destination(from: op.b, op)
            code.moveIf(wanted, result, yes, size)
        } else {
            result = allocate()
            code.move(result, no)
            code.moveIf(wanted, result, yes, size)
        }
        if op.width < 32 {
            switch op.width {
            case 8, 16: code.zeroExtend(result, result, op.width)
            default:
                code.arithmetic(.and, result, constant: 1, 32)
                flags = .none
            }
        }
        define(op.destination, result, bound: limit)
    }
}

/// One micro-operation: 16 bytes, fixed layout.
package struct MicroOp: Sendable, Hashable {
    package var operation: Operation
    /// Width in bits: 1, 8, 16, 32, 64, and 128 for `move`, `load` and `store`.
    package var width: UInt8
    package var destination: Slot
    package var a: Slot
    package var b: Slot
    package var immediate: UInt64

    @inlinable
    package init(
        _ operation: Operation, width: UInt8 = 64, destination: Slot = .zero, a: Slot = .zero, b: Slot = .zero,
        immediate: UInt64 = 0
    ) {
        self.operation = operation
        self.width = width
        self.destination = destination
        self.a = a
        self.b = b
        self.immediate = immediate
    }

    /// The slot named by the immediate field, for operations where `immediateIsSlot`.
    @inlinable
    package var third: Slot { Slot(UInt16(truncatingIfNeeded: immediate)) }
}

extension MicroOp {
    /// Which of the fields `a` and `b` this operation reads.
    package var operandUse: (a: Bool, b: Bool) {
        switch operation {
        case .move, .signExtend, .extract, .negate, .not, .sign, .parity, .countLeadingZeros, .countTrailingZeros,
            .populationCount, .byteSwap, .laneSigns, .load, .loadForStore, .requireAligned, .branch, .jumpIndirect:
            (true, false)
        case .jump, .raise, .hypercall, .s2eOpcode, .unsupported, .halt, .helper: (false, false)
        default: (true, true)
        }
    }

    /// Every slot that the operation reads, `Slot.zero` and `Slot.immediate` excepted.
    package var sources: [Slot] {
        if operation == .helper { return helperEffects.reads }
        var result: [Slot] = []
        let used = operandUse
        if used.a { result.append(a) }
        if used.b { result.append(b) }
        if operation.immediateIsSlot { result.append(third) }
        if width == 128 {
            if operation == .store { result.append(b.high) }
            if operation == .move { result.append(a.high) }
        }
        return result.filter { $0 != .zero && $0 != .immediate }
    }

    /// Every slot that the operation writes.
    package var destinations: [Slot] {
        switch operation {
        case .store, .requireAligned, .branch, .jump, .jumpIndirect, .raise, .hypercall, .s2eOpcode, .unsupported,
            .halt:
            []
        case .helper: helperEffects.writes
        default: width == 128 ? [destination, destination.high] : [destination]
        }
    }

    /// True when this operation can raise an exception.
    package var mayFault: Bool { operation == .helper ? helperEffects.mayFault : operation.mayFault }
}

extension MicroOp: CustomStringConvertible {
    package var description: String {
        let hex = "0x" + String(immediate, radix: 16)
        func name(_ slot: Slot) -> String { slot == .immediate ? hex : slot.description }
        switch operation {
        case .helper:
            let effects = helperEffects
            return "helper.\(helper.map { "\($0)" } ?? "?") \(destination), \(name(a)), \(name(b)), \(hex)"
                + (effects.mayFault ? " !" : "")
        case .load, .loadForStore: return "\(operation).\(width) \(destination), [\(a) + \(hex)]"
        case .requireAligned: return "requireAligned.\(width) [\(a) + \(hex)]"
        case .store: return "store.\(width) [\(a) + \(hex)], \(b)"
        case .jump, .raise, .hypercall, .s2eOpcode: return "\(operation) \(hex)"
        case .unsupported, .halt: return "\(operation)"
        case .jumpIndirect: return "jumpIndirect \(a)"
        case .branch: return "branch \(a), \(hex)"
        default:
            let used = operandUse
            var text = "\(operation).\(width) \(destination), \(name(a))"
            if used.b { text += ", \(name(b))" }
            if operation.immediateIsSlot {
                text += ", \(third)"
            } else if operation == .signExtend || operation == .insert || operation == .extract {
                text += ", #\(immediate)"
            }
            return text
        }
    }
}

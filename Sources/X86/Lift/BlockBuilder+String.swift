import CZydis

// MOVS, STOS, LODS, SCAS, CMPS, INS, OUTS. With a repeat prefix: one iteration, then back to the same instruction unless it was the last
extension BlockBuilder {
    private enum StringKind {
        case move
        case store
        case load
        case scan
        case compare
        case input
        case output
    }

    private static let stringKinds: [ZydisMnemonic: (StringKind, Int)] = [
        ZYDIS_MNEMONIC_MOVSB: (.move, 8), ZYDIS_MNEMONIC_MOVSW: (.move, 16), ZYDIS_MNEMONIC_MOVSD: (.move, 32),
        ZYDIS_MNEMONIC_MOVSQ: (.move, 64), ZYDIS_MNEMONIC_STOSB: (.store, 8), ZYDIS_MNEMONIC_STOSW: (.store, 16),
        ZYDIS_MNEMONIC_STOSD: (.store, 32), ZYDIS_MNEMONIC_STOSQ: (.store, 64), ZYDIS_MNEMONIC_LODSB: (.load, 8),
        ZYDIS_MNEMONIC_LODSW: (.load, 16), ZYDIS_MNEMONIC_LODSD: (.load, 32), ZYDIS_MNEMONIC_LODSQ: (.load, 64),
        ZYDIS_MNEMONIC_SCASB: (.scan, 8), ZYDIS_MNEMONIC_SCASW: (.scan, 16), ZYDIS_MNEMONIC_SCASD: (.scan, 32),
        ZYDIS_MNEMONIC_SCASQ: (.scan, 64), ZYDIS_MNEMONIC_CMPSB: (.compare, 8), ZYDIS_MNEMONIC_CMPSW: (.compare, 16),
        ZYDIS_MNEMONIC_CMPSD: (.compare, 32), ZYDIS_MNEMONIC_CMPSQ: (.compare, 64),
        ZYDIS_MNEMONIC_INSB: (.input, 8), ZYDIS_MNEMONIC_INSW: (.input, 16), ZYDIS_MNEMONIC_INSD: (.input, 32),
        ZYDIS_MNEMONIC_OUTSB: (.output, 8), ZYDIS_MNEMONIC_OUTSW: (.output, 16), ZYDIS_MNEMONIC_OUTSD: (.output, 32),
    ]

    mutating func liftString(_ i: DecodedInstruction) -> Outcome? {
        // MOVSD and CMPSD are also SSE instructions, which live in the 0F map.
        guard let (kind, width) = Self.stringKinds[i.mnemonic], i.opcodeMap == ZYDIS_OPCODE_MAP_DEFAULT else {
            return nil
        }
        let addressBits = UInt8(i.addressWidth)
        if kind == .input || kind == .output, !instructions.isEmpty { return .needsOwnBlock }
        // ZYDIS_ATTRIB_HAS_REP, HAS_REPE, HAS_REPNE.
        let isRepeated = i.has(1 << 28) || i.has(1 << 29) || i.has(1 << 30)
        if isRepeated {
            let isDone = binary(.equal, addressBits, .slot(.rcx), .zero)
            operations.append(MicroOp(.branch, a: materialize(isDone), immediate: i.nextRIP))
            noteRepetition(kind, width / 8, i)
        }
        let size = UInt64(width / 8)
        let doubled = binary(.shiftLeft, 64, .slot(.df), .constant(UInt64(size.trailingZeroBitCount + 1)))
        let step = binary(.subtract, 64, .constant(size), doubled)
        iterate(kind, width, step, i)
        if isRepeated {
            let count = binary(.subtract, addressBits, .slot(.rcx), .constant(1))
            commitGeneral(.rcx, i.addressWidth, count)
            var goesOn = binary(.notEqual, addressBits, count, .zero)
            if kind == .scan || kind == .compare {
                let flag = commits.first { $0.destination == .zf }.map { Value.slot($0.a) } ?? .slot(.zf)
                goesOn = binary(.and, 1, goesOn, binary(.equal, 1, flag, .constant(Self.isWhileEqual(i) ? 1 : 0)))
            }
            terminate(MicroOp(.branch, a: materialize(goesOn), immediate: i.rip))
            terminate(MicroOp(.jump, immediate: i.nextRIP))
        } else if kind == .input || kind == .output {
            terminate(MicroOp(.jump, immediate: i.nextRIP))
        }
        return .lifted
    }

    /// ZYDIS_ATTRIB_HAS_REPNE is missing.
    private static func isWhileEqual(_ i: DecodedInstruction) -> Bool { !i.has(1 << 30) }

    private mutating func noteRepetition(_ kind: StringKind, _ size: Int, _ i: DecodedInstruction) {
        guard instructions.isEmpty, context.mode == .long, i.addressWidth == 64,
            Self.dataSegment(i) < SegmentNumber.fs
        else { return }
        let whole: RepeatedString.Kind
        switch kind {
        case .move: whole = .move
        case .store: whole = .store
        case .scan: whole = .scan
        case .compare: whole = .compare
        case .load, .input, .output: return
        }
        repetition = RepeatedString(whole, elementSize: size, goesOnWhileEqual: Self.isWhileEqual(i))
    }

    /// Address of the element at RSI (with its segment) or at ES:RDI.
    private mutating func element(
        _ register: Slot, _ i: DecodedInstruction, _ width: Int, isWrite: Bool = false
    ) -> (slot: Slot, displacement: UInt64) {
        implicitAddress(
            register, i, segment: register == .rsi ? Self.dataSegment(i) : SegmentNumber.es, byteCount: width / 8,
            isWrite: isWrite)
    }

    private mutating func advance(_ register: Slot, _ step: Value, _ i: DecodedInstruction) {
        commitGeneral(register, i.addressWidth, binary(.add, UInt8(i.addressWidth), .slot(register), step))
    }

    private mutating func iterate(_ kind: StringKind, _ width: Int, _ step: Value, _ i: DecodedInstruction) {
        let bits = UInt8(width)
        switch kind {
        case .move:
            let value = load(width, element(.rsi, i, width))
            store(width, element(.rdi, i, width, isWrite: true), value)
            advance(.rsi, step, i)
            advance(.rdi, step, i)
        case .store:
            store(width, element(.rdi, i, width, isWrite: true), .slot(.rax))
            advance(.rdi, step, i)
        case .load:
            commitGeneral(.rax, width, load(width, element(.rsi, i, width)))
            advance(.rsi, step, i)
        case .scan:
            let b = load(width, element(.rdi, i, width))
            setSubtractFlags(bits, .slot(.rax), b, binary(.subtract, bits, .slot(.rax), b), withBorrow: false)
            advance(.rdi, step, i)
        case .compare:
            let a = load(width, element(.rsi, i, width))
            let b = load(width, element(.rdi, i, width))
            setSubtractFlags(bits, a, b, binary(.subtract, bits, a, b), withBorrow: false)
            advance(.rsi, step, i)
            advance(.rdi, step, i)
        case .input:
            // The destination is checked before the port is read.
            let place = element(.rdi, i, width, isWrite: true)
            helper(.checkPort, a: zeroExtend(16, .slot(.rdx)), detail: width)
            _ = load(width, place, forStore: true)
            let value = temporary()
            helper(.input, destination: value, a: zeroExtend(16, .slot(.rdx)), detail: width)
            store(width, place, .slot(value))
            advance(.rdi, step, i)
        case .output:
            let value = load(width, element(.rsi, i, width))
            helper(.output, a: zeroExtend(16, .slot(.rdx)), b: value, detail: width)
            advance(.rsi, step, i)
        }
    }
}

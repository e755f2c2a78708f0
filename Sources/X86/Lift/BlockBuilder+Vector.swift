import CZydis

// SSE and AVX instructions on XMM and YMM registers: dispatch and lane-wise operations.
//
// One lifting serves the legacy and the VEX form of an instruction. A 128- or 256-bit value is a list of two or four 64-bit words. A
// legacy instruction writes bits 0-127 and keeps the rest of the YMM register; a VEX instruction clears what it does not write
extension BlockBuilder {
    mutating func liftVector(_ i: DecodedInstruction) -> Outcome? {
        switch i.encoding {
        case ZYDIS_INSTRUCTION_ENCODING_LEGACY:
            guard i.operands.prefix(i.visibleCount).contains(where: \.isVector) || Self.convertsMemory(i.mnemonic)
            else {
                return nil
            }
            if let trap = unitTrap(context.vector) { return trapped(trap) }
        case ZYDIS_INSTRUCTION_ENCODING_VEX:
            if let trap = unitTrap(context.avx) { return trapped(trap) }
            if Self.maskInstructions.contains(i.mnemonic) { return wideVector() }
        case ZYDIS_INSTRUCTION_ENCODING_EVEX:
            return wideVector()
        default: return nil
        }
        let name = Self.legacyName(i)
        if let (operation, width) = Self.laneOperations[name] { return lanewise(i, operation, width) }
        if let (operation, width) = Self.shiftOperations[name] { return laneShift(i, operation, width) }
        if let outcome = liftVectorMove(i, name) { return outcome }
        if let outcome = liftShuffle(i, name) { return outcome }
        if let outcome = liftPermutation(i, name) { return outcome }
        if let outcome = liftCompound(i, name) { return outcome }
        if let outcome = liftVectorHelper(i, name) { return outcome }
        return liftVectorFloat(i, name)
    }

    /// AVX-512's instructions on mask registers, which have VEX encodings.
    private static let maskInstructions = Set(allMnemonics.filter { $0.name.hasPrefix("k") }.map(\.mnemonic))

    /// An instruction of AVX-512.
    private mutating func wideVector() -> Outcome {
        guard !context.hasWideVectors else { return .unsupported }
        return trapped(MicroOp(.raise, immediate: UInt64(ExceptionVector.invalidOpcode.rawValue)))
    }

    /// Instructions that may name no vector register: from memory to a general one.
    private static func convertsMemory(_ name: ZydisMnemonic) -> Bool {
        switch name {
        case ZYDIS_MNEMONIC_CVTSS2SI, ZYDIS_MNEMONIC_CVTTSS2SI, ZYDIS_MNEMONIC_CVTSD2SI, ZYDIS_MNEMONIC_CVTTSD2SI:
            true
        default: false
        }
    }

    mutating func trapped(_ trap: MicroOp) -> Outcome {
        terminate(trap)
        return .lifted
    }

    /// What an instruction of a unit that is switched off does instead.
    func unitTrap(_ access: LiftContext.UnitAccess) -> MicroOp? {
        switch access {
        case .enabled: nil
        case .notAvailable: MicroOp(.raise, immediate: UInt64(ExceptionVector.deviceNotAvailable.rawValue))
        case .undefined: MicroOp(.raise, immediate: UInt64(ExceptionVector.invalidOpcode.rawValue))
        }
    }

    /// VPADDB is PADDB to the liftings: the legacy mnemonic of every VEX mnemonic that is "v" and a legacy one.
    private static let legacyNames: [ZydisMnemonic: ZydisMnemonic] = {
        let all = allMnemonics
        let byName = Dictionary(all.map { ($0.name, $0.mnemonic) }, uniquingKeysWith: { first, _ in first })
        var result: [ZydisMnemonic: ZydisMnemonic] = [:]
        for (mnemonic, name) in all where name.hasPrefix("v") {
            if let legacy = byName[String(name.dropFirst())] { result[mnemonic] = legacy }
        }
        return result
    }()

    /// Every mnemonic with its name in lower case.
    static let allMnemonics: [(mnemonic: ZydisMnemonic, name: String)] =
        (0...ZYDIS_MNEMONIC_MAX_VALUE.rawValue).compactMap { raw in
            let mnemonic = ZydisMnemonic(raw)
            return ZydisMnemonicGetString(mnemonic).map { (mnemonic, String(cString: $0)) }
        }

    /// The mnemonic by which the liftings know the instruction.
    private static func legacyName(_ i: DecodedInstruction) -> ZydisMnemonic {
        i.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX ? legacyNames[i.mnemonic] ?? i.mnemonic : i.mnemonic
    }

    private mutating func lanewise(_ i: DecodedInstruction, _ operation: Operation, _ width: UInt8) -> Outcome {
        dyadic(i) { $0.binary(operation, width, $1, $2) }
    }

    /// The count is an immediate or the low word of the second source.
    private mutating func laneShift(_ i: DecodedInstruction, _ operation: Operation, _ width: UInt8) -> Outcome {
        let first = firstSource(i)
        guard let slot = vectorSlot(i, 0), let a = readWords(i, first) else { return .unsupported }
        let count: Value
        if let constant = byteImmediate(i, first + 1) {
            count = .constant(constant)
        } else {
            guard let source = readWords(i, first + 1, bits: 128) else { return .unsupported }
            count = source[0]
        }
        commitWords(i, slot, a.map { binary(operation, width, $0, count) })
        return .lifted
    }
}

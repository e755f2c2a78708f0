import CZydis

// Conversions between MMX registers and floating point in XMM registers
extension BlockBuilder {
    static let mediaConversions: [ZydisMnemonic: FloatConversion] = [
        ZYDIS_MNEMONIC_CVTPI2PS: .int32ToSingle, ZYDIS_MNEMONIC_CVTPI2PD: .int32ToDouble,
        ZYDIS_MNEMONIC_CVTPS2PI: .singleToInt32, ZYDIS_MNEMONIC_CVTTPS2PI: .singleToInt32Truncated,
        ZYDIS_MNEMONIC_CVTPD2PI: .doubleToInt32, ZYDIS_MNEMONIC_CVTTPD2PI: .doubleToInt32Truncated,
    ]

    func mediaXMM(_ i: DecodedInstruction, _ index: Int) -> Slot? {
        guard case .register(let register) = i.operands[index].value, register.kind == .xmm else { return nil }
        return .xmm(register.number)
    }

    /// CVTPI2PS, CVTPI2PD, CVT(T)PS2PI, CVT(T)PD2PI.
    mutating func mediaConversion(_ i: DecodedInstruction) -> Outcome {
        guard let conversion = Self.mediaConversions[i.mnemonic] else { return .unsupported }
        func converted(_ builder: inout BlockBuilder, _ value: Value) -> Value {
            let result = builder.temporary()
            builder.helper(.convertFloat, destination: result, a: value, detail: Int(conversion.rawValue))
            return .slot(result)
        }
        if i.operands[0].isMMX {
            let isDouble = conversion == .doubleToInt32 || conversion == .doubleToInt32Truncated
            let low: Value
            let high: Value
            if let slot = mediaXMM(i, 1) {
                low = .slot(slot)
                high = isDouble ? .slot(slot.high) : unary(.extract, 32, low, immediate: 32)
            } else {
                guard case .memory(let memory) = i.operands[1].value else { return .unsupported }
                let place = address(memory, i)
                low = load(64, place)
                high =
                    isDouble
                    ? load(64, (place.slot, place.displacement &+ 8)) : unary(.extract, 32, low, immediate: 32)
            }
            let first = converted(&self, low)
            let second = converted(&self, high)
            return mediaWrite(i, insert(32, into: zeroExtend(32, first), second, at: 32))
        }
        guard let slot = mediaXMM(i, 0), let source = mediaRead(i, 1) else { return .unsupported }
        let first = converted(&self, source)
        let second = converted(&self, unary(.extract, 32, source, immediate: 32))
        if i.operands[1].isMMX {
            helper(.enterMMX)
        } else if i.mnemonic == ZYDIS_MNEMONIC_CVTPI2PS {
            helper(.enterMMX, detail: MediaCondition.intel)
        }
        if i.mnemonic == ZYDIS_MNEMONIC_CVTPI2PD {
            commit(slot, first)
            commit(slot.high, second)
        } else {
            commit(slot, insert(32, into: zeroExtend(32, first), second, at: 32))
        }
        return .lifted
    }
}

/// On which processors an instruction counts as one of MMX.
package enum MediaCondition {
    /// CVTPI2PS from memory: on Intel's (SDM volume 2), not on AMD's, as seen on a processor of family 25.
    package static let intel = 1
}

import CZydis

/// What the manual says of an instruction beyond its meaning: for comparing two processors.
package struct InstructionFacts: Sendable, Hashable {
    /// Length in bytes.
    package let length: Int
    /// Bits of RFLAGS that are undefined afterwards.
    package let undefinedFlags: UInt64
    /// Its result comes from outside of the processor's visible state: time, random numbers, ports, identification, machine
    /// specific registers.
    package let isFromOutside: Bool
    /// Where its memory operands are, those that no encoding names included.
    package let memoryOperands: [OperandAddress]
}

/// The address of a memory operand, from the registers before the instruction: segment base + base + index * scale + displacement.
package struct OperandAddress: Sendable, Hashable {
    /// Slots of the registers; nil for none.
    package let base: Slot?
    package let index: Slot?
    /// 0-3: log2 of the scale.
    package let scaleShift: UInt64
    /// What is added; the absolute address for operands relative to the instruction pointer.
    package let displacement: UInt64
    /// The slot of the segment's base; nil for the segments whose base is 0 in 64-bit mode.
    package let segmentBase: Slot?
    /// Bits that an address has.
    package let mask: UInt64
    /// Bytes that the instruction accesses there.
    package let byteCount: Int

    /// The linear address.
    ///
    /// - Parameter value: the value of a slot.
    package func linear(_ value: (Slot) -> UInt64) -> UInt64 {
        let offset = displacement &+ (base.map(value) ?? 0) &+ (index.map(value) ?? 0) << scaleShift
        return (offset & mask) &+ (segmentBase.map(value) ?? 0)
    }
}

extension Lifter {
    private static let outside: Set<ZydisMnemonic> = [
        ZYDIS_MNEMONIC_RDTSC, ZYDIS_MNEMONIC_RDTSCP, ZYDIS_MNEMONIC_RDRAND, ZYDIS_MNEMONIC_RDSEED, ZYDIS_MNEMONIC_RDPID,
        ZYDIS_MNEMONIC_CPUID, ZYDIS_MNEMONIC_RDMSR, ZYDIS_MNEMONIC_RDPMC, ZYDIS_MNEMONIC_IN, ZYDIS_MNEMONIC_INSB,
        ZYDIS_MNEMONIC_INSW, ZYDIS_MNEMONIC_INSD, ZYDIS_MNEMONIC_VMCALL, ZYDIS_MNEMONIC_VMMCALL,
    ]

    /// Facts of the first instruction of `code`; nil when it is none.
    package func facts(_ code: [UInt8], rip: UInt64) -> InstructionFacts? {
        var decoder = InstructionDecoder(context: context)
        return code.withUnsafeBytes { buffer in
            guard case .instruction(let found) = decoder.decode(buffer, rip: rip) else { return nil }
            return InstructionFacts(
                length: found.length, undefinedFlags: decoder.undefinedFlags(buffer),
                isFromOutside: Self.outside.contains(found.mnemonic),
                memoryOperands: found.operands.compactMap { operand in
                    guard case .memory(let memory) = operand.value else { return nil }
                    return address(memory, width: found.addressWidth)
                })
        }
    }

    private func address(_ operand: MemoryOperand, width: Int) -> OperandAddress {
        OperandAddress(
            base: operand.base, index: operand.index, scaleShift: operand.scaleShift,
            displacement: operand.displacement,
            segmentBase: operand.segmentBase ?? (context.mode == .long ? nil : .segmentBase(operand.segment)),
            mask: width >= 64 ? ~0 : (1 << UInt64(width)) - 1, byteCount: operand.byteCount)
    }
}

extension InstructionDecoder {
    /// Bits of RFLAGS that the first instruction of `code` leaves undefined.
    mutating func undefinedFlags(_ code: UnsafeRawBufferPointer) -> UInt64 {
        var raw = ZydisDecodedInstruction()
        guard let bytes = code.baseAddress,
            ZydisDecoderDecodeInstruction(&decoder, nil, bytes, ZyanUSize(code.count), &raw) & 0x8000_0000 == 0,
            let flags = raw.cpu_flags
        else { return 0 }
        return UInt64(flags.pointee.undefined)
    }
}

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
                isFromOutside: Self.outside.contains(found.mnemonic))
        }
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

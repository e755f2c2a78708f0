import Foundation
import Machine
import Testing
import X86

/// Every vector instruction form, legacy and VEX, register and memory, compared with the host's processor bit for bit: vector and
/// general registers, flags, MXCSR, memory and faults.
///
/// STEMMA_DIFFERENTIAL_ROUNDS sets the number of random operands per form.
@Suite(.serialized, .enabled(if: VectorNativeRunner.hasAVX2, "the host lacks AVX2 or one of its companions"))
struct VectorDifferentialTests {
    static let rounds = ProcessInfo.processInfo.environment["STEMMA_DIFFERENTIAL_ROUNDS"].flatMap { Int($0) } ?? 4

    @Test func integers() throws { try compare(VectorForms.integers) }
    @Test func shuffles() throws { try compare(VectorForms.shuffles) }
    @Test func moves() throws { try compare(VectorForms.moves) }
    @Test func memory() throws { try compare(VectorForms.memory) }
    @Test func cryptography() throws { try compare(VectorForms.cryptography) }
    @Test func strings() throws { try compare(VectorForms.strings) }
    @Test func floats() throws { try compare(VectorForms.floats, factor: 4) }
    @Test func conversions() throws { try compare(VectorForms.conversions, factor: 4) }

    /// At the end of a page behind which nothing is mapped: nothing of an instruction that faults is visible, and misaligned operands
    /// fault where the manual says so.
    @Test func faults() throws {
        var options = VectorPair.Options()
        options.isAtEdge = true
        try compare(VectorForms.moves + VectorForms.memory, factor: 2, options: options)
        let misaligned = ["paddb", "addps", "pshufb", "sqrtpd", "aesenc", "blendvps", "cvtdq2ps", "unpckhpd"].map {
            VectorForm("\($0) xmm1, [rbp]")
        }
        let aligned = ["movaps", "vmovapd", "movdqa", "vmovntdq", "movntps"].flatMap { name in
            [VectorForm("\(name) [rbp], xmm1")] + (name.hasPrefix("v") ? [VectorForm("\(name) [rbp], ymm1")] : [])
        }
        try compare(misaligned + aligned, factor: 8)
    }

    /// XSAVE, XSAVEOPT, XSAVEC and XRSTOR of SSE and AVX state, well-formed and malformed. (What the host says of x87 depends on its
    /// history.)
    @Test func extendedState() throws {
        let mask = "mov eax, 6; xor edx, edx; lea rbx, [rbx-512]; "
        let clear = (0..<8).map { "mov qword ptr [rbx+\(512 + $0 * 8)], 0" }.joined(separator: "; ") + "; "
        let control = "mov dword ptr [rbx+24], 0x1F80; "
        var lines: [String] = []
        for save in ["xsave", "xsaveopt", "xsavec"] {
            for suffix in ["", "64"] {
                lines.append(mask + "\(save)\(suffix) [rbx]")
                lines.append(mask + "vzeroupper; \(save)\(suffix) [rbx]")
                lines.append(mask + "mov eax, 2; \(save)\(suffix) [rbx]")
                lines.append(mask + "mov eax, 4; \(save)\(suffix) [rbx]")
                lines.append(mask + clear + "\(save)\(suffix) [rbx]; vpaddd ymm1, ymm2, ymm3; xrstor [rbx]")
            }
            lines.append(mask + "\(save) [rbx+8]")
        }
        for present in [0, 2, 4, 6, 1 << 62] {
            for compaction in ["0", "6", "0x8000000000000006", "0x8000000000000004", "0x8000000000000002"] {
                let header = "mov rcx, \(present); mov [rbx+512], rcx; mov rcx, \(compaction); mov [rbx+520], rcx; "
                lines.append(mask + clear + control + header + "xrstor [rbx]")
                lines.append(mask + clear + control + header + "mov eax, 2; xrstor64 [rbx]")
                lines.append(mask + clear + control + header + "mov eax, 4; xrstor [rbx]")
            }
        }
        // A random MXCSR, mostly with reserved bits. (In the compacted format, processors have loaded XMM registers by then.)
        for present in [0, 2, 6] {
            lines.append(mask + clear + "mov rcx, \(present); mov [rbx+512], rcx; xrstor [rbx]")
        }
        for offset in [528, 536, 552, 568] {
            lines.append(mask + clear + control + "mov byte ptr [rbx+\(offset)], 1; xrstor [rbx]")
        }
        var model = ProcessorModel.standard
        model.leaves[7 << 32] = CPUIDLeaf(ebx: 0x108)
        model.leaves[0xD << 32] = CPUIDLeaf(eax: 7, ebx: 832, ecx: 832)
        model.leaves[0xD << 32 | 1] = CPUIDLeaf(eax: 0xF)
        model.leaves[0xD << 32 | 2] = CPUIDLeaf(eax: 256, ebx: 576)
        try compare(lines.map { VectorForm($0) }, model: model)
    }

    private func compare(
        _ forms: [VectorForm], factor: Int = 1, options: VectorPair.Options = VectorPair.Options(),
        model: ProcessorModel? = nil
    ) throws {
        let codes = try Assembler.assemble(forms.map(\.assembly))
        let pair = try VectorPair(model: model)
        var failures = 0
        for (form, code) in zip(forms, codes) {
            var random = OperandGenerator(seed: code.reduce(77) { $0 &* 31 &+ UInt64($1) })
            for _ in 0..<8 { _ = random.next() }
            try pair.setCode(code)
            for round in 0..<Self.rounds * factor {
                if let difference = try pair.compare(form, &random, options) {
                    Issue.record("\(form.assembly), round \(round): \(difference)")
                    failures += 1
                    break
                }
            }
            if failures > 40 { break }
        }
    }

    /// Random encodings on registers: what is no instruction must be #UD on both sides, what is one must have the same result.
    @Test func encodings() throws {
        let pair = try VectorPair()
        var random = OperandGenerator(seed: 4711)
        var options = VectorPair.Options()
        options.hasRandomControl = false
        // Flags that bit instructions leave undefined are compared elsewhere.
        options.mask = 0
        var failures = 0
        for round in 0..<Self.rounds * 800 {
            let code = round & 1 == 0 ? vexEncoding(&random) : legacyEncoding(&random)
            if let opcode = code.suffix(2).first, Self.leftOut.contains(opcode) { continue }
            if Self.hasMediaOperand(code) { continue }
            if !HostProcessor.current.isIntel, Self.approximations.contains(code.suffix(2).first ?? 0) { continue }
            try pair.setCode(code)
            guard let difference = try pair.compare(VectorForm(""), &random, options) else { continue }
            // Instructions that the engine lacks (mask registers, VNNI, GFNI, AMX, MMX) say so.
            if difference.hasPrefix("unsupported") { continue }
            let text = code.map { String($0, radix: 16) }.joined(separator: " ")
            Issue.record("\(text): \(difference)")
            failures += 1
            if failures > 20 { break }
        }
    }

    /// Opcodes of the 0F map that are followed by an immediate byte.
    private static let withImmediate: Set<UInt8> = [0x70, 0x71, 0x72, 0x73, 0xC2, 0xC4, 0xC5, 0xC6]

    /// EMMS and VZEROUPPER have no ModRM byte: what follows would be another instruction. MASKMOVDQU writes to where RDI points.
    private static let leftOut: Set<UInt8> = [0x77, 0xF7]

    /// RSQRTPS and RCPPS, whose results are their makers' own; `floats` compares them.
    private static let approximations: Set<UInt8> = [0x52, 0x53]

    /// Whether a legacy encoding names MMX registers, which the pair does not set: they have tests of their own.
    private static func hasMediaOperand(_ code: [UInt8]) -> Bool {
        guard code[0] != 0xC4, code[0] != 0xC5, let escape = code.firstIndex(of: 0x0F), escape + 1 < code.count else {
            return false
        }
        let prefixes = code[..<escape]
        let isRepeated = prefixes.contains(0xF2) || prefixes.contains(0xF3)
        switch code[escape + 1] {
        case 0x2A, 0x2C, 0x2D: return !isRepeated
        case 0xD6: return isRepeated || !prefixes.contains(0x66)
        case 0x60...0x7F, 0xC4, 0xC5, 0xD1...0xFE: return !isRepeated && !prefixes.contains(0x66)
        default: return false
        }
    }

    private func vexEncoding(_ random: inout OperandGenerator) -> [UInt8] {
        let map = UInt8(1 + random.below(3))
        let third = UInt8(truncatingIfNeeded: random.next())
        let opcode = UInt8(truncatingIfNeeded: random.next())
        let modRM = UInt8(truncatingIfNeeded: random.next()) | 0xC0
        // In one case of four, the source field that instructions with two operands demand.
        let source: UInt8 = random.below(4) == 0 ? 0x78 : third & 0x78
        // Prefixes that must not stand before VEX.
        let prefix: [UInt8] = random.below(16) == 0 ? [[0x66, 0xF2, 0xF3, 0xF0, 0x48][Int(random.below(5))]] : []
        let hasImmediate = map == 3 || (map == 1 && Self.withImmediate.contains(opcode))
        return prefix + [0xC4, 0xE0 | map, third & 0x87 | source, opcode, modRM] + (hasImmediate ? [0x5B] : [])
    }

    private func legacyEncoding(_ random: inout OperandGenerator) -> [UInt8] {
        let ranges: [ClosedRange<UInt8>] = [0x10...0x17, 0x28...0x2F, 0x50...0x7F, 0xC2...0xC6, 0xD0...0xFE]
        let prefixes: [[UInt8]] = [[], [0x66], [0xF2], [0xF3], [0xF0], [0xF0, 0x66]]
        let prefix = prefixes[Int(random.below(random.below(8) == 0 ? 6 : 4))]
        let modRM = UInt8(truncatingIfNeeded: random.next()) | 0xC0
        let rex: [UInt8] = random.below(2) == 0 ? [0x40 | UInt8(random.below(16))] : []
        switch random.below(3) {
        case 0: return [0x66] + rex + [0x0F, 0x38, UInt8(random.below(0xF0)), modRM]
        case 1: return [0x66] + rex + [0x0F, 0x3A, UInt8(random.below(0xF0)), modRM, 0x5B]
        default:
            let range = ranges[Int(random.below(UInt64(ranges.count)))]
            let opcode = range.lowerBound + UInt8(random.below(UInt64(range.count)))
            return prefix + rex + [0x0F, opcode, modRM] + (Self.withImmediate.contains(opcode) ? [0x5B] : [])
        }
    }
}

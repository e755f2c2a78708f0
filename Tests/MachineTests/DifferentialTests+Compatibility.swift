import Foundation
import Machine
import Testing
import X86

/// 32-bit code in compatibility mode, compared with the host's processor bit for bit. One suite with the 64-bit forms: the arena exists
/// only once.
extension DifferentialTests {
    @Test func compatibility() throws {
        let forms = InstructionForms.compatibility
        let codes = try Assembler.assemble(forms.map(\.assembly), bits: 32)
        let native = try #require(NativeRunner(), "the arena's address is taken")
        let machine = try compatibilityMachine()
        for (form, code) in zip(forms, codes) {
            for round in 0..<DifferentialTests.rounds {
                let seed = UInt64(round) &* 0x9E37_79B9 &+ UInt64(code.count) &+ 11
                if let difference = try compare(form, code, native, machine, seed: seed) {
                    Issue.record("\(form.assembly), round \(round): \(difference)")
                    break
                }
            }
        }
    }

    private static let physical: UInt64 = 0x10_0000

    private func compatibilityMachine() throws -> Machine {
        var guest = LongModeGuest(isUser: true)
        for page in UInt64(0)..<8 {
            guest.map(NativeRunner.arena + page * 4096, to: Self.physical + page * 4096, isUser: true)
        }
        guest.state.segments[1] = SegmentState(
            selector: LongModeGuest.compatibilityCode, limit: 0xFFFF_FFFF, attributes: 0xC0_FB00)
        for index in [0, 2, 3] {
            guest.state.segments[index] = SegmentState(
                selector: LongModeGuest.userData, limit: 0xFFFF_FFFF, attributes: 0xC0_F300)
        }
        var options = MachineOptions()
        options.model.leaves[7 << 32] = CPUIDLeaf(ebx: 0x108)
        options.model.leaves[0x8000_0001 << 32] = CPUIDLeaf(ecx: 0x21)
        return try guest.machine(options: options)
    }

    private func compare(
        _ form: InstructionForm, _ code: [UInt8], _ native: NativeRunner, _ machine: Machine, seed: UInt64
    ) throws -> String? {
        var random = OperandGenerator(seed: seed)
        for _ in 0..<4 { _ = random.next() }
        var state = CPUState()
        for index in 0..<8 { state.general[index] = random.operand() & 0xFFFF_FFFF }
        state.flags = random.next() & 0xCD5 | 0x202
        state.general[4] = NativeRunner.dataMiddle + 0x600
        state.general[5] = NativeRunner.dataMiddle - 0x400
        let pointer = NativeRunner.dataMiddle + random.below(16) * 16
        switch form.setup {
        case .memory: state.general[3] = pointer
        case .bitOffset:
            state.general[3] = pointer
            state.general[1] = (random.below(0x2000) &- 0x1000) & 0xFFFF_FFFF
        case .string:
            state.general[6] = pointer
            state.general[7] = NativeRunner.dataMiddle + 0x180 + random.below(256)
            state.general[1] = random.below(20)
        default: break
        }
        let words = (0..<NativeRunner.dataSize / 8).map { _ in random.operand() }
        let data = words.withUnsafeBytes { Array($0) }
        native.dataBytes = data
        let expected = native.run32(code, state)
        let expectedData = native.dataBytes

        try machine.writePhysical(Self.physical + 0x200, code + [0x0F, 0x1F, 0x84, 0, 0xBC, 0x0A, 0x4D, 0x53])
        try machine.writePhysical(Self.physical + 0x4000, data)
        let processor = machine.processor
        for index in 0..<16 { processor[.general(index)] = state.general[index] }
        processor.rflags = state.flags
        processor[.rip] = NativeRunner.codeStart
        let exit = machine.run(budget: 10_000)
        guard exit == .hypercall(number: 0xABC) else { return "\(exit)" }
        var lines: [String] = []
        // With a segment register, other makers' processors push zeros above the selector; Intel's leave what is there.
        let hasSelectors = !HostProcessor.current.isIntel && form.assembly.contains(/push [cdes]s/)
        let bits: UInt64 = hasSelectors ? 0xFFFF : ~0
        for index in 0..<8 where (processor[.general(index)] ^ expected.general[index]) & bits != 0 {
            let found = String(processor[.general(index)], radix: 16)
            lines.append("r\(index): \(found), host \(String(expected.general[index], radix: 16))")
        }
        let mask = RFlags.inSlots & ~form.undefined
        if (processor.rflags ^ expected.flags) & mask != 0 {
            lines.append(
                "flags \(String(processor.rflags & mask, radix: 16)), host \(String(expected.flags & mask, radix: 16))")
        }
        let bytes = try machine.readPhysical(Self.physical + 0x4000, count: data.count)
        if bytes != expectedData, !hasSelectors,
            let first = zip(bytes, expectedData).enumerated().first(where: { $0.element.0 != $0.element.1 })?.offset
        {
            lines.append("memory at data+0x\(String(first, radix: 16))")
        }
        return lines.isEmpty ? nil : lines.joined(separator: "; ")
    }
}

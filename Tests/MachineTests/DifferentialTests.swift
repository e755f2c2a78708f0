import Foundation
import Machine
import Testing
import X86

/// Every lifted instruction form, compared with the host's processor bit for bit.
@Suite(.serialized)
struct DifferentialTests {
    /// Random operands per form.
    static var rounds: Int {
        ProcessInfo.processInfo.environment["STEMMA_DIFFERENTIAL_ROUNDS"].flatMap { Int($0) } ?? 24
    }

    @Test func arithmetic() throws { try compare(InstructionForms.arithmetic) }
    @Test func movement() throws { try compare(InstructionForms.movement) }
    @Test func shifts() throws { try compare(InstructionForms.shifts) }
    @Test func multiplication() throws { try compare(InstructionForms.multiplication) }
    @Test func bits() throws { try compare(InstructionForms.bits) }
    @Test func strings() throws { try compare(InstructionForms.strings) }
    @Test func vectors() throws { try compare(InstructionForms.vectors) }
    @Test func floats() throws { try compare(InstructionForms.floats) }
    @Test func x87Arithmetic() throws { try compare(InstructionForms.x87Arithmetic) }
    @Test func x87Movement() throws { try compare(InstructionForms.x87Movement) }
    @Test func x87Transcendental() throws { try compare(InstructionForms.x87Transcendental) }
    @Test func media() throws { try compare(InstructionForms.media) }
    @Test func remaining() throws {
        // MOVDIRI, MOVDIR64B and CLWB are not on every host; there is nothing to compare them with then.
        let forms = InstructionForms.remaining.filter { HostProcessor.current.executes($0.assembly) }
        #expect(forms.count >= InstructionForms.remaining.count - 4)
        try compare(forms)
    }

    private func compare(_ forms: [InstructionForm]) throws {
        let codes = try Assembler.assemble(forms.map(\.assembly))
        let pair = try DifferentialPair()
        for (form, code) in zip(forms, codes) {
            for round in 0..<Self.rounds {
                let difference = try pair.compare(
                    form, code, seed: UInt64(round) &* 0x9E37_79B9 &+ UInt64(code.count) &+ 7)
                if let difference {
                    Issue.record("\(form.assembly), round \(round): \(difference)")
                    break
                }
            }
        }
    }

    /// Random sequences: flags and values that one instruction of a block leaves for the next.
    @Test func sequences() throws {
        let consumers = InstructionForms.conditions.flatMap { ["set\($0) cl", "cmov\($0) rsi, rdi"] }
        let lines =
            consumers + [
                "add rax, rdx", "add eax, 77", "sub rdx, rsi", "sub al, dl", "cmp rax, rdx", "cmp eax, -3",
                "cmp dl, 0x80",
                "adc rdi, rax", "sbb rax, rdi", "neg rdx", "inc eax", "dec rdi", "mov rsi, rax", "mov eax, esi",
                "movzx edx, al", "movsx rdi, dx", "lea rax, [rdx+rdi*2-1]", "xchg rax, rdx", "mov dl, ah", "push rax",
                "pop rdi", "mov [rsp-0x40], rdx", "mov rax, [rsp-0x40]", "xadd rax, rdx", "cmpxchg rdx, rdi", "cqo",
                "bt rax, 3", "popcnt rdi, rax", "movq xmm0, rax", "paddb xmm0, xmm1", "movq rdi, xmm0",
                "imul rsi, rdi, 3; clc; test eax, eax; cmp al, dl",
                "not rdi", "bswap rsi", "cmc", "stc",
            ]
        let codes = try Assembler.assemble(lines)
        let pair = try DifferentialPair()
        var random = OperandGenerator(seed: 99)
        for round in 0..<600 {
            var code: [UInt8] = []
            var names: [String] = []
            for _ in 0..<(2 + random.below(14)) {
                let index = Int(random.below(UInt64(lines.count)))
                code += codes[index]
                names.append(lines[index])
            }
            let form = InstructionForm(names.joined(separator: "; "))
            if let difference = try pair.compare(form, code, seed: UInt64(round) &* 0x1234_5671 &+ 3) {
                Issue.record("\(form.assembly): \(difference)")
                break
            }
        }
    }
}

/// The host's processor and a machine with the same memory at the same addresses.
final class DifferentialPair {
    private let native: NativeRunner
    private let machine: Machine
    /// Guest-physical address of the arena.
    private static let physical: UInt64 = 0x10_0000

    init() throws {
        native = try #require(NativeRunner(), "the arena's address is taken")
        var guest = LongModeGuest()
        for page in UInt64(0)..<8 {
            guest.map(NativeRunner.arena + page * 4096, to: Self.physical + page * 4096)
        }
        var options = MachineOptions()
        options.model.leaves[7 << 32] = CPUIDLeaf(ebx: 0x108)
        options.model.leaves[0x8000_0001 << 32] = CPUIDLeaf(ecx: 0x21)
        machine = try guest.machine(options: options)
    }

    /// Runs `code` on both; nil when they agree, else what differs.
    func compare(_ form: InstructionForm, _ code: [UInt8], seed: UInt64) throws -> String? {
        var random = OperandGenerator(seed: seed)
        for _ in 0..<4 { _ = random.next() }
        let state = prepare(form, &random)
        var isFloat = false
        if case .floatMemory = form.setup { isFloat = true }
        let words = (0..<NativeRunner.dataSize / 8).map { _ in isFloat ? floatWord(&random) : random.operand() }
        var data = words.withUnsafeBytes { Array($0) }
        X87Operands.prepare(form, &data, &random)
        native.dataBytes = data
        let expected = native.run(code, state)
        let expectedData = native.dataBytes

        // The long NOP is Stemma's hypercall 0xABC here and nothing on the host.
        try machine.writePhysical(Self.physical + 0x200, code + [0x0F, 0x1F, 0x84, 0, 0xBC, 0x0A, 0x4D, 0x53])
        try machine.writePhysical(Self.physical + 0x4000, data)
        let processor = machine.processor
        for index in 0..<16 { processor[.general(index)] = state.general[index] }
        for index in 0..<16 {
            processor[.xmm(index)] = state.vectors[index * 2]
            processor[.xmm(index).high] = state.vectors[index * 2 + 1]
        }
        processor.rflags = state.flags
        processor.system.pointee.mxcsr = 0x1F80
        processor[.rip] = NativeRunner.codeStart
        let exit = machine.run(budget: 10_000)
        guard exit == .hypercall(number: 0xABC) else { return "\(exit)" }
        return difference(form, expected, expectedData, before: data)
    }

    private func difference(_ form: InstructionForm, _ expected: CPUState, _ data: [UInt8], before: [UInt8]) -> String?
    {
        let processor = machine.processor
        var lines: [String] = []
        for index in 0..<16 where processor[.general(index)] != expected.general[index] {
            let found = String(processor[.general(index)], radix: 16)
            lines.append("r\(index): \(found), host \(String(expected.general[index], radix: 16))")
        }
        let mask = RFlags.inSlots & ~form.undefined
        if (processor.rflags ^ expected.flags) & mask != 0 {
            lines.append(
                "flags \(String(processor.rflags & mask, radix: 16)), host \(String(expected.flags & mask, radix: 16))")
        }
        for index in 0..<32 {
            let found = processor[Slot(UInt16(32 + index))]
            if found != expected.vectors[index] {
                lines.append(
                    "xmm\(index / 2)[\(index % 2)]: \(String(found, radix: 16)), host \(String(expected.vectors[index], radix: 16))"
                )
            }
        }
        if let bytes = try? machine.readPhysical(Self.physical + 0x4000, count: data.count),
            !X87Operands.agree(form, bytes, data)
        {
            if let text = X87Operands.describe(form, before: before, found: bytes, host: data) { lines.append(text) }
            let first = zip(bytes, data).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? 0
            lines.append("memory from data+0x\(String(first, radix: 16))")
        }
        return lines.isEmpty ? nil : lines.joined(separator: "; ")
    }

    private func prepare(_ form: InstructionForm, _ random: inout OperandGenerator) -> CPUState {
        var state = CPUState()
        for index in 0..<16 { state.general[index] = random.operand() }
        for index in 0..<32 { state.vectors[index] = random.operand() }
        state.flags = random.next() & 0xCD5 | 0x202
        state.general[4] = NativeRunner.dataMiddle + 0x600
        state.general[5] = NativeRunner.dataMiddle - 0x400
        let pointer = NativeRunner.dataMiddle + random.below(16) * 16
        switch form.setup {
        case .any: break
        case .memory:
            state.general[3] = pointer
            state.general[8] = random.below(8)
        case .string:
            state.general[6] = pointer
            state.general[7] = NativeRunner.dataMiddle + 0x180 + random.below(256)
            if random.below(3) == 0 { state.general[7] = pointer }
            state.general[1] = random.below(20)
        case .bitOffset:
            state.general[3] = pointer
            state.general[1] = random.below(0x2000) &- 0x1000
        case .division(let width, let isSigned): setDivision(&state, width, isSigned, &random)
        case .x87, .x87Decimal, .x87Transcendental:
            state.general[12] = NativeRunner.data
            state.general[3] = NativeRunner.data + UInt64(InstructionForms.mediaOperand)
        case .float, .floatMemory:
            state.general[3] = pointer
            for index in 0..<32 { state.vectors[index] = floatWord(&random) }
        }
        return state
    }

    /// A 64-bit word that is interesting as a double and as two floats.
    private func floatWord(_ random: inout OperandGenerator) -> UInt64 {
        let doubles: [Double] = [
            0, -0.0, 1, -1, 0.5, 1.5, 2.5, -2.5, 1e300, -1e300, 0x1p-1060, .infinity, -.infinity, .nan, 3e9, 1e19,
        ]
        let floats: [Float] = [
            0, -0.0, 1, -1, 0.5, 1.5, 2.5, -2.5, 1e38, -1e38, 0x1p-140, .infinity, -.infinity, .nan, 3e9, 1e19,
        ]
        switch random.below(5) {
        case 0: return doubles[Int(random.below(16))].bitPattern
        case 1:
            let low = UInt64(floats[Int(random.below(16))].bitPattern)
            return low | UInt64(floats[Int(random.below(16))].bitPattern) << 32
        case 2: return (Double(Int64(bitPattern: random.operand())) / 7).bitPattern
        case 3:
            let low = Float(Int32(truncatingIfNeeded: random.operand())) / 3
            return UInt64(low.bitPattern) | UInt64((low * 1.25).bitPattern) << 32
        default: return random.next()
        }
    }

    /// Divisor in RCX, dividend from a chosen quotient and remainder.
    private func setDivision(_ state: inout CPUState, _ width: Int, _ isSigned: Bool, _ random: inout OperandGenerator)
    {
        let mask: UInt64 = width == 64 ? ~0 : (1 << UInt64(width)) - 1
        var divisor = random.operand() & mask
        if divisor == 0 { divisor = 3 }
        let dividend: UInt128
        if isSigned {
            let shift = UInt64(64 - width)
            let signedDivisor = Int128(Int64(bitPattern: divisor << shift) >> Int64(shift))
            let half = Int128(1) << Int128(width - 1)
            let quotient = Int128(Int64(bitPattern: random.operand())) % half
            let magnitude = signedDivisor < 0 ? -signedDivisor : signedDivisor
            var remainder = Int128(random.next() % UInt64(clamping: magnitude))
            let product = quotient * signedDivisor
            if product < 0 { remainder = -remainder }
            dividend = UInt128(truncatingIfNeeded: product + (quotient == 0 ? 0 : remainder))
        } else {
            let quotient = random.operand() & mask
            dividend = UInt128(quotient) * UInt128(divisor) + UInt128(random.next() % divisor)
        }
        let low = UInt64(truncatingIfNeeded: dividend)
        state.general[1] = state.general[1] & ~mask | divisor
        if width == 8 {
            state.general[0] = state.general[0] & ~0xFFFF | low & 0xFFFF
        } else {
            state.general[0] = state.general[0] & ~mask | low & mask
            let high = UInt64(truncatingIfNeeded: dividend >> UInt128(width)) & mask
            state.general[2] = state.general[2] & ~mask | high
        }
    }
}

import Testing
import X86

@Suite struct LifterTests {
    private func lift(_ bytes: [UInt8], rip: UInt64 = 0x1000) throws -> Block {
        let block = bytes.withUnsafeBytes { Lifter(context: LiftContext()).lift($0, rip: rip) }
        return try #require(block)
    }

    @Test func hypercallIsRecognised() throws {
        let block = try lift([0x0F, 0x1F, 0x84, 0x00, 0x34, 0x12, 0x4D, 0x53])
        #expect(block.operations.last?.operation == .hypercall)
        #expect(block.operations.last?.immediate == 0x1234)
        #expect(block.byteCount == 8)
    }

    @Test func otherLongNopIsNothing() throws {
        let block = try lift([0x0F, 0x1F, 0x84, 0x00, 0x34, 0x12, 0x4D, 0x54, 0xF4])
        #expect(block.operations.first?.operation != .hypercall)
        #expect(block.instructions[0].length == 8)
    }

    @Test func s2eOpcode() throws {
        let block = try lift([0x0F, 0x3F, 1, 2, 3, 4, 5, 6, 7, 8])
        #expect(block.operations.last?.operation == .s2eOpcode)
        #expect(block.operations.last?.immediate == 0x0807_0605_0403_0201)
    }

    @Test func truncatedInstructionNeedsMoreBytes() {
        let bytes: [UInt8] = [0x48, 0xB8, 1, 2]
        let block = bytes.withUnsafeBytes { Lifter(context: LiftContext()).lift($0, rip: 0) }
        #expect(block == nil)
    }

    @Test func unsupportedInstructionKeepsItsBytes() throws {
        // nop; vaddps zmm0, zmm0, zmm1
        let block = try lift([0x90, 0x62, 0xF1, 0x7C, 0x48, 0x58, 0xC1, 0x90])
        #expect(block.operations.last?.operation == .unsupported)
        #expect(block.unsupportedBytes == [0x62, 0xF1, 0x7C, 0x48, 0x58, 0xC1])
        #expect(block.instructions.count == 1)
        #expect(block.byteCount == 1)
    }

    @Test func deadFlagsAreRemoved() throws {
        // add rax, rbx; sub rcx, rdx; ret: the flags of the addition are dead.
        let block = try lift([0x48, 0x01, 0xD8, 0x48, 0x29, 0xD1, 0xC3])
        let writes = block.operations.filter { $0.destinations.contains(.cf) }
        #expect(writes.count == 1)
        #expect(block.operations[0] == MicroOp(.add, destination: .rax, a: .rax, b: .rbx))
    }

    @Test func flagsBeforeAFaultStay() throws {
        // add rax, rbx; mov rsi, [rdi]; sub rcx, rdx; ret
        let block = try lift([0x48, 0x01, 0xD8, 0x48, 0x8B, 0x37, 0x48, 0x29, 0xD1, 0xC3])
        #expect(block.operations.filter { $0.destinations.contains(.cf) }.count == 2)
    }

    @Test func comparisonBecomesOneOperation() throws {
        // cmp rax, rbx; jl +2
        let block = try lift([0x48, 0x39, 0xD8, 0x7C, 0x02])
        let branch = try #require(block.operations.first { $0.operation == .branch })
        let definition = try #require(block.operations.first { $0.destinations.contains(branch.a) })
        #expect(definition.operation == .lessSigned)
        #expect(definition.a == .rax && definition.b == .rbx)
    }

    /// Within an instruction nothing guest-visible is written before the last operation that may fault.
    @Test func instructionsAreExact() throws {
        var random: UInt64 = 0x1234_5678_9ABC_DEF1
        var lifted = 0
        for _ in 0..<20_000 {
            var bytes: [UInt8] = []
            for _ in 0..<16 {
                random ^= random << 13
                random ^= random >> 7
                random ^= random << 17
                bytes.append(UInt8(truncatingIfNeeded: random >> 11))
            }
            let block = bytes.withUnsafeBytes { Lifter(context: LiftContext()).lift($0, rip: 0x7F_F000) }
            guard let block else { continue }
            #expect(block.operations.last?.operation.isTerminator == true)
            for (index, record) in block.instructions.enumerated() {
                let end =
                    index + 1 < block.instructions.count
                    ? block.instructions[index + 1].firstOperation : block.operations.count
                var written = false
                for operation in block.operations[record.firstOperation..<end] {
                    if operation.mayFault { #expect(!written, "\(bytes) \(block)") }
                    if operation.operation != .helper, operation.destinations.contains(where: { !$0.isTemporary }) {
                        written = true
                    }
                }
                lifted += 1
            }
            for operation in block.operations {
                for slot in operation.sources + operation.destinations {
                    #expect(Int(slot.rawValue) < block.slotLimit || !slot.isTemporary)
                }
            }
        }
        #expect(lifted > 10_000)
    }

    /// What an operand's address is made of, from registers that hold 100 times their numbers.
    @Test(
        arguments: [
            // mov rax, [rbx + rcx*4 + 8]
            ([0x48, 0x8B, 0x44, 0x8B, 0x08], [300 + 100 * 4 + 8]),
            // mov rax, [rip + 16]: from the next instruction, at 0x1007.
            ([0x48, 0x8B, 0x05, 0x10, 0, 0, 0], [0x1017]),
            // movsq: its source at RSI, its destination at RDI.
            ([0x48, 0xA5], [700, 600]),
            // mov eax, gs:[rdx]
            ([0x65, 0x8B, 0x02], [200 + 2900]),
            // mov eax, [ecx - 1000]: 32 bits of address.
            ([0x67, 0x8B, 0x81, 0x18, 0xFC, 0xFF, 0xFF], [0x1_0000_0000 + 100 - 1000]),
            // add rax, rbx
            ([0x48, 0x01, 0xD8], []),
        ] as [([UInt8], [UInt64])]) func addressesOfOperands(_ code: [UInt8], _ expected: [UInt64]) throws
    {
        let facts = try #require(Lifter(context: LiftContext()).facts(code, rip: 0x1000))
        #expect(facts.memoryOperands.map { $0.linear { UInt64($0.rawValue) * 100 } } == expected)
    }
}

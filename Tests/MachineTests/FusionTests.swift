import Machine
import Testing
import X86

/// The interpreter's fused forms: that there are some, and that nobody can tell. Translated code knows nothing of them.
@Suite struct FusionTests {
    private static let hypercall = "nop dword ptr [rax+rax+0x534d0abc]"

    /// What the interpreter executes for one instruction sequence, without the branches and jumps that stay behind a form.
    private func forms(_ assembly: String) throws -> [Operation] {
        let code = try Assembler.program(assembly + "\n\(Self.hypercall)")
        let block = try #require(
            code.withUnsafeBytes { Lifter(context: LiftContext()).lift($0, rip: 0x40_0000, maximumInstructions: 64) })
        return Fusion(block.operations, isRepetition: false).operations.map(\.operation)
    }

    @Test(arguments: [
        ("cmp eax, ecx; jb 1f; 1:", [Operation.branchOnDifference, .branch, .jump]),
        ("cmp rax, 5; jg 1f; 1:", [.branchOnDifference, .branch, .jump]),
        ("cmp al, 0; je 1f; 1:", [.branchOnDifference, .branch, .jump]),
        ("sub eax, ecx; jle 1f; 1:", [.branchOnDifference, .branch, .jump]),
        ("sub rdx, 1; jne 1f; 1:", [.branchOnDifference, .branch, .jump]),
        ("test rax, rax; js 1f; 1:", [.branchOnAnd, .branch, .jump]),
        ("and ecx, 15; jne 1f; 1:", [.branchOnAnd, .branch, .jump]),
        ("add eax, -3; jmp rax", [.sumWithFlags, .jumpIndirect]),
        ("and edx, ecx; jne 1f; 1:", [.branchOnAnd, .branch, .jump]),
        ("cmp dword ptr [rbx], 7; jae 1f; 1:", [.load, .branchOnDifference, .branch, .jump]),
        ("push rbx; push rsp; pop rcx; ret", [.push, .push, .pop, .popAndJump]),
        ("call 1f; 1:", [.pushConstant, .store, .jump]), ("call rax", [.pushConstant, .store, .jumpIndirect]),
        ("movzx eax, byte ptr [rbx]; jmp rax", [.load, .jumpIndirect]),
    ])
    func found(_ assembly: String, _ expected: [Operation]) throws {
        #expect(try forms(assembly) == expected, "\(assembly)")
    }

    /// Widths with the names of two registers.
    private static let registers: [(bits: Int, first: String, second: String)] = [
        (8, "al", "cl"), (16, "ax", "cx"), (32, "eax", "ecx"), (64, "rax", "rcx"),
    ]
    private static let conditions = [
        "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g",
    ]
    private static let operations = [
        "cmp A, B", "cmp B, A", "cmp A, A", "cmp A, 0", "cmp A, 1", "cmp A, -1", "cmp A, 0x7f", "cmp A, [rbx]",
        "cmp [rbx], B",
        "test A, A", "test A, B", "test A, 1", "test A, 0x70", "sub A, B", "sub A, A", "sub A, 1", "sub A, 0x40",
        "sub B, A",
        "add A, B", "add A, A", "add A, 1", "add A, -3", "and A, B", "and A, 0x55", "or A, B", "xor A, B", "inc A",
        "dec A",
        "neg A", "lea edx, [rax+1]; cmp edx, ecx", "mov rdx, rax; sub A, B; mov rdi, rdx", "sub A, B; mov rdi, rax",
        "cmp A, B; mov rax, rdi", "mov edx, 0x7f; cmp A, B", "sub rsp, 24; add rsp, 24",
    ]
    private static let values: [UInt64] = [
        0, 1, 2, 0x7F, 0x80, 0x81, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
        0x7FFF_FFFF_FFFF_FFFF, 1 << 63, ~0,
    ]

    /// Each condition behind each operation: which branches are taken, and all flags afterwards.
    @Test(arguments: operations)
    func branches(_ operation: String) throws {
        for (bits, first, second) in Self.registers {
            let text = operation.replacingOccurrences(of: "A", with: first, second)
            var program = ""
            for (index, condition) in Self.conditions.enumerated() {
                // The outcome is a bit of R10; flags and operands are mixed into R12.
                program += """
                    mov rax, r8; mov rcx, r9; \(text); j\(condition) 1f; bts r10, \(index); jmp 2f; 1: lea r12, [r12+r12*2+7]
                    2: pushfq; pop r11; add r12, r11; add r12, rax; add r12, rdx; rol r12, 7

                    """
            }
            let code = try Assembler.program(program + Self.hypercall)
            var guest = EngineDifferentialTests.guest(code, isUser: bits != 32)
            guest.state.general[3] = EngineDifferentialTests.data + 0x100
            let pair = try EnginePair(guest)
            var random = OperandGenerator(seed: UInt64(bits))
            for round in 0..<120 {
                let left = round < 60 ? Self.values[round % 16] : random.operand()
                let right = round < 60 ? Self.values[Int(random.below(16))] : random.operand()
                try pair.both { machine in
                    for (slot, value) in [(Slot.r8, left), (.r9, right), (.r10, 0), (.r12, 1), (.rdi, 3)] {
                        machine.processor[slot] = value
                    }
                    machine.processor[.rip] = EngineDifferentialTests.code
                    try machine.store(EngineDifferentialTests.data + 0x100, byteCount: 8, low: right)
                }
                let (exit, difference) = pair.run(budget: 10_000)
                #expect(exit == .hypercall(number: 0xABC))
                if let difference {
                    Issue.record("\(text), \(String(left, radix: 16)), \(String(right, radix: 16)): \(difference)")
                    return
                }
            }
        }
    }

    /// The stack inside of a page, over the border of two, at the end of what is mapped and where nothing is: the same faults, and nothing
    /// of the instruction done.
    @Test(arguments: [
        "push rax", "push rsp", "push 7", "push rax; push rcx; push rdx", "pop rax", "pop rsp", "pop rax; pop rcx",
        "call 1f; 1: nop",
        "call rdx", "call [rsp]", "call [rbx]", "ret", "ret 8", "push rdx; ret", "pushfq; popfq", "enter 8, 0; leave",
        "push [rbx]; pop [rbx+8]", "call 1f; 1: pop rsi; push rsi; cmp rsi, rdx; jb 2f; 2: pop rdi",
    ])
    func stack(_ text: String) throws {
        let code = try Assembler.program("\(text)\n\(Self.hypercall)\n.org 0x80\n\(Self.hypercall)")
        let data = EngineDifferentialTests.data
        let places =
            [
                0x1800, 0x1000, 0x1004, 0x1008, 0x100F, 0xFFC, 0x3FF8, 0x3FFC, 0x4000, 0x4004, 0, 4, 8, 12, 16,
            ].map { data + $0 } + [0x8000_0000_0000, 0x8000_0000_0004, 0xFFFF_7FFF_FFFF_FFFC, 8, 0]
        for place in places {
            var guest = EngineDifferentialTests.guest(code, isUser: true)
            for address in stride(from: UInt64(0), to: 0x4000, by: 8) {
                let target = EngineDifferentialTests.code + 0x80
                guest.write(0x30_0000 + address, (0..<8).map { UInt8(truncatingIfNeeded: target >> ($0 * 8)) })
            }
            guest.state.general[2] = EngineDifferentialTests.code + 0x80
            guest.state.general[3] = data + 0x2000
            guest.state.general[4] = place
            let pair = try EnginePair(guest)
            // The second time the TLB knows the pages.
            for _ in 0..<2 {
                pair.both {
                    $0.processor[.rip] = EngineDifferentialTests.code
                    $0.processor[.rsp] = place
                }
                let (exit, difference) = pair.run(budget: 100)
                #expect(exit != .budget)
                #expect(difference == nil, "\(text) at 0x\(String(place, radix: 16))")
                // A fault's handler runs in another mode.
                guard exit == .hypercall(number: 0xABC) else { break }
            }
            #expect(try pair.memoryDifference() == nil)
        }
    }
}

extension String {
    /// With the operands' names in place of A and B, which are no part of other words here.
    fileprivate func replacingOccurrences(of placeholder: Character, with first: String, _ second: String) -> String {
        map { $0 == placeholder ? first : $0 == "B" ? second : String($0) }.joined()
    }
}

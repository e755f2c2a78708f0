import Machine
import Testing
import X86

/// Translated code against the interpreter: exits, slots, system state, retired instructions and memory.
@Suite struct EngineDifferentialTests {
    static let code: UInt64 = 0x40_0000
    static let data: UInt64 = 0x50_0000
    private static let handlers: UInt64 = 0x60_0000
    /// Ends a program.
    private static let hypercall: [UInt8] = [0x0F, 0x1F, 0x84, 0, 0xBC, 0x0A, 0x4D, 0x53]

    /// Four pages of code, four of data with nothing behind them, and a handler per exception that makes hypercall 0x100 + vector.
    static func guest(_ program: [UInt8], isUser: Bool = false) -> LongModeGuest {
        var guest = LongModeGuest(isUser: isUser)
        for page in UInt64(0)..<4 {
            guest.map(Self.code + page * 4096, to: 0x20_0000 + page * 4096, isUser: isUser)
            guest.map(Self.data + page * 4096, to: 0x30_0000 + page * 4096, isUser: isUser, isExecutable: false)
        }
        guest.write(0x20_0000, program)
        guest.map(Self.handlers, to: 0x31_0000)
        for vector in UInt64(0)..<32 {
            guest.write(0x31_0000 + vector * 16, [0x0F, 0x1F, 0x84, 0x00, UInt8(vector), 0x01, 0x4D, 0x53, 0x48, 0xCF])
            guest.setGate(vector, Self.handlers + vector * 16, level: vector == 3 ? 3 : 0)
        }
        guest.state.rip = Self.code
        guest.state.general[4] = Self.data + 0x1800
        return guest
    }

    private static var options: MachineOptions {
        var options = MachineOptions()
        options.model.leaves[7 << 32] = CPUIDLeaf(ebx: 0x108)
        options.model.leaves[0x8000_0001 << 32] = CPUIDLeaf(ecx: 0x21)
        return options
    }

    private static func prepare(_ guest: inout LongModeGuest, _ random: inout OperandGenerator) {
        for index in 0..<16 where index != 4 { guest.state.general[index] = random.operand() }
        for index in 0..<64 { guest.state.vectors[index] = random.operand() }
        // Mostly valid pointers, and small counts; the last bytes of the data are near the border of what is mapped.
        guest.state.general[3] = Self.data + random.below(0x4000)
        guest.state.general[5] = Self.data + 0x2000
        guest.state.general[8] = random.below(8)
        if random.below(2) == 0 {
            guest.state.general[6] = Self.data + random.below(0x3000)
            guest.state.general[7] = Self.data + random.below(0x3000)
            guest.state.general[1] = random.below(40)
        }
        guest.state.rflags = random.next() & 0x8D5 | 0x202
        for page in UInt64(0)..<4 {
            guest.write(0x30_0000 + page * 4096, (0..<4096).map { _ in UInt8(truncatingIfNeeded: random.next() >> 33) })
        }
    }

    /// Random sequences of all instruction forms, in one piece and instruction by instruction.
    @Test func instructionForms() throws {
        let forms =
            InstructionForms.arithmetic + InstructionForms.movement + InstructionForms.shifts
            + InstructionForms.multiplication + InstructionForms.bits + InstructionForms.strings
            + InstructionForms.vectors + InstructionForms.floats
        let codes = try Assembler.assemble(forms.map(\.assembly))
        var random = OperandGenerator(seed: 2027)
        for round in 0..<600 {
            var program: [UInt8] = []
            var names: [String] = []
            for _ in 0..<1 + random.below(24) {
                let index = Int(random.below(UInt64(forms.count)))
                program += codes[index]
                names.append(forms[index].assembly)
                // A conditional jump to the next instruction: the flags of one block are read in another.
                if round % 2 == 1, random.below(2) == 0 { program += [0x70 | UInt8(random.below(16)), 0] }
            }
            var guest = Self.guest(program + Self.hypercall)
            Self.prepare(&guest, &random)
            let pair = try EnginePair(guest, options: Self.options)
            let budget: UInt64 = round % 3 == 0 ? 1 : 4000
            for _ in 0..<(budget == 1 ? 60 : 3) {
                let (exit, difference) = pair.run(budget: budget)
                if let difference {
                    Issue.record("round \(round): \(names.joined(separator: "; ")): \(difference)")
                    return
                }
                guard exit == .budget else { break }
            }
            if let difference = try pair.memoryDifference() {
                Issue.record("round \(round): \(names.joined(separator: "; ")): \(difference)")
                return
            }
        }
    }

    /// Floating point, which translated code does with the host's instructions, under every MXCSR: rounding, DAZ, FTZ, flags and masks.
    @Test func floatingPoint() throws {
        let forms = VectorForms.floats + VectorForms.conversions
        let codes = try Assembler.assemble(forms.map(\.assembly))
        let between = try Assembler.assemble([
            "ldmxcsr [rbp+64]", "stmxcsr [rbp+64]", "movaps xmm1, xmm3", "movsd xmm2, xmm1", "movups xmm3, [rbp+16]",
            "movss xmm1, [rbp+4]", "movups [rbp+32], xmm1", "ucomisd xmm1, xmm2; jp 1f; nop; 1: nop",
            "paddd xmm1, xmm2",
            "mulsd xmm1, xmm1; addsd xmm1, xmm2", "cmp rax, rcx; cvtsi2sd xmm1, rdx; adc rdx, rax", "fld1; fstp st(0)",
        ])
        var random = OperandGenerator(seed: 2028)
        for round in 0..<600 {
            var program: [UInt8] = []
            var names: [String] = []
            let content = forms[Int(random.below(UInt64(forms.count)))].content
            for _ in 0..<1 + random.below(12) {
                let index = Int(random.below(UInt64(forms.count)))
                program += codes[index]
                names.append(forms[index].assembly)
                if random.below(4) == 0 { program += between[Int(random.below(UInt64(between.count)))] }
            }
            var guest = Self.guest(program + Self.hypercall, isUser: round % 2 == 0)
            guest.state.cr4 |= CR4.xSave
            guest.state.xcr0 = 7
            Self.prepare(&guest, &random)
            for index in 0..<64 { guest.state.vectors[index] = VectorContent.word(content, &random) }
            guest.state.general[3] = Self.data + random.below(0x3F0) * 16
            guest.state.general[5] = Self.data + random.below(0x3F00)
            guest.state.floatingPoint.mxcsr = UInt32(truncatingIfNeeded: random.next()) & 0xE07F | 0x1F80
            if random.below(4) == 0 {
                guest.state.floatingPoint.mxcsr &= ~(UInt32(truncatingIfNeeded: random.next()) & 0x1F80)
            }
            let pair = try EnginePair(guest, options: Self.options)
            for _ in 0..<4 {
                let (exit, difference) = pair.run(budget: round % 3 == 0 ? 3 : 1000)
                if let difference {
                    Issue.record("round \(round): \(names.joined(separator: "; ")): \(difference)")
                    return
                }
                guard exit == .budget else { break }
            }
            if let difference = try pair.memoryDifference() {
                Issue.record("round \(round): \(names.joined(separator: "; ")): \(difference)")
                return
            }
        }
    }

    /// A loop of floating point with memory that is not in the TLB at first, stopped everywhere.
    @Test func floatingPointLoop() throws {
        let program = try Assembler.program(
            """
            mov rdi, 0x500000
            xor ecx, ecx
            cvtsi2sd xmm3, ecx
            1: movsd xmm0, [rdi+rcx*8]
            mulsd xmm0, xmm1
            addsd xmm3, xmm0
            ucomisd xmm3, xmm2
            jbe 2f
            sqrtsd xmm3, xmm3
            2: cvttsd2si rax, xmm3
            addps xmm4, xmm5
            movups [rdi+rcx*8], xmm4
            add rcx, 2
            cmp rcx, 1000
            jb 1b
            xor ecx, ecx
            jmp 1b
            """)
        var guest = Self.guest(program, isUser: true)
        for (register, value) in [(1, 1.5), (2, 1e9), (4, 0.1), (5, -7.25)] {
            guest.state.vectors[register * 4] = value.bitPattern
        }
        var pair = try EnginePair(guest)
        var random = OperandGenerator(seed: 6)
        for step in 0..<400 {
            let (exit, difference) = pair.run(budget: random.below(step % 7 == 0 ? 9000 : 20))
            #expect(exit == .budget)
            if let difference {
                Issue.record("step \(step): \(difference)")
                return
            }
            if step % 50 == 0 { pair = pair.fork() }
        }
        #expect(try pair.memoryDifference() == nil)
    }

    /// The same in loops: blocks that are linked to each other, with another start of the flags in every round.
    @Test func loops() throws {
        let forms =
            InstructionForms.arithmetic + InstructionForms.movement + InstructionForms.shifts + InstructionForms.bits
            + InstructionForms.multiplication
        let usable = forms.filter { form in
            !["rsp", "r15", "push", "pop", "enter", "leave", "rbx+r8"].contains { form.assembly.contains($0) }
        }
        let codes = try Assembler.assemble(usable.map(\.assembly))
        var random = OperandGenerator(seed: 31)
        for round in 0..<300 {
            var program: [UInt8] = []
            var names: [String] = []
            while program.count < 70 {
                let index = Int(random.below(UInt64(usable.count)))
                program += codes[index]
                names.append(usable[index].assembly)
                if round % 2 == 0, random.below(3) == 0 { program += [0x70 | UInt8(random.below(16)), 0] }
            }
            // dec r15; jnz to the start.
            program += [0x49, 0xFF, 0xCF, 0x0F, 0x85]
            let distance = UInt32(bitPattern: Int32(-(program.count + 4)))
            program += (0..<4).map { UInt8(truncatingIfNeeded: distance >> (8 * $0)) }
            var guest = Self.guest(program + Self.hypercall, isUser: true)
            Self.prepare(&guest, &random)
            guest.state.general[3] = Self.data + 0x2000
            guest.state.general[15] = 1 + random.below(30)
            let pair = try EnginePair(guest, options: Self.options)
            for _ in 0..<4 {
                let (exit, difference) = pair.run(budget: 1 + random.below(300))
                if let difference {
                    Issue.record("round \(round): \(names.joined(separator: "; ")): \(difference)")
                    return
                }
                guard exit == .budget else { break }
            }
            #expect(try pair.memoryDifference() == nil)
        }
    }

    /// Bytes that nobody wrote as a program.
    @Test func randomBytes() throws {
        var random = OperandGenerator(seed: 77)
        for round in 0..<400 {
            let program = (0..<256).map { _ in UInt8(truncatingIfNeeded: random.next() >> 29) }
            var guest = Self.guest(program, isUser: round % 2 == 0)
            Self.prepare(&guest, &random)
            let pair = try EnginePair(guest, options: Self.options)
            for _ in 0..<8 {
                let (exit, difference) = pair.run(budget: 1 + random.below(30))
                if let difference {
                    Issue.record("round \(round): \(program.prefix(64)): \(difference)")
                    return
                }
                guard exit == .budget else { break }
            }
            #expect(try pair.memoryDifference() == nil)
        }
    }

    /// A loop with calls, memory and flags that is stopped after every count of instructions, and forked on the way.
    @Test func budgetsAndForks() throws {
        let program = try Assembler.program(
            """
            mov rdi, 0x500100
            xor ecx, ecx
            1: lea rax, [rcx*8+rcx]
            call 2f
            add [rdi+rcx*4], eax
            inc rcx
            cmp rcx, 200
            jb 1b
            xor ecx, ecx
            jmp 1b
            2: push rbx
            imul rbx, rax, 77
            xor rax, rbx
            sbb edx, edx
            adc rdx, rbx
            mov [rsp-64], rdx
            pop rbx
            ret
            """)
        var pair = try EnginePair(Self.guest(program, isUser: true))
        var random = OperandGenerator(seed: 5)
        for step in 0..<600 {
            let (exit, difference) = pair.run(budget: random.below(step % 7 == 0 ? 3000 : 20))
            #expect(exit == .budget)
            if let difference {
                Issue.record("step \(step): \(difference)")
                return
            }
            if step % 50 == 0 { pair = pair.fork() }
        }
        #expect(try pair.memoryDifference() == nil)
    }

    /// Code that another mapping, another state or a store replaces must not be run on by a linked jump.
    @Test func replacedCode() throws {
        // The block at 0x401000 returns a number; the loop at 0x400000 calls it by a direct jump and adds.
        let program = try Assembler.program(
            """
            1: jmp 3f
            .org 0x20
            2: add rbx, rax
            dec ecx
            jnz 1b
            nop dword ptr [rax+rax+0x534d0001]
            .org 0x1000
            3: mov eax, 5
            jmp 2b
            """)
        var guest = Self.guest(program)
        guest.state.general[1] = 10
        guest.state.general[3] = 0
        let pair = try EnginePair(guest)
        func round(_ expected: UInt64) {
            pair.both {
                $0.processor[.rip] = Self.code
                $0.processor[.rcx] = 10
                $0.processor[.rbx] = 0
            }
            let (_, difference) = pair.run(budget: 10_000)
            #expect(difference == nil)
            #expect(pair.native.processor[.rbx] == expected)
        }
        round(50)
        // Another number in the instruction, written from outside.
        try pair.both { try $0.writePhysical(0x20_1001, [9]) }
        round(90)
        // A fork has its own code.
        let fork = pair.fork()
        try fork.both { try $0.writePhysical(0x20_1001, [1]) }
        round(90)
        fork.both {
            $0.processor[.rip] = Self.code
            $0.processor[.rcx] = 10
            $0.processor[.rbx] = 0
        }
        #expect(fork.run(budget: 10_000).difference == nil)
        #expect(fork.native.processor[.rbx] == 10)
        round(90)
    }

    /// A program that rewrites the block it jumps to, and one that changes its own block.
    @Test func selfModification() throws {
        let program = try Assembler.program(
            """
            mov ecx, 300
            1: lea rdx, [rip+2f]
            mov [rdx+1], cl
            nop
            jmp 2f
            2: mov eax, 0x11
            add rbx, rax
            lea rdx, [rip+3f]
            mov byte ptr [rdx+3], cl
            3: add rbx, 0x7f
            dec ecx
            jnz 1b
            nop dword ptr [rax+rax+0x534d0001]
            """)
        var guest = Self.guest(program)
        guest.state.general[3] = 0
        let pair = try EnginePair(guest)
        for _ in 0..<400 {
            let (exit, difference) = pair.run(budget: 17)
            #expect(difference == nil)
            guard exit == .budget, difference == nil else { break }
        }
        #expect(try pair.memoryDifference() == nil)
        let expected = (1...300).reduce(UInt64(0)) {
            $0 &+ UInt64($1 & 0xFF) &+ UInt64(bitPattern: Int64(Int8(truncatingIfNeeded: $1)))
        }
        #expect(pair.native.processor[.rbx] == expected)
    }
}

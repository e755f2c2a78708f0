import Machine
import Testing
import X86

/// Where single steps trap, compared with the host's processor.
@Suite(.serialized) struct SingleStepDifferentialTests {
    private static let begin = "pushfq; or dword ptr [rsp], 0x100; popfq; "
    private static let end = "; pushfq; and dword ptr [rsp], ~0x100; popfq"

    static let bodies = [
        "nop; inc eax; mov ecx, 5; 8: dec ecx; jnz 8b",
        "mov ecx, 3; 8: loop 8b; xor eax, eax; jz 9f; nop; 9: nop",
        "lea rdi, [0x22002000]; mov ecx, 5; rep stosb; nop",
        "lea rdi, [0x22002000]; xor ecx, ecx; rep stosb; nop",
        "lea rdi, [0x22002000]; mov rsi, rdi; mov ecx, 6; repe cmpsb; nop",
        "lea rdi, [0x22002000]; lea rsi, [0x22002100]; mov ecx, 3; rep movsq; nop",
        "lea rdi, [0x22002000]; mov byte ptr [rdi+2], 7; mov al, 7; mov ecx, 9; repne scasb; nop",
        "mov edi, 0x22002000; mov ecx, 2; addr32 rep stosd; mov esi, edi; lodsb",
        "xor eax, eax; cpuid; nop", "rdtsc; nop", "int3; nop; nop", ".byte 0xf1; nop; nop",
        "mov eax, ss; mov ss, eax; nop; nop", "mov eax, ss; mov ss, eax; mov ss, eax; nop",
        "mov eax, ds; mov ds, eax; nop", "call 9f; 9: pop rax; nop", "call 9f; jmp 7f; 9: ret; 7: nop",
        "pushfq; popfq; nop", "pushfq; and dword ptr [rsp], ~0x100; popfq; nop; nop; " + begin + "nop",
        "mov rcx, rsp; mov eax, ss; push rax; push rcx; pushfq; mov eax, cs; push rax; lea rax, [rip+9f]; push rax; iretq; 9: nop",
        "pushfq; pop rdx; and edx, ~0x100; mov rcx, rsp; mov eax, ss; push rax; push rcx; push rdx; mov eax, cs; "
            + "push rax; lea rax, [rip+9f]; push rax; iretq; 9: nop; nop",
        "fld1; fstp st(0); movq xmm0, rax; paddd xmm0, xmm0; pause; mfence; nop",
        "lock add dword ptr [0x22002000], 1; xchg eax, [0x22002000]; prefetcht0 [0x22002000]",
        "mov ax, 1; xor edx, edx; mov cx, 3; div cx; imul eax, edx, 7; bswap eax",
        "enter 16, 0; leave; push 5; pop rax; cld; std; cld; stc; nop",
    ]

    @Test(arguments: bodies)
    func traps(_ body: String) throws {
        let runner = try #require(SteppingRunner(), "the arena's address is taken")
        let program = Self.begin + body + Self.end
        let code = try Assembler.program(program)
        let expected = runner.run(code)
        #expect(!expected.isEmpty)
        for usesMachineCode in [false, true] {
            #expect(try steps(code, usesMachineCode) == expected, "\(body), machine code: \(usesMachineCode)")
        }
    }

    /// The same on the machine: the handlers of debug exceptions and breakpoints are hypercalls.
    private func steps(_ code: [UInt8], _ usesMachineCode: Bool) throws -> [Int] {
        var guest = LongModeGuest(isUser: true)
        for page in UInt64(0)..<4 {
            guest.map(SteppingRunner.arena + page * 4096, to: 0x20_0000 + page * 4096, isUser: true)
        }
        guest.write(
            0x20_0000 + (SteppingRunner.code - SteppingRunner.arena), code + [0x0F, 0x1F, 0x84, 0, 1, 0, 0x4D, 0x53])
        guest.map(SystemTests.handlers, to: 0x31_0000)
        for vector in [UInt64(1), 3] {
            guest.write(0x31_0000 + vector * 16, [0x0F, 0x1F, 0x84, 0, UInt8(vector), 1, 0x4D, 0x53, 0x48, 0xCF])
            guest.setGate(vector, SystemTests.handlers + vector * 16, level: vector == 3 ? 3 : 0)
        }
        guest.state.rip = SteppingRunner.code
        guest.state.general[4] = SteppingRunner.data + 0x1800
        for index in [0, 3] {
            guest.state.segments[index] = SegmentState(
                selector: LongModeGuest.userData, limit: 0xFFFF_FFFF, attributes: 0xC0_F300)
        }
        var options = MachineOptions()
        options.usesMachineCode = usesMachineCode
        let machine = try guest.machine(options: options)
        var places: [Int] = []
        while places.count < SteppingRunner.capacity {
            let exit = machine.run(budget: 100_000)
            guard exit == .hypercall(number: 0x101) || exit == .hypercall(number: 0x103) else {
                #expect(exit == .hypercall(number: 1))
                break
            }
            let rip = try machine.load(machine.processor[.rsp], byteCount: 8, asSupervisor: true).low
            places.append(Int(rip) - Int(SteppingRunner.code))
        }
        return places
    }
}

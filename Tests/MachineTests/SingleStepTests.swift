import Foundation
import Machine
import Testing
import X86

/// Single steps by RFLAGS.TF: which instruction boundaries trap, alone and together with what delays or suppresses traps.
@Suite struct SingleStepTests {
    private typealias Event = DebugTests.Event

    private static let step = DR6.singleStep
    /// Sets TF; the instruction behind is the first one that traps.
    private static let begin = "pushfq; or dword ptr [rsp], 0x100; popfq; "
    private static let end = "; pushfq; and dword ptr [rsp], ~0x100; popfq; hlt"

    /// Offsets of the boundaries behind the lines of a program, given what stands before them.
    private func offsets(_ prefix: String, _ lines: [String]) throws -> [Int] {
        var result: [Int] = []
        var text = prefix
        for line in lines {
            text += line + "; "
            result.append(try DebugTests.length(text))
        }
        return result
    }

    @Test func everyInstructionTraps() throws {
        let lines = ["inc eax", "mov ebx, 5", "add rax, rbx", "nop"]
        let (events, machine) = try DebugTests.trace(Self.begin + lines.joined(separator: "; ") + Self.end)
        // The last POPF traps as well: TF was set when it began.
        let ends = ["pushfq", "and dword ptr [rsp], ~0x100", "popfq"]
        #expect(events.map(\.offset) == (try offsets(Self.begin, lines + ends)))
        #expect(events.allSatisfy { $0.status == Self.step && !$0.resumes })
        #expect(machine.retiredInstructions > 0 && machine.processor.rflags & RFlags.trap == 0)
    }

    @Test func branchesTrapAtTheirTargets() throws {
        let (events, _) = try DebugTests.trace(Self.begin + "mov ecx, 3; 8: dec ecx; jnz 8b" + Self.end)
        let loop = try DebugTests.length(Self.begin + "mov ecx, 3")
        #expect(events.filter { $0.offset == loop }.count == 3)
        #expect(events.count == 1 + 6 + 3)
    }

    @Test func repeatedInstructionsTrapPerIteration() throws {
        let prefix = Self.begin + "mov edi, 0x500100; mov ecx, 3; "
        let (events, machine) = try DebugTests.trace(prefix + "rep stosb; nop" + Self.end)
        let place = try DebugTests.length(prefix)
        // Two boundaries inside of the instruction, with RF, and the one behind.
        #expect(events[2...4].map(\.offset) == [place, place, place + 2])
        #expect(events[2...4].map(\.resumes) == [true, true, false])
        #expect(machine.processor[.rcx] == 0)
        let none = try DebugTests.trace(prefix.replacing("ecx, 3", with: "ecx, 0") + "rep stosb; nop" + Self.end)
        #expect(none.events[2].offset == place + 2)
    }

    @Test func loadsOfTheStackSegmentDelayTraps() throws {
        let lines = ["mov eax, 0x18", "mov ss, eax", "mov ebx, 1", "nop"]
        let (events, _) = try DebugTests.trace(Self.begin + lines.joined(separator: "; ") + Self.end)
        let all = try offsets(Self.begin, lines)
        #expect(events.prefix(3).map(\.offset) == [all[0], all[2], all[3]])
        // A data breakpoint of the load is reported with the next instruction's.
        let set = DebugTests.breakpoint("[0x500020]", kind: 0b0111)
        let (hits, _) = try DebugTests.trace(
            set + "mov dword ptr [0x500020], 0x18; mov ss, [0x500020]; nop; hlt", resumes: false)
        let end = try DebugTests.length(
            "lea rax, [0x500020]; mov dr0, rax; mov eax, 0x70001; mov dr7, rax; mov dword ptr [0x500020], 0x18; mov ss, [0x500020]; nop"
        )
        #expect(hits.count == 2 && hits[1] == Event(offset: end, status: 1))
        // And an instruction breakpoint there does not count.
        let (none, _) = try DebugTests.trace(
            DebugTests.breakpoint("[rip+9f]", kind: 0) + "mov eax, 0x18; mov ss, eax; 9: nop; hlt")
        #expect(none.isEmpty)
    }

    @Test func softwareInterruptsDoNotTrap() throws {
        // INT clears TF on its way to the handler; the handler's IRET brings it back, and the next instruction traps.
        var guest = try SystemTests().guest(Self.begin + "int3; nop; nop" + Self.end)
        guest.setGate(1, SystemTests.handlers + 16)
        let machine = try guest.machine()
        var exits: [Exit] = []
        for _ in 0..<4 { exits.append(machine.run(budget: 1000)) }
        #expect(
            exits == [
                .hypercall(number: 0x103), .hypercall(number: 0x101), .hypercall(number: 0x101),
                .hypercall(number: 0x101),
            ])
        let place = try DebugTests.length(Self.begin + "int3; nop; nop; pushfq")
        #expect(try machine.load(machine.processor[.rsp], byteCount: 8).low == DebugTests.code + UInt64(place))
    }

    /// A load of SS before a software interrupt: the trap comes at the handler's first instruction.
    @Test func aDelayedTrapFollowsASoftwareInterrupt() throws {
        let set = DebugTests.breakpoint("[0x500020]", kind: 0b0111)
        let machine = try SystemTests().guest(
            "mov dword ptr [0x500020], 0x18; " + set + "mov ss, [0x500020]; int3; hlt"
        ).machine()
        #expect(machine.run(budget: 1000) == .hypercall(number: 0x101))
        #expect(try machine.load(machine.processor[.rsp], byteCount: 8).low == SystemTests.handlers + 3 * 16)
        #expect(machine.processor.system.pointee.debug[6] & DebugTests.reasons == 1)
        machine.processor.system.pointee.debug[7] = 0x400
        #expect(machine.run(budget: 1000) == .hypercall(number: 0x103))
    }

    @Test func theDebugInstruction() throws {
        // From user mode although the gate is the kernel's; behind the instruction, and DR6 says nothing.
        let (events, _) = try DebugTests.trace(
            "nop; .byte 0xf1; .byte 0x0f,0x1f,0x84,0,1,0,0x4d,0x53", isUser: true)
        #expect(events == [Event(offset: 2, status: 0)])
    }

    @Test func interruptReturnSetsTheFlagForTheNextInstruction() throws {
        let prefix =
            "mov rcx, rsp; push 0x18; push rcx; pushfq; or dword ptr [rsp], 0x100; push 0x10; lea rax, [rip+7f]; push rax; iretq; 7: "
        let (events, _) = try DebugTests.trace(prefix + "inc eax; nop" + Self.end)
        #expect(events.first?.offset == (try DebugTests.length(prefix + "inc eax")))
    }

    /// SYSCALL and SYSRET look at the flag that they leave: the kernel is not stepped through, and the trap comes behind SYSRET.
    @Test func systemCalls() throws {
        let kernel = "mov eax, 1234; or r11d, 0; sysretq"
        for mask in [0x47700, 0x47600] as [UInt64] {
            let (events, machine) = try DebugTests.trace(
                Self.begin + "mov eax, 39; syscall; nop; .byte 0x0f,0x1f,0x84,0,1,0,0x4d,0x53", isUser: true
            ) {
                $0.write(0x31_0800, try Assembler.program(kernel))
                $0.state.lstar = SystemTests.handlers + 0x800
                $0.state.syscallMask = mask
            }
            let places = try offsets(Self.begin, ["mov eax, 39", "syscall", "nop"])
            let user = events.filter { $0.offset < 0x1000 }.map(\.offset)
            #expect(Array(user.prefix(3)) == places)
            // The hypercall is an instruction, too, but the run has ended there.
            #expect(machine.processor[.rax] == 1234)
            // Without TF in the mask the kernel's instructions trap, from its first one on.
            let inKernel = events.filter { $0.offset >= 0x1000 }.map { $0.offset - 0x20_0000 }
            #expect(inKernel == (mask == 0x47700 ? [] : [0x800, 0x805, 0x809]), "\(inKernel)")
        }
    }

    @Test func aHaltEndsAtItsTrap() throws {
        let (events, machine) = try DebugTests.trace(Self.begin + "hlt; inc ecx" + Self.end)
        #expect(events.first?.offset == (try DebugTests.length(Self.begin + "hlt")))
        #expect(machine.processor[.rcx] == 1)
    }

    @Test func aFaultDoesNotTrap() throws {
        let machine = try SystemTests().guest(Self.begin + "ud2").machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 0x106))
        #expect(try machine.load(machine.processor[.rsp] + 16, byteCount: 8).low & RFlags.trap != 0)
        #expect(machine.processor.rflags & RFlags.trap == 0)
        #expect(machine.processor.system.pointee.debug[6] & DebugTests.reasons == 0)
    }

    @Test func stepsAndBreakpointsAreReportedTogether() throws {
        let set = DebugTests.breakpoint("[0x500020]", kind: 0b0101)
        let (events, _) = try DebugTests.trace(
            set + Self.begin + "mov word ptr [0x500020], cx; nop" + Self.end, resumes: false)
        #expect(events.first?.status == Self.step | 1)
        #expect(events.dropFirst().allSatisfy { $0.status == Self.step })
    }

    /// IA32_DEBUGCTL.BTF: only taken branches trap, once.
    @Test func branchSteps() throws {
        let control = "mov ecx, 0x1d9; mov eax, 2; xor edx, edx; wrmsr; "
        let (events, _) = try DebugTests.trace(
            control + Self.begin + "mov ecx, 1; dec ecx; jnz 1f; jmp 2f; .skip 32; 2: nop; 1: nop" + Self.end)
        let target = try DebugTests.length(
            control + Self.begin + "mov ecx, 1; dec ecx; jnz 1f; 1: jmp 2f; .skip 32; 2:")
        #expect(events.first?.offset == target)
        // The exception has cleared the bit: from then on every instruction traps.
        #expect(events.dropFirst().first?.offset == target + 1)
    }

    /// A processor that is stepped takes its interrupts, and the trap of the instruction before comes first.
    @Test func interruptsComeBetweenSteps() throws {
        var guest = try SystemTests().guest(
            """
            mov r14, 0xfee00000
            mov dword ptr [r14+0xf0], 0x1ff
            mov dword ptr [r14+0x3e0], 0xb
            mov dword ptr [r14+0x320], 0x40
            mov dword ptr [r14+0x380], 40
            sti
            pushfq
            or dword ptr [rsp], 0x100
            popfq
            mov ecx, 60
            8: dec ecx
            jnz 8b
            cli
            pushfq
            and dword ptr [rsp], ~0x100
            popfq
            .byte 0x0f,0x1f,0x84,0,1,0,0x4d,0x53

            """)
        guest.map(0xFEE0_0000, to: 0xFEE0_0000)
        // Handlers count: R13 traps, R15 interrupts.
        guest.write(0x31_0010, try Assembler.program("inc r13; iretq"))
        guest.write(0x31_0900, try Assembler.program("inc r15; mov dword ptr [r14+0xb0], 0; iretq"))
        guest.setGate(0x40, SystemTests.handlers + 0x900)
        var results: [[UInt64]] = []
        for usesMachineCode in [false, true] {
            var options = MachineOptions.wholeMachine
            options.usesMachineCode = usesMachineCode
            let machine = try guest.machine(options: options)
            #expect(machine.runAll(until: 1_000_000) == .hypercall(number: 1))
            results.append([machine.processor[.r13], machine.processor[.r15], machine.retiredInstructions])
        }
        #expect(results[0] == results[1])
        // MOV, 60 times DEC and JNZ, CLI, PUSHF, AND, POPF.
        #expect(results[0].prefix(2) == [125, 1])
    }
}

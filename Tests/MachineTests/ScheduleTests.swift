import Machine
import Testing
import X86

/// Interrupts, HLT, time, and turns of several processors, on a bare machine.
@Suite struct ScheduleTests {
    private static let code: UInt64 = 0x10_0000
    private static let handler: UInt64 = 0x10_1000
    private static let apic: UInt64 = 0xFEE0_0000
    /// Virtual nanoseconds that are more than enough for every program here.
    private static let limit: UInt64 = 10_000_000

    /// A machine whose program is `text`; its handler of vector 0x40 counts in R15 and ends the interrupt.
    private func machine(
        _ text: String, processors: Int = 1, _ change: (inout MachineOptions) -> Void = { _ in }
    ) throws -> Machine {
        var guest = LongModeGuest()
        guest.map(Self.code, to: Self.code)
        guest.map(Self.handler, to: Self.handler)
        guest.map(Self.apic, to: Self.apic)
        guest.write(Self.code, try Assembler.program("mov r14, 0xfee00000\nmov dword ptr [r14+0xf0], 0x1ff\n" + text))
        guest.write(
            Self.handler,
            try Assembler.program("inc r15\nmov r14, 0xfee00000\nmov dword ptr [r14+0xb0], 0\niretq"))
        guest.setGate(0x40, Self.handler)
        guest.state.rip = Self.code
        guest.state.general[4] = LongModeGuest.kernelStack + 0x800
        var options = MachineOptions.wholeMachine
        change(&options)
        return try guest.machine(options: options, processors: processors)
    }

    /// Runs to the end, idle times skipped: to the first exit that is none of time.
    private func finish(_ machine: Machine, step: UInt64 = 1_000_000) -> Exit {
        while machine.virtualTime < Self.limit {
            switch machine.runAll(until: machine.virtualTime + step) {
            case .budget: continue
            case .idle(let time): machine.skipIdleTime(to: time)
            case let exit: return exit
            }
        }
        return .budget
    }

    /// One-shot timer of the local APIC, 1000 ticks of 1 ns (divider 1).
    private static let oneShot = """
        mov dword ptr [r14+0x3e0], 0xb
        mov dword ptr [r14+0x320], 0x40
        mov dword ptr [r14+0x380], 1000

        """

    @Test func aTimerWakesAHaltedProcessor() throws {
        let machine = try machine(Self.oneShot + "sti\nhlt\n.byte 0x0f,0x1f,0x84,0,1,0,0x4d,0x53\n")
        #expect(finish(machine) == .hypercall(number: 1))
        #expect(machine.processor[.r15] == 1)
        // It slept: few instructions, and the time of the timer.
        #expect(machine.retiredInstructions < 40)
        #expect(machine.virtualNanoseconds >= 1000 && machine.virtualNanoseconds < 1200)
    }

    @Test func anInterruptDoesNotComeBetweenSTIAndHLT() throws {
        // The timer has fired long before STI: HLT must not lose it, and the instruction after STI executes first.
        let machine = try machine(
            Self.oneShot + "mov ecx, 2000\n1: dec ecx\njnz 1b\nsti\nmov r13, r15\nmov r12, r15\n"
                + "2: cmp r15, 1\njne 2b\n.byte 0x0f,0x1f,0x84,0,1,0,0x4d,0x53\n")
        #expect(finish(machine) == .hypercall(number: 1))
        #expect(machine.processor[.r13] == 0 && machine.processor[.r15] == 1)
    }

    @Test func aMaskedInterruptWaits() throws {
        let machine = try machine(
            Self.oneShot + "mov ecx, 5000\n1: dec ecx\njnz 1b\n.byte 0x0f,0x1f,0x84,0,1,0,0x4d,0x53\n")
        #expect(finish(machine) == .hypercall(number: 1))
        #expect(machine.processor[.r15] == 0)
    }

    @Test func theTaskPriorityHoldsInterruptsBack() throws {
        let machine = try machine(
            "mov rax, 4\nmov cr8, rax\n" + Self.oneShot
                + "sti\nmov ecx, 3000\n1: dec ecx\njnz 1b\nmov r13, r15\nxor eax, eax\nmov cr8, rax\nnop\nnop\n"
                + ".byte 0x0f,0x1f,0x84,0,1,0,0x4d,0x53\n")
        #expect(finish(machine) == .hypercall(number: 1))
        #expect(machine.processor[.r13] == 0 && machine.processor[.r15] == 1)
    }

    @Test func processorsInterruptEachOther() throws {
        // Both run the same code; the first one (APIC ID 0) sends, the other waits.
        let machine = try machine(
            """
            mov eax, [r14+0x20]
            shr eax, 24
            jnz 2f
            mov ecx, 50000
            0: dec ecx
            jnz 0b
            mov dword ptr [r14+0x310], 0x1000000
            mov dword ptr [r14+0x300], 0x4040
            1: pause
            jmp 1b
            2: sti
            hlt
            .byte 0x0f,0x1f,0x84,0,1,0,0x4d,0x53

            """, processors: 2)
        #expect(finish(machine) == .hypercall(number: 1))
        #expect(machine.activeProcessor == 1)
        #expect(machine.processors.map { $0[.r15] } == [0, 1])
    }

    @Test func budgetsDoNotChangeARun() throws {
        let text =
            Self.oneShot + """
                sti
                1: inc rbx
                rdtsc
                xor r12, rax
                test bl, bl
                jnz 1b
                mov dword ptr [r14+0x380], 700
                cmp r15, 50
                jb 1b
                .byte 0x0f,0x1f,0x84,0,1,0,0x4d,0x53

                """
        var results: [[UInt64]] = []
        for (step, usesMachineCode) in [(1_000_000, true), (37, true), (1_000_000, false), (20_000, false)]
            as [(UInt64, Bool)]
        {
            let machine = try machine(text, processors: 2) { $0.usesMachineCode = usesMachineCode }
            #expect(finish(machine, step: step) == .hypercall(number: 1))
            results.append(
                machine.processors.flatMap { [$0[.rbx], $0[.r12], $0[.r15], $0[.rip]] } + [machine.retiredTotal])
        }
        #expect(Set(results).count == 1, "\(results)")
    }

    @Test func aForkGoesOnAsItsParent() throws {
        let program = Self.oneShot.replacing(", 1000", with: ", 200000")
        let machine = try machine(program + "sti\nhlt\n.byte 0x0f,0x1f,0x84,0,1,0,0x4d,0x53\n")
        #expect(machine.runAll(until: 50_000) == .idle(until: machine.nextDeadline ?? 0))
        let child = machine.fork()
        #expect(finish(machine) == .hypercall(number: 1) && finish(child) == .hypercall(number: 1))
        #expect(child.processor[.r15] == 1 && child.virtualNanoseconds == machine.virtualNanoseconds)
    }

    @Test func aProcessorThatSleepsForGoodEndsTheRun() throws {
        #expect(finish(try machine("cli\nhlt\n")) == .halted)
    }
}

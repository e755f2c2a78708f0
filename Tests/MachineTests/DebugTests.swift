import Machine
import Testing
import X86

/// Breakpoints in debug registers, single steps, RF and the debug instruction (Intel SDM volume 3, chapter 17), with both engines.
@Suite struct DebugTests {
    static let code = SystemTests.code
    static let data = SystemTests.data

    /// What a debug exception was like.
    struct Event: Equatable, CustomStringConvertible {
        /// Bytes from the program's start to the saved RIP.
        var offset: Int
        /// Bits of DR6 that say why.
        var status: UInt64
        /// The saved RF.
        var resumes = false

        var description: String {
            "(+0x\(String(offset, radix: 16)), DR6 \(String(status, radix: 16))\(resumes ? ", RF" : ""))"
        }
    }

    /// What of DR6 is looked at.
    static let reasons = DR6.breakpoints | DR6.generalDetect | DR6.singleStep

    /// Runs a program in both engines to its end, HLT or a hypercall below 0x100, as a debugger's handler would: DR6 is
    /// cleared each time, and RF is set in the frame of an instruction breakpoint.
    static func trace(
        _ program: String, isUser: Bool = false, resumes: Bool = true,
        _ change: (inout LongModeGuest) throws -> Void = { _ in }
    ) throws -> (events: [Event], machine: Machine) {
        var results: [([Event], Machine)] = []
        var guest = try SystemTests().guest(program, isUser: isUser)
        try change(&guest)
        for usesMachineCode in [false, true] {
            var options = MachineOptions()
            options.usesMachineCode = usesMachineCode
            let machine = try guest.machine(options: options)
            var events: [Event] = []
            while events.count < 200 {
                let exit = machine.run(budget: 10_000)
                guard exit == .hypercall(number: 0x101) else {
                    #expect(exit == .halted || exit == .hypercall(number: 1), "\(exit)")
                    break
                }
                let system = machine.processor.system
                let frame = machine.processor[.rsp]
                let rip = try machine.load(frame, byteCount: 8, asSupervisor: true).low
                let flags = try machine.load(frame + 16, byteCount: 8, asSupervisor: true).low
                let status = system.pointee.debug[6] & Self.reasons
                events.append(
                    Event(
                        offset: Int(truncatingIfNeeded: rip &- Self.code), status: status,
                        resumes: flags & RFlags.resume != 0))
                system.pointee.debug[6] = DR6.fixed
                if resumes, status & DR6.breakpoints != 0 {
                    try machine.store(frame + 16, byteCount: 8, low: flags | RFlags.resume, asSupervisor: true)
                }
            }
            results.append((events, machine))
        }
        #expect(results[0].0 == results[1].0)
        #expect(results[0].1.retiredInstructions == results[1].1.retiredInstructions)
        #expect(results[0].1.visibleRegisters == results[1].1.visibleRegisters)
        return (results[1].0, results[1].1)
    }

    /// Assembly that sets breakpoint 0 to an address with DR7's upper half `kind` (R/W bits 0-1, LEN bits 2-3).
    static func breakpoint(_ address: String, kind: Int, number: Int = 0) -> String {
        "lea rax, \(address); mov dr\(number), rax; mov eax, \(1 << (2 * number) | kind << (16 + 4 * number)); mov dr7, rax; "
    }

    /// Offsets of labels `a`, `b` ... are found by what the program stores: none is needed, because a program's prefix has a length.
    static func length(_ program: String) throws -> Int { try Assembler.program(program).count }

    // MARK: Instruction breakpoints

    @Test func anInstructionBreakpointComesBeforeItsInstruction() throws {
        let set = Self.breakpoint("[rip+9f]", kind: 0)
        let (events, machine) = try Self.trace(set + "xor ecx, ecx; inc ecx; 9: add ecx, 10; inc ecx; hlt")
        let place = try Self.length("lea rax, [rip]; mov dr0, rax; mov eax, 1; mov dr7, rax; xor ecx, ecx; inc ecx")
        #expect(events == [Event(offset: place, status: 1)])
        #expect(machine.processor[.rcx] == 12)
    }

    @Test func aBreakpointInALoopStopsEachTime() throws {
        let set = Self.breakpoint("[rip+9f]", kind: 0, number: 2)
        let (events, machine) = try Self.trace(set + "mov ecx, 5; 8: nop; 9: dec ecx; jnz 8b; hlt")
        #expect(events.count == 5 && Set(events.map(\.offset)).count == 1 && events[0].status == 4)
        #expect(machine.processor[.rcx] == 0)
        // Without RF the same instruction would stop for ever.
        let (again, _) = try Self.trace(set + "mov ecx, 5; 8: nop; 9: dec ecx; jnz 8b; hlt", resumes: false)
        #expect(again.count == 200)
    }

    @Test func codeThatRanBeforeIsWatchedToo() throws {
        // The loop is translated and linked when the breakpoint is set, and runs on when it is taken away.
        let (events, machine) = try Self.trace(
            """
            lea rax, [rip+9f]; mov dr3, rax; mov ecx, 30
            8: cmp ecx, 20; jne 5f; mov eax, 0xc0; mov dr7, rax
            5: cmp ecx, 15; jne 6f; xor eax, eax; mov dr7, rax
            6: nop; 9: dec ecx; jnz 8b; hlt
            """)
        #expect(events.count == 5 && events.allSatisfy { $0.status == 8 })
        #expect(machine.processor[.rcx] == 0)
    }

    @Test func aFaultOfTheInstructionDoesNotBringTheBreakpointBack() throws {
        // The instruction under the breakpoint faults; the saved RF keeps the breakpoint away when it is repeated.
        let set = Self.breakpoint("[rip+9f]", kind: 0)
        var guest = try SystemTests().guest(set + "mov rbx, 0x700000; 9: mov ecx, [rbx]; hlt")
        guest.map(0x1F_0000, to: 0x1F_0000)
        let machine = try guest.machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 0x101))
        func flags(_ frame: UInt64) throws -> UInt64 { try machine.load(frame, byteCount: 8, asSupervisor: true).low }
        let frame = machine.processor[.rsp] + 16
        #expect(try flags(frame) & RFlags.resume == 0)
        try machine.store(frame, byteCount: 8, low: try flags(frame) | RFlags.resume, asSupervisor: true)
        #expect(machine.run(budget: 100) == .hypercall(number: 0x10E))
        // Error code first.
        #expect(try flags(machine.processor[.rsp] + 24) & RFlags.resume != 0)
        machine.processor[.rbx] = 0x1F_0000
        machine.processor[.rsp] += 8
        #expect(machine.run(budget: 100) == .halted)
    }

    @Test func faultsSaveTheResumeFlag() throws {
        let machine = try SystemTests().guest("int3; ud2", isUser: true).machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 0x103))
        #expect(try machine.load(machine.processor[.rsp] + 16, byteCount: 8).low & RFlags.resume == 0)
        #expect(machine.run(budget: 100) == .hypercall(number: 0x106))
        #expect(try machine.load(machine.processor[.rsp] + 16, byteCount: 8).low & RFlags.resume != 0)
    }

    // MARK: Data breakpoints

    @Test func aWriteTrapsBehindItsInstruction() throws {
        let set = Self.breakpoint("[0x500010]", kind: 0b1101, number: 1)
        let body = "mov rbx, 0x500000; mov ecx, 7; mov [rbx+8], ecx; mov edx, [rbx+0x10]; mov [rbx+0x10], ecx; inc ecx"
        let (events, machine) = try Self.trace(set + body + "; mov [rbx+0x14], cl; hlt")
        let prefix =
            "lea rax, [0x500010]; mov dr1, rax; mov eax, 0xd00004; mov dr7, rax; mov rbx, 0x500000; mov ecx, 7; "
            + "mov [rbx+8], ecx; mov edx, [rbx+0x10]; mov [rbx+0x10], ecx"
        #expect(events == [Event(offset: try Self.length(prefix), status: 2)])
        #expect(machine.processor[.rdx] == 0 && machine.processor[.rcx] == 8)
        #expect(try machine.readVirtual(Self.data + 0x10, count: 5) == [7, 0, 0, 0, 8])
    }

    @Test func readsTrapWhereAskedFor() throws {
        let body = "mov rbx, 0x500000; mov ecx, 3; 8: add edx, [rbx+0x20]; mov [rbx+0x20], ecx; dec ecx; jnz 8b; hlt"
        #expect(try Self.trace(Self.breakpoint("[0x500020]", kind: 0b1111) + body).events.count == 6)
        #expect(try Self.trace(Self.breakpoint("[0x500020]", kind: 0b1101) + body).events.count == 3)
        // Other bytes of the same page.
        #expect(try Self.trace(Self.breakpoint("[0x500024]", kind: 0b1111) + body).events.isEmpty)
        #expect(try Self.trace(Self.breakpoint("[0x500023]", kind: 0b0011) + body).events.count == 6)
    }

    /// Lengths and alignment: the low bits of the address do not count, and one byte in common is enough.
    @Test func lengths() throws {
        func count(_ address: Int, _ length: Int, _ store: String) throws -> Int {
            try Self.trace(
                Self.breakpoint("[\(address)]", kind: length << 2 | 1) + "mov rbx, 0x500000; \(store); hlt"
            ).events.count
        }
        #expect(try count(0x50_0047, 0b10, "mov byte ptr [rbx+0x40], 1") == 1)
        #expect(try count(0x50_0047, 0b10, "mov byte ptr [rbx+0x47], 1") == 1)
        #expect(try count(0x50_0047, 0b10, "mov byte ptr [rbx+0x48], 1") == 0)
        #expect(try count(0x50_0041, 0b01, "mov byte ptr [rbx+0x40], 1") == 1)
        #expect(try count(0x50_0041, 0b01, "mov qword ptr [rbx+0x39], 1") == 1)
        #expect(try count(0x50_0041, 0b01, "mov qword ptr [rbx+0x38], 1") == 0)
        #expect(try count(0x50_0041, 0b00, "movups [rbx+0x32], xmm0") == 1)
        #expect(try count(0x50_0041, 0b00, "movups [rbx+0x31], xmm0") == 0)
        // Across a page.
        #expect(try count(0x50_1000, 0b00, "mov qword ptr [rbx+0xffc], 1") == 1)
        #expect(try count(0x50_0FFF, 0b00, "mov qword ptr [rbx+0xffc], 1") == 1)
    }

    @Test func everyKindOfAccess() throws {
        // The stack pointer is at data + 0x1800 when the handler returns, as at the start.
        for (line, expected) in [
            ("push rcx; pop rcx", 2), ("call 7f; 7: pop rcx", 2), ("xchg [rsp-8], rcx", 1),
            ("lock inc dword ptr [rsp-8]", 1), ("movups xmm1, [rsp-8]", 1), ("fld1; fstp qword ptr [rsp-8]", 1),
            ("lea rdi, [rsp-16]; lea rsi, [rsp-0x40]; mov ecx, 3; rep movsq", 1), ("fxsave [rsp-0x180]", 1),
            ("movq mm0, [rsp-8]; emms", 1), ("pushfq; popfq", 2), ("lgdt [rsp-16]", 1),
            ("mov rax, [rsp-0x10]; mov rax, [rsp]", 0), ("prefetcht0 [rsp-8]; nop dword ptr [rsp-8]", 0),
        ] {
            let set = Self.breakpoint("[rsp-8]", kind: 0b1011)
            let (events, _) = try Self.trace(
                set + "sgdt [rsp-16]; " + line + "; hlt", resumes: false
            ) {
                $0.state.general[4] = Self.data + 0x800
                // The handler has a stack of its own: its frame must not meet the breakpoint.
                $0.setGate(1, SystemTests.handlers + 16, stack: 1)
            }
            // SGDT's own access comes first: its ten bytes end at the breakpoint's second byte.
            #expect(events.count == expected + 1, "\(line): \(events)")
        }
    }

    @Test func aRepeatedInstructionStopsBetweenItsIterations() throws {
        let set = Self.breakpoint("[0x500108]", kind: 0b0101)
        let prefix = "mov edi, 0x500100; mov ecx, 4; xor eax, eax; cld"
        let (events, machine) = try Self.trace(set + prefix + "; rep stosq; hlt", resumes: false)
        let head = try Self.length(
            "lea rax, [0x500108]; mov dr0, rax; mov eax, 0x50001; mov dr7, rax; " + prefix)
        #expect(events == [Event(offset: head, status: 1, resumes: true)])
        #expect(machine.processor[.rdi] == 0x50_0120 && machine.processor[.rcx] == 0)
        // Hit by the last iteration, the instruction is complete.
        let (last, _) = try Self.trace(
            set + prefix.replacing("0x500100", with: "0x5000f0") + "; rep stosq; hlt",
            resumes: false)
        #expect(last == [Event(offset: head + 3, status: 1)])
    }

    @Test func severalBreakpointsAtOnce() throws {
        let (events, _) = try Self.trace(
            """
            mov rax, 0x500000; mov dr0, rax; mov dr2, rax; inc rax; mov dr1, rax; mov dr3, rax
            mov eax, 0x3111001d; mov dr7, rax
            mov word ptr [0x500000], 5; hlt
            """)
        // 0: write of 1 byte; 1: write, enabled by its global bit; 2: write, enabled; 3: not enabled.
        #expect(events.map(\.status) == [7])
    }

    @Test func userModeIsWatched() throws {
        let (events, _) = try Self.trace(
            "mov rbx, 0x500000; mov ecx, 3; 8: mov [rbx], ecx; dec ecx; jnz 8b; .byte 0x0f,0x1f,0x84,0,1,0,0x4d,0x53",
            isUser: true
        ) {
            $0.state.debug[0] = Self.data
            $0.state.debug[7] = 0x400 | 1 | 0b1101 << 16
        }
        #expect(events.count == 3 && events.allSatisfy { $0.status == 1 })
    }

    @Test func forksHaveTheirOwnBreakpoints() throws {
        let machine = try SystemTests().guest("mov rbx, 0x500000; nop; hlt; mov [rbx], ecx; hlt").machine()
        #expect(machine.run(budget: 10) == .halted)
        let child = machine.fork()
        for state in [machine, child] { state.processor.isHalted = false }
        var state = child.processor.save()
        state.debug[0] = Self.data
        state.debug[7] = 0xD0401
        try child.processor.load(state)
        #expect(machine.run(budget: 10) == .halted)
        #expect(child.fork().run(budget: 10) == .hypercall(number: 0x101))
    }

    // MARK: Ports, and the registers themselves

    @Test func portsNeedTheExtensions() throws {
        let body = Self.breakpoint("[0x80]", kind: 0b0110) + "out 0x80, al; in al, 0x81; out 0x82, al; hlt"
        let (events, _) = try Self.trace(body) { $0.state.cr4 |= CR4.debuggingExtensions }
        #expect(events.map(\.status) == [1, 1])
        #expect(try Self.trace(body).events.isEmpty)
    }

    @Test func generalDetection() throws {
        let (events, machine) = try Self.trace(
            "mov eax, 0x2400; mov dr7, rax; nop; mov rcx, dr0; mov rdx, dr7; hlt", resumes: false)
        let place = try Self.length("mov eax, 0x2400; mov dr7, rax; nop")
        #expect(events == [Event(offset: place, status: DR6.generalDetect, resumes: true)])
        // The handler's entry has cleared the bit.
        #expect(machine.processor[.rdx] == 0x400)
    }

    @Test func aliasesAndReservedBits() throws {
        let (_, machine) = try Self.trace(
            "mov rax, 0xffff0ff5; mov dr4, rax; mov rcx, dr6; xor eax, eax; mov dr5, rax; mov rdx, dr7; mov eax, 0xdc00; "
                + "mov dr7, rax; mov rbx, dr7; hlt",
            resumes: false)
        #expect(machine.processor[.rcx] == 0xFFFF_0FF5 && machine.processor[.rdx] == 0x400)
        // Of bits 10 to 15 only 13 (GD) and 11 can be set, and 10 is.
        #expect(machine.processor[.rbx] == 0xC00)
        for (program, vector, extended, isUser) in [
            ("mov dr4, rax", 6, true, false), ("mov rax, dr5", 6, true, false),
            ("mov rax, 0x100000000; mov dr7, rax", 13, false, false),
            ("mov rax, 0x100000000; mov dr6, rax", 13, false, false), ("mov rax, dr0", 13, false, true),
        ] {
            var guest = try SystemTests().guest(program, isUser: isUser)
            if extended { guest.state.cr4 |= CR4.debuggingExtensions }
            #expect(try guest.machine().run(budget: 10) == .hypercall(number: UInt16(0x100 + vector)), "\(program)")
        }
    }
}

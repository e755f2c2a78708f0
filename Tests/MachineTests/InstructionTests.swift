import Machine
import Testing
import X86

/// Instructions that cannot be compared with the host: privileged ones, and those that fault.
@Suite struct InstructionTests {
    private static let end = "; .byte 0x0f, 0x1f, 0x84, 0, 1, 0, 0x4d, 0x53"

    private func run(
        _ program: String, isUser: Bool = false, _ change: (inout LongModeGuest) -> Void = { _ in }
    ) throws -> (machine: Machine, exit: Exit) {
        var guest = try SystemTests().guest("mov rbx, 0x500000; \(program)\(Self.end)", isUser: isUser)
        change(&guest)
        let machine = try guest.machine()
        return (machine, machine.run(budget: 1000))
    }

    /// The hypercall of the handler for a vector.
    private func handler(_ vector: UInt16) -> Exit { .hypercall(number: 0x100 + vector) }

    @Test func undefinedInstructions() throws {
        // A LOCK prefix where none is allowed, UD0-UD2, instructions of modes that are not 64-bit mode, hypercalls without a hypervisor.
        let undefined = [
            ".byte 0xf0; mov eax, [rbx]", ".byte 0xf0; add eax, [rbx]", ".byte 0xf0, 0x01, 0xc0",
            ".byte 0xf0; bt [rbx], eax",
            ".byte 0xf0; nop", "ud2", "ud1 eax, [rbx]", ".byte 0x0f, 0xff, 0xc0", ".byte 0x37", ".byte 0x60",
            ".byte 0xce", ".byte 0x06",
            ".byte 0x9a, 0, 0, 0, 0, 0, 0", "vmcall", "vmmcall",
        ]
        for instruction in undefined { #expect(try run(instruction).exit == handler(6), "\(instruction)") }
    }

    @Test func tooLongInstruction() throws {
        #expect(try run(".fill 15, 1, 0x66; nop").exit == handler(13))
        #expect(try run(".fill 14, 1, 0x66; nop").exit == .hypercall(number: 1))
    }

    @Test func privilegedInstructions() throws {
        let privileged = [
            "hlt", "cli", "sti", "clts", "invd", "wbinvd", "rdmsr", "wrmsr", "mov rax, cr0", "mov cr3, rax",
            "mov dr7, rax", "lgdt [rbx]",
            "lidt [rbx]", "lldt ax", "ltr ax", "lmsw ax", "invlpg [rbx]", "in al, 0x20", "out 0x20, al", "swapgs",
            "sysretq",
            "mov edx, 0x20; insb", "mov edx, 0x20; mov rsi, rbx; outsb", "rdpmc", "xor eax, eax; invpcid rax, [rbx]",
            ".byte 0x0f, 0x35",
        ]
        for instruction in privileged {
            #expect(
                try run(instruction, isUser: true) { guest in
                    guest.state.sysenterCS = 0x10
                    // The I/O permission map begins behind the task segment.
                    guest.write(LongModeGuest.taskSegment + 0x66, [0x68, 0])
                }.exit
                    == (instruction == ".byte 0x0f, 0x35" ? handler(6) : handler(13)), "\(instruction)")
        }
        for instruction in ["monitor", "mwait"] { #expect(try run(instruction, isUser: true).exit == handler(6)) }
        #expect(try run("mov rax, rbx; xor ecx, ecx; xor edx, edx; monitor; mwait").exit == .hypercall(number: 1))
        #expect(try run("mov rax, rbx; mov ecx, 1; monitor").exit == handler(13))
    }

    @Test func userModeInstructionPrevention() throws {
        for instruction in ["smsw eax", "sldt eax", "str eax", "sgdt [rbx]", "sidt [rbx]"] {
            #expect(try run(instruction, isUser: true).exit == .hypercall(number: 1), "\(instruction)")
            let exit = try run(instruction, isUser: true) {
                $0.state.cr4 |= CR4.userModeInstructionPrevention
            }.exit
            #expect(exit == handler(13), "\(instruction)")
        }
    }

    @Test func performanceCountersReadZero() throws {
        let machine = try run("mov eax, 5; mov edx, 6; rdpmc", isUser: true) {
            $0.state.cr4 |= CR4.performanceCounters
        }.machine
        #expect(machine.processor[.rax] == 0 && machine.processor[.rdx] == 0)
    }

    @Test func contextInvalidation() throws {
        let pcid = { (guest: inout LongModeGuest) in guest.state.cr4 |= CR4.processContext }
        #expect(try run("mov eax, 2; invpcid rax, [rbx]", pcid).exit == .hypercall(number: 1))
        #expect(try run("mov eax, 4; invpcid rax, [rbx]", pcid).exit == handler(13))
        #expect(try run("mov qword ptr [rbx], 0x1000; xor eax, eax; invpcid rax, [rbx]", pcid).exit == handler(13))
        #expect(try run("mov qword ptr [rbx], 5; mov eax, 1; invpcid rax, [rbx]", pcid).exit == .hypercall(number: 1))
        #expect(try run("mov qword ptr [rbx], 5; mov eax, 1; invpcid rax, [rbx]").exit == handler(13))
        // CR3 with bit 63 keeps translations under PCIDs and is reserved without; PCIDs begin with CR3[11:0] = 0.
        #expect(try run("mov rax, cr3; bts rax, 63; mov cr3, rax; mov rax, cr3", pcid).exit == .hypercall(number: 1))
        #expect(try run("mov rax, cr3; bts rax, 63; mov cr3, rax").exit == handler(13))
        #expect(
            try run("mov rax, cr3; or rax, 8; mov cr3, rax; mov rax, cr4; bts rax, 17; mov cr4, rax").exit
                == handler(13))
    }

    @Test func descriptorQueries() throws {
        // User code may look at user segments, not at the kernel's or at what is not there.
        let machine = try run(
            """
            mov ecx, 0x33; lar eax, ecx; setz r8b; mov ecx, 0x10; lar edx, ecx; setz r9b; mov ecx, 0x2b; lsl esi, ecx; setz r10b
            verw cx; setz r11b; mov ecx, 0x33; verw cx; setz r12b; verr cx; setz r13b; mov ecx, 0xfff8; lsl edi, ecx; setz r14b
            xor ecx, ecx; verr cx; setz r15b
            """, isUser: true
        ).machine
        let processor = machine.processor
        let flags = [Slot.r8, .r9, .r10, .r11, .r12, .r13, .r14, .r15].map { processor[$0] & 1 }
        #expect(flags == [1, 0, 1, 1, 0, 1, 0, 0])
        #expect(processor[.rax] & 0x00F0_FF00 == 0x00A0_FA00)
        #expect(processor[.rsi] == 0xFFFF_FFFF)
    }

    @Test func callGateOf64Bits() throws {
        // User code calls a gate to level 0: the stack comes from the TSS, with a null SS; RETFQ goes back.
        let (machine, exit) = try run(
            "mov r15, rsp; push 0x4b; push 0; .byte 0x48; lcall [rsp]; add rsp, 16; cmp rsp, r15; setz al; movzx eax, al",
            isUser: true
        ) { guest in
            let target: UInt64 = SystemTests.handlers + 0x400
            guest.put(
                LongModeGuest.globalTable + 0x48, target & 0xFFFF | 0x10 << 16 | 0xEC00 << 32 | (target >> 16) << 48)
            guest.put(LongModeGuest.globalTable + 0x50, target >> 32)
            guest.state.globalDescriptorTable.limit = 0x57
            // The task segment's descriptor is in the register already; its upper half is not read again.
            guest.write(0x31_0400, [0x49, 0x89, 0xE0, 0x8C, 0xD1, 0x4C, 0x8B, 0x4C, 0x24, 0x10, 0x48, 0xCB])
        }
        #expect(exit == .hypercall(number: 1))
        #expect(machine.processor[.rax] == 1)
        #expect(machine.processor[.r8] == LongModeGuest.kernelStack + 0x1000 - 32)
        #expect(machine.processor[.rcx] & 0xFFFF == 0)
        #expect(machine.processor.system.pointee.privilegeLevel == 3)
    }

    @Test func transactionsAbort() throws {
        let machine = try run("mov eax, 1; xbegin 3f; mov edx, 7; ud2; 3: mov ecx, 9; xtest; setz r8b").machine
        #expect(machine.processor[.rax] == 0)
        #expect(machine.processor[.rcx] == 9)
        #expect(machine.processor[.r8] & 1 == 1)
    }

    @Test func stringInputAndOutput() throws {
        // Ports without a device read ones; the count and the pointers advance.
        let (machine, exit) = try run(
            "mov rdi, rbx; mov edx, 0x123; mov ecx, 3; rep insw; mov rsi, rbx; mov ecx, 2; rep outsd")
        #expect(exit == .hypercall(number: 1))
        #expect(try machine.load(SystemTests.data, byteCount: 8).low == 0xFFFF_FFFF_FFFF)
        #expect(machine.processor[.rdi] == SystemTests.data + 6)
        #expect(machine.processor[.rsi] == SystemTests.data + 8)
        #expect(machine.processor[.rcx] == 0)
    }

    @Test func randomNumbersComeFromTheSeed() throws {
        func number(_ seed: UInt64) throws -> UInt64 {
            var guest = try SystemTests().guest("rdrand rax; setc cl; rdseed edx\(Self.end)")
            guest.state.general[1] = 0
            var options = MachineOptions()
            options.randomSeed = seed
            let machine = try guest.machine(options: options)
            #expect(machine.run(budget: 10) == .hypercall(number: 1))
            #expect(machine.processor[.rcx] == 1)
            return machine.processor[.rax]
        }
        #expect(try number(5) == number(5))
        #expect(try number(5) != number(6))
    }
}

import Machine
import Testing
import X86

/// Real-address, protected and compatibility mode, and the ways between them and 64-bit mode (Intel SDM volume 3, chapters 5, 6, 9, 20).
@Suite struct LegacyModeTests {
    private static func call(_ number: Int) -> String { LegacyGuest.call(number) }

    @Test func realModeAddressesAndInterrupts() throws {
        var guest = try LegacyGuest(
            """
            .code16
            mov ax, 0x1234; mov ds, ax; mov bx, 0x10; mov si, 0x20
            mov word ptr [bx+si+2], 0xBEEF
            mov ax, ss:[0x4000]
            int 0x21
            push cs; call 1f
            mov di, 0x100; mov ax, 0x2000; mov es, ax; mov si, 0x32; mov cx, 2; cld; rep movsb
            mov ecx, 0x12345678; movzx edx, cx
            sti; pushf; pop bp
            \(Self.call(1))
            1: mov cx, 0x77; retf
            .org 0x200
            mov dx, [bp]; add ax, 1; stc; iret
            """)
        guest.setReal()
        guest.put32(0x21 * 4, UInt32(LegacyGuest.code + 0x200))
        guest.write(0x4000, [0x34, 0x12])
        let machine = try guest.machine()
        #expect(machine.run(budget: 1000) == .hypercall(number: 1))
        #expect(try machine.word(0x12340 + 0x32, 2) == 0xBEEF)
        #expect(try machine.word(0x20100, 2) == 0xBEEF)
        let processor = machine.processor
        #expect(processor[.rax] & 0xFFFF == 0x2000)
        #expect(processor[.rcx] & 0xFFFF_FFFF == 0x1234_5678)
        #expect(processor[.rdx] == 0x5678)
        // IRET restored CF = 0 and IF; SP is back.
        #expect(processor[.rbp] & 0x201 == 0x200)
        #expect(processor[.rsp] & 0xFFFF == 0x6FF0)
        #expect(processor.system.pointee.segments[0].base == 0x20000)
    }

    @Test func realModeLimit() throws {
        // A word at offset FFFF goes beyond the segment: #GP, vector 13, without an error code.
        var guest = try LegacyGuest(".code16\nmov bx, 0xFFFF; mov ax, [bx]; hlt\n.org 0x100\n\(Self.call(2))")
        guest.setReal()
        guest.put32(13 * 4, UInt32(LegacyGuest.code + 0x100))
        let machine = try guest.machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 2))
        #expect(try machine.word(0x6FF0 - 6, 2) == LegacyGuest.code + 3)
    }

    @Test func interruptFromUserModeAndBack() throws {
        var guest = try LegacyGuest(
            """
            .code32
            mov eax, 5; stc; int 0x80
            mov ebx, 7\(Self.call(1))
            .org 0x100
            mov ecx, [esp]; mov edx, [esp+12]; mov esi, [esp+16]; mov edi, cs; add eax, 1; clc
            \(Self.call(2)) iretd
            """)
        guest.setProtected(isUser: true)
        guest.setGate(0x80, LegacyGuest.code + 0x100, level: 3)
        let machine = try guest.machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 2))
        let processor = machine.processor
        #expect(processor[.rcx] == LegacyGuest.code + 8)
        #expect(processor[.rdx] == LegacyGuest.userStack)
        #expect(processor[.rsi] == UInt64(LegacyGuest.userData))
        #expect(processor[.rdi] == UInt64(LegacyGuest.code32))
        #expect(processor[.rsp] == UInt64(LegacyGuest.kernelStack) - 20)
        #expect(machine.run(budget: 100) == .hypercall(number: 1))
        #expect(processor.system.pointee.privilegeLevel == 3)
        #expect(processor[.rax] == 6 && processor[.rbx] == 7)
        #expect(processor[.cf] == 1)
        #expect(processor[.rsp] == LegacyGuest.userStack)
    }

    @Test func segmentLimitsAndTypes() throws {
        // A data segment at 0x8000 of 0x100 bytes, an expand-down one, and a read-only one.
        let program = { (access: String, selector: Int) in
            ".code32\nmov eax, \(selector); mov ds, eax; mov ebx, 0xFE; \(access); hlt\n.org 0x100\nmov edx, [esp]\(Self.call(13))"
        }
        let cases: [(String, Int, Bool)] = [
            ("mov ax, [ebx]", 0x50, true), ("mov eax, [ebx]", 0x50, false), ("mov [ebx], ax", 0x60, false),
            ("mov ax, [ebx]", 0x60, true), ("mov al, [ebx]", 0x58, false), ("mov al, [ebx+2]", 0x58, true),
            ("add byte ptr cs:[ebx], 1", 0x50, false), ("mov ax, [bx]", 0x50, true),
            ("movzx eax, byte ptr [ebx-0xff]", 0x50, false),
        ]
        for (access, selector, isAllowed) in cases {
            var guest = try LegacyGuest(program(access, selector))
            guest.setProtected(isUser: false)
            guest.put(LegacyGuest.globalTable + 0x50, 0x0040_9200_8000_00FF)
            guest.put(LegacyGuest.globalTable + 0x58, 0x0040_9600_8000_00FF)
            guest.put(LegacyGuest.globalTable + 0x60, 0x0040_9000_8000_00FF)
            guest.setGate(13, LegacyGuest.code + 0x100)
            guest.write(0x80FE, [0xCD, 0xAB])
            let machine = try guest.machine()
            let exit = machine.run(budget: 100)
            #expect(exit == (isAllowed ? .halted : .hypercall(number: 13)), "\(access) in \(selector)")
            if !isAllowed { #expect(machine.processor[.rdx] == 0) }
        }
    }

    @Test func callGateCopiesParameters() throws {
        var guest = try LegacyGuest(
            """
            .code32
            push 0x1111; push 0x2222
            .byte 0x9A; .long 0; .word 0x53
            \(Self.call(1))
            .org 0x100
            mov eax, [esp+8]; mov ebx, [esp+12]; mov ecx, [esp+4]; retf 8
            """)
        guest.setProtected(isUser: true)
        let target = LegacyGuest.code + 0x100
        guest.put(
            LegacyGuest.globalTable + 0x50, target | UInt64(LegacyGuest.code32) << 16 | UInt64(0xEC02) << 32)
        let machine = try guest.machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 1))
        let processor = machine.processor
        #expect(processor[.rax] == 0x2222)
        #expect(processor[.rbx] == 0x1111)
        #expect(processor[.rcx] == UInt64(LegacyGuest.userCode32))
        #expect(processor[.rsp] == LegacyGuest.userStack)
        #expect(processor.system.pointee.privilegeLevel == 3)
    }

    @Test(arguments: [false, true]) func pagingOutsideOfLongMode(isPAE: Bool) throws {
        var guest = try LegacyGuest(
            """
            .code32
            mov ebx, 0x123456; mov dword ptr [ebx], 0x55; mov ecx, 0x500000; mov eax, [ecx]; hlt
            .org 0x100
            mov edx, [esp]; mov esi, cr2\(Self.call(14))
            """)
        guest.setProtected(isUser: false)
        guest.makePageTables()
        guest.setGate(14, LegacyGuest.code + 0x100)
        guest.state.cr0 |= CR0.paging
        guest.state.cr3 = isPAE ? LegacyGuest.pointersPAE : LegacyGuest.directory32
        guest.state.cr4 = isPAE ? CR4.physicalAddressExtension : 0
        let machine = try guest.machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 14))
        #expect(machine.processor[.rsi] == 0x50_0000)
        #expect(machine.processor[.rdx] == 0)
        #expect(try machine.word(0x12_3456) == 0x55)
        // Accessed and dirty.
        let entry = isPAE ? LegacyGuest.pointersPAE + 0x2000 + 0x123 * 8 : LegacyGuest.directory32 + 0x1000 + 0x123 * 4
        #expect(try machine.word(entry) & 0x60 == 0x60)
    }

    @Test func fromRealModeToLongModeAndBackToCompatibility() throws {
        var guest = try LegacyGuest(
            """
            .code16
            lgdt [0x6000]
            mov eax, cr0; or al, 1; mov cr0, eax
            .byte 0xEA; .word 0x7000 + (p32 - start), 8
            .code32
            p32: mov eax, 0x10; mov ds, eax; mov es, eax; mov ss, eax; mov esp, 0x9000
            mov eax, 0x20; mov cr4, eax
            mov eax, 0x30000; mov cr3, eax
            mov ecx, 0xC0000080; rdmsr; or eax, 0x100; wrmsr
            mov eax, cr0; or eax, 0x80000000; mov cr0, eax
            rdmsr; mov esi, eax
            .byte 0xEA; .long 0x7000 + (p64 - start); .word 0x18
            .code64
            p64: mov rax, 0x123456789ABCDEF0; mov rdi, rax
            push 8; lea rax, [rip + back]; push rax; .byte 0x48; retf
            .code32
            back: mov ebp, 0x55; inc ebp
            mov eax, cr0; and eax, 0x7FFFFFFF; mov cr0, eax
            rdmsr
            .byte 0xEA; .long 0x7000 + (p16 - start); .word 0x38
            .code16
            p16: mov ebx, cr0; and bl, 0xFE; mov cr0, ebx
            .byte 0xEA; .word 0x7000 + (real - start), 0
            real: xor cx, cx; mov ss, cx; mov ds, cx; mov sp, 0x6000; push 0x4321
            \(Self.call(3))
            """)
        guest.setReal()
        guest.makePageTables()
        guest.write(0x6000, [0x7F, 0, 0, 0x30, 0, 0])
        let machine = try guest.machine()
        #expect(machine.run(budget: 1000) == .hypercall(number: 3))
        let processor = machine.processor
        // LMA was set in long mode and is clear at the end, LME stays.
        #expect(processor[.rsi] & 0x500 == 0x500)
        #expect(processor[.rax] & 0x500 == 0x100)
        #expect(processor[.rdi] == 0x1234_5678_9ABC_DEF0)
        #expect(processor[.rbp] == 0x56)
        #expect(processor.system.pointee.cr0 & (CR0.paging | CR0.protectionEnable) == 0)
        #expect(try machine.word(0x5FFE, 2) == 0x4321)
    }

    /// 32-bit user code calls a 64-bit kernel with INT 0x80, SYSCALL and SYSENTER.
    @Test(arguments: ["int 0x80", "syscall", "sysenter"]) func systemCallsFromCompatibilityMode(_ entry: String) throws
    {
        let leave = [
            "int 0x80": "iretq", "syscall": ".byte 0x0f, 0x07",
            "sysenter": "mov rdx, rcx; mov ecx, 0xB000; .byte 0x0f, 0x35",
        ]
        var guest = LongModeGuest(isUser: true)
        let isSysenter = entry == "sysenter"
        guest.map(0x40_0000, to: 0x20_0000, isUser: true)
        guest.write(
            0x20_0000,
            try Assembler.program(
                ".code32\nmov eax, 1; mov ecx, 0x400040; \(entry)\n.org 0x10, 0x90\ninc eax\(Self.call(1))\n.org 0x40\nadd eax, 2\(Self.call(1))"
            ))
        guest.map(0x60_0000, to: 0x21_0000)
        guest.write(0x21_0000, try Assembler.program("add rax, 0x10; mov r8, cs\(Self.call(2)) \(leave[entry] ?? "")"))
        guest.setGate(0x80, 0x60_0000, level: 3)
        guest.state.segments[1] = SegmentState(
            selector: LongModeGuest.compatibilityCode, limit: 0xFFFF_FFFF, attributes: 0xC0_FB00)
        guest.state.rip = 0x40_0000
        guest.state.cstar = 0x60_0000
        guest.state.sysenterCS = UInt64(LongModeGuest.kernelCode)
        guest.state.sysenterEIP = 0x60_0000
        guest.state.sysenterESP = LongModeGuest.kernelStack + 0x800
        var options = MachineOptions()
        if isSysenter {
            options.model.leaves[0] = CPUIDLeaf(eax: 0xD, ebx: 0x756E_6547, ecx: 0x6C65_746E, edx: 0x4965_6E69)
        }
        let machine = try guest.machine(options: options)
        #expect(machine.run(budget: 100) == .hypercall(number: 2))
        let processor = machine.processor
        #expect(processor.system.pointee.privilegeLevel == 0)
        #expect(processor.system.isLongCode)
        #expect(processor[.r8] == UInt64(LongModeGuest.kernelCode))
        #expect(machine.run(budget: 100) == .hypercall(number: 1))
        #expect(processor.system.pointee.privilegeLevel == 3)
        #expect(!processor.system.isLongCode)
        #expect(processor[.rax] == (isSysenter ? 0x13 : 0x12))
    }

    @Test func whatIsRefusedSaysSo() throws {
        // A task gate, and virtual-8086 mode.
        var guest = try LegacyGuest(".code32\nint 0x81")
        guest.setProtected(isUser: false)
        guest.put(LegacyGuest.interruptTable + 0x81 * 8, 0x0000_8500_0040_0000)
        guard case .unsupportedMode(let rip, let reason) = try guest.machine().run(budget: 10) else {
            Issue.record("a task gate is not refused")
            return
        }
        #expect(rip == LegacyGuest.code + 2 && reason.contains("task switch"))
        var virtual = try LegacyGuest(".code16\nnop")
        virtual.setReal()
        virtual.state.cr0 |= CR0.protectionEnable
        virtual.state.rflags |= RFlags.virtual8086
        guard case .unsupportedMode(_, let text) = try virtual.machine().run(budget: 10) else {
            Issue.record("virtual-8086 mode is not refused")
            return
        }
        #expect(text.contains("virtual-8086"))
    }
}

import Machine
import Testing
import X86

/// Paging, exceptions, privilege changes and self-modifying code in a hand-made guest.
@Suite struct SystemTests {
    static let code: UInt64 = 0x40_0000
    static let data: UInt64 = 0x50_0000
    static let handlers: UInt64 = 0x60_0000

    /// A guest with code at `code` (user mode when `isUser`), one data page, and a handler per exception that makes hypercall 0x100 + vector.
    func guest(_ program: String, isUser: Bool = false) throws -> LongModeGuest {
        var guest = LongModeGuest(isUser: isUser)
        let bytes = try Assembler.program(program)
        for page in UInt64(0)..<4 { guest.map(Self.code + page * 4096, to: 0x20_0000 + page * 4096, isUser: isUser) }
        guest.write(0x20_0000, bytes)
        for page in UInt64(0)..<2 {
            guest.map(Self.data + page * 4096, to: 0x30_0000 + page * 4096, isUser: isUser, isExecutable: false)
        }
        guest.map(Self.handlers, to: 0x31_0000)
        for vector in UInt64(0)..<32 {
            guest.write(
                0x31_0000 + vector * 16, [0x0F, 0x1F, 0x84, 0x00, UInt8(vector), 0x01, 0x4D, 0x53, 0x48, 0xCF])
            guest.setGate(vector, Self.handlers + vector * 16, stack: vector == 8 ? 1 : 0, level: vector == 3 ? 3 : 0)
        }
        guest.state.rip = Self.code
        guest.state.general[4] = Self.data + 0x1800
        return guest
    }

    private func stack(_ machine: Machine, _ index: UInt64) throws -> UInt64 {
        try machine.load(machine.processor[.rsp] + index * 8, byteCount: 8, asSupervisor: true).low
    }

    @Test func pageFaultFromUserMode() throws {
        let machine = try guest("nop; mov rbx, 0x700123; mov [rbx], eax; nop", isUser: true).machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 0x10E))
        #expect(machine.processor.system.pointee.cr2 == 0x70_0123)
        #expect(machine.processor.system.pointee.privilegeLevel == 0)
        // Error code: write, user; then RIP of the store, CS, flags, RSP, SS.
        #expect(try stack(machine, 0) == 6)
        #expect(try stack(machine, 1) == Self.code + 8)
        #expect(try stack(machine, 2) == UInt64(LongModeGuest.userCode))
        #expect(try stack(machine, 4) == Self.data + 0x1800)
        #expect(try stack(machine, 5) == UInt64(LongModeGuest.userData))
        #expect(machine.processor[.rsp] == LongModeGuest.kernelStack + 0x1000 - 48)
    }

    @Test func userMayNotTouchKernelPages() throws {
        let machine = try guest("mov rbx, 0x600000; mov eax, [rbx]", isUser: true).machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 0x10E))
        #expect(try stack(machine, 0) == 5)
    }

    @Test func readOnlyAndNoExecute() throws {
        var readOnly = try guest("mov rbx, 0x501000; mov [rbx], eax")
        readOnly.map(Self.data + 0x1000, to: 0x30_1000, isWritable: false)
        readOnly.state.general[4] = Self.data + 0x800
        let machine = try readOnly.machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 0x10E))
        #expect(try stack(machine, 0) == 3)
        let jumper = try guest("mov rax, 0x500000; jmp rax").machine()
        #expect(jumper.run(budget: 100) == .hypercall(number: 0x10E))
        #expect(try stack(jumper, 0) == 0x11)
        #expect(try stack(jumper, 1) == Self.data)
    }

    @Test func accessedAndDirtyBits() throws {
        let guest = try guest("mov rbx, 0x500000; mov eax, [rbx]; mov rcx, 0x501000; mov [rcx], eax; hlt")
        let machine = try guest.machine()
        #expect(machine.run(budget: 100) == .halted)
        func entry(_ virtual: UInt64) throws -> UInt64 {
            var table = LongModeGuest.tables
            for shift in [UInt64(39), 30, 21] {
                table = guest.word(table + ((virtual >> shift) & 511) * 8) & 0xF_FFFF_FFFF_F000
            }
            let bytes = try machine.readPhysical(table + ((virtual >> 12) & 511) * 8, count: 8)
            return bytes.enumerated().reduce(0) { $0 | UInt64($1.element) << UInt64($1.offset * 8) }
        }
        #expect(try entry(Self.data) & 0x60 == 0x20)
        #expect(try entry(Self.data + 0x1000) & 0x60 == 0x60)
    }

    @Test func divideErrorIsExact() throws {
        let machine = try guest(
            "mov eax, 7; xor ecx, ecx; add rax, 1; mov rbx, 0x500000; mov [rbx], rax; div ecx; inc rax"
        ).machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 0x100))
        #expect(machine.processor[.rax] == 8)
        #expect(try machine.readVirtual(Self.data, count: 1) == [8])
    }

    @Test func breakpointAndInvalidOpcode() throws {
        let machine = try guest("nop; int3; ud2", isUser: true).machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 0x103))
        #expect(try stack(machine, 0) == Self.code + 2)
        // The handler returns, and the next instruction is invalid.
        #expect(machine.run(budget: 100) == .hypercall(number: 0x106))
        #expect(try stack(machine, 0) == Self.code + 2)
    }

    @Test func softwareInterruptNeedsThePrivilege() throws {
        let machine = try guest("int 0x20", isUser: true).machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 0x10D))
        #expect(try stack(machine, 0) == 0x20 << 3 | 2)
        #expect(try stack(machine, 1) == Self.code)
    }

    @Test func doubleFaultUsesItsStack() throws {
        // RSP is not mapped: pushing the page fault's frame faults again.
        var broken = try guest("mov rsp, 0x700800; push rax")
        broken.state.general[4] = 0x70_0800
        let machine = try broken.machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 0x108))
        #expect(machine.processor[.rsp] == LongModeGuest.faultStack + 0x1000 - 48)
        #expect(try stack(machine, 1) == Self.code + 7)
    }

    @Test func tripleFault() throws {
        var broken = try guest("mov rsp, 0x700800; push rax")
        broken.state.interruptDescriptorTable.limit = 0
        #expect(try broken.machine().run(budget: 100) == .tripleFault)
    }

    @Test func systemCallAndReturn() throws {
        var program = try guest("mov eax, 39; stc; syscall; mov rbx, rax; hlt", isUser: true)
        // The kernel: answers 1234 and returns.
        program.write(0x31_0800, try Assembler.program("swapgs; mov eax, 1234; swapgs; sysretq"))
        program.state.lstar = Self.handlers + 0x800
        program.state.kernelGSBase = 0x1234_5000
        let machine = try program.machine()
        // HLT in user mode: general protection.
        #expect(machine.run(budget: 100) == .hypercall(number: 0x10D))
        #expect(machine.processor[.rbx] == 1234)
        #expect(machine.processor[.rcx] == Self.code + 8)
        #expect(machine.processor[.r11] & RFlags.carry != 0)
        #expect(machine.processor.system.pointee.kernelGSBase == 0x1234_5000)
    }

    @Test func watchedPageStopsBeforeTheInstruction() throws {
        let machine = try guest("mov rbx, 0x500ffe; mov ecx, 5; add [rbx], rcx; inc ecx; hlt").machine()
        try machine.setWatched(0x30_1000, true)
        let exit = machine.run(budget: 100)
        guard case .watchedAccess(let access) = exit else {
            Issue.record("\(exit)")
            return
        }
        #expect(access.physicalAddress & ~4095 == 0x30_1000)
        #expect(machine.processor[.rip] == Self.code + 12)
        #expect(machine.retiredInstructions == 2)
        #expect(try machine.readVirtual(Self.data + 0xFFE, count: 8) == Array(repeating: 0, count: 8))
        try machine.setWatched(0x30_1000, false)
        #expect(machine.run(budget: 100) == .halted)
        #expect(try machine.readVirtual(Self.data + 0xFFE, count: 8) == [5, 0, 0, 0, 0, 0, 0, 0])
    }

    @Test func selfModifyingCode() throws {
        // The store changes the immediate of the next instruction, ten times.
        let machine = try guest(
            """
            xor eax, eax
            lea rbx, [rip + patch + 1]
            xor ecx, ecx
            again: inc ecx
            mov [rbx], cl
            patch: mov edx, 0
            add eax, edx
            cmp ecx, 10
            jne again
            hlt
            """
        ).machine()
        #expect(machine.run(budget: 1000) == .halted)
        #expect(machine.processor[.rax] == 55)
    }

    @Test func forksDoNotShareModifiedCode() throws {
        let machine = try guest("mov eax, 1; hlt").machine()
        let child = machine.fork()
        #expect(machine.run(budget: 10) == .halted)
        try child.writePhysical(0x20_0001, [7])
        #expect(child.run(budget: 10) == .halted)
        #expect(machine.processor[.rax] == 1)
        #expect(child.processor[.rax] == 7)
    }

    @Test func forkedStatesWriteApart() throws {
        let machine = try guest("mov rbx, 0x500000; again: inc qword ptr [rbx]; hlt").machine()
        #expect(machine.run(budget: 10) == .halted)
        let child = machine.fork()
        for state in [machine, child, child] {
            state.processor.isHalted = false
            state.processor[.rip] = Self.code + 7
            #expect(state.run(budget: 10) == .halted)
        }
        #expect(try machine.readVirtual(Self.data, count: 1) == [2])
        #expect(try child.readVirtual(Self.data, count: 1) == [3])
    }

    @Test func instructionAcrossPages() throws {
        var program = try guest("nop")
        program.write(0x20_0FFC, [0x90] + [0x48, 0xB8, 1, 2, 3, 4, 5, 6, 7, 8, 0xF4])
        program.state.rip = Self.code + 0xFFC
        let machine = try program.machine()
        #expect(machine.run(budget: 10) == .halted)
        #expect(machine.processor[.rax] == 0x0807_0605_0403_0201)
    }

    @Test func unsupportedInstructionsAreReported() throws {
        let machine = try guest("nop; gf2p8mulb xmm1, xmm2").machine()
        #expect(machine.run(budget: 10) == .unsupported(rip: Self.code + 1, bytes: [0x66, 0x0F, 0x38, 0xCF, 0xCA]))
        #expect(machine.processor[.rip] == Self.code + 1)
        #expect(machine.retiredInstructions == 1)
    }

    @Test func serialPortCollectsOutput() throws {
        let machine = try guest(
            "mov dx, 0x3fd; in al, dx; mov ah, al; mov dx, 0x3f8; mov al, 72; out dx, al; mov al, 105; out dx, al; hlt"
        ).machine()
        #expect(machine.run(budget: 100) == .halted)
        #expect(machine.takeConsoleOutput() == [72, 105])
        #expect(machine.processor[.rax] >> 8 & 0x20 != 0)
    }

    @Test func unmappedMemoryIsReported() throws {
        var program = try guest("mov rbx, 0x700000; mov eax, [rbx]")
        program.map(0x70_0000, to: 0xE000_0000)
        let exit = try program.machine().run(budget: 10)
        #expect(exit == .unmapped(UnmappedAccess(physicalAddress: 0xE000_0000, byteCount: 4, isWrite: false)))
    }

    @Test func supervisorAccessPrevention() throws {
        var program = try guest("mov rbx, 0x700000; stac; mov eax, [rbx]; clac; mov eax, [rbx]")
        program.map(0x70_0000, to: 0x32_0000, isUser: true)
        program.state.cr4 |= CR4.supervisorAccessPrevention
        let machine = try program.machine()
        #expect(machine.run(budget: 10) == .hypercall(number: 0x10E))
        #expect(try stack(machine, 0) == 1)
        #expect(try stack(machine, 1) == Self.code + 15)
    }

    @Test func budgetAndTime() throws {
        let machine = try guest("rdtsc; mov rbx, rax; again: dec ecx; jnz again; rdtsc; sub rax, rbx; hlt").machine()
        machine.processor[.rcx] = 1000
        #expect(machine.run(budget: 500) == .budget)
        #expect(machine.retiredInstructions >= 500 && machine.retiredInstructions < 560)
        #expect(machine.run(budget: 5000) == .halted)
        #expect(machine.processor[.rax] == 2002)
    }
}

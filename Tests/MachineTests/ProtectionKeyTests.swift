import Machine
import Testing
import VMState
import X86

/// Protection keys (Intel SDM volume 3, 4.6.2): PKRU in instructions, paging, CPUID and the snapshot.
@Suite struct ProtectionKeyTests {
    private static let data = SystemTests.data
    private static let leaf = CPUIDLeaf(ebx: 0x108, ecx: 8)

    /// A guest with CR4.PKE whose data page at 0x502000 has protection key 3.
    private func guest(_ program: String, isUser: Bool = true, pkru: UInt32 = 0) throws -> LongModeGuest {
        var guest = try SystemTests().guest(program, isUser: isUser)
        guest.state.cr4 |= CR4.protectionKeys
        guest.state.protectionKeys = pkru
        guest.map(Self.data + 0x2000, to: 0x30_2000 | 3 << 59, isUser: true, isExecutable: true)
        return guest
    }

    /// Exit and error code of a program, the same with both engines.
    private func outcome(_ guest: LongModeGuest) throws -> (exit: Exit, code: UInt64, address: UInt64) {
        var results: [[UInt64]] = []
        var exits: [Exit] = []
        for usesMachineCode in [false, true] {
            var options = MachineOptions()
            options.usesMachineCode = usesMachineCode
            options.model.leaves[7 << 32] = Self.leaf
            let machine = try guest.machine(options: options)
            exits.append(machine.run(budget: 1000))
            let code = try machine.load(machine.processor[.rsp], byteCount: 8, asSupervisor: true).low
            results.append([
                code, machine.processor.system.pointee.cr2, machine.processor[.rdx], machine.processor[.rcx],
            ])
        }
        #expect(results[0] == results[1] && exits[0] == exits[1])
        return (exits[1], results[1][0], results[1][1])
    }

    private static let set = "xor ecx, ecx; xor edx, edx; mov eax, %; wrpkru; "
    private static let end = "; .byte 0x0f,0x1f,0x84,0,1,0,0x4d,0x53"
    private static let pageFault = Exit.hypercall(number: 0x10E)
    private static let done = Exit.hypercall(number: 1)

    private func set(_ value: Int) -> String { Self.set.replacing("%", with: "\(value)") }

    @Test func accessAndWriteAreDenied() throws {
        // Access of key 3 denied: bits 6 and 7.
        let read = "mov rbx, 0x502010; mov esi, [rbx]"
        let write = "mov rbx, 0x502010; mov [rbx], esi"
        #expect(try outcome(guest(set(0) + read + "; " + write + Self.end)).exit == Self.done)
        let denied = try outcome(guest(set(0x40) + read))
        #expect(denied == (Self.pageFault, 0x25, Self.data + 0x2010))
        #expect(try outcome(guest(set(0x40) + write)).code == 0x27)
        #expect(try outcome(guest(set(0x80) + read + Self.end)).exit == Self.done)
        #expect(try outcome(guest(set(0x80) + write)).code == 0x27)
        // Other keys' bits do not count.
        #expect(try outcome(guest(set(0x7FFF_FF3C) + read + "; " + write + Self.end)).exit == Self.done)
        // Without CR4.PKE nothing is looked at.
        var off = try guest(read + "; " + write + Self.end, pkru: 0xFF)
        off.state.cr4 &= ~CR4.protectionKeys
        #expect(try outcome(off).exit == Self.done)
    }

    /// The TLB holds what a key allowed when the entry was made; WRPKRU counts at once, and reading first makes no way for writing.
    @Test func translationsFollowTheRegister() throws {
        let loop = "mov rbx, 0x502010; mov edi, 50; 8: mov esi, [rbx]; mov [rbx], edi; dec edi; jnz 8b; "
        #expect(try outcome(guest(loop + set(0x80) + "mov esi, [rbx]; mov [rbx], esi")).code == 0x27)
        #expect(try outcome(guest(loop + set(0x40) + "mov esi, [rbx]")).code == 0x25)
        #expect(try outcome(guest(set(0x80) + "mov rbx, 0x502010; mov esi, [rbx]; mov [rbx], esi")).code == 0x27)
        #expect(
            try outcome(guest(set(0x80) + "mov rbx, 0x502010; mov esi, [rbx]; " + set(0) + "mov [rbx], esi" + Self.end))
                .exit == Self.done)
        // Key 0 is a key like the others: the data page is written first, so its dirty bit is set.
        let zero = "mov rbx, 0x500010; mov [rbx], esi; " + set(2) + "mov esi, [rbx]; mov [rbx], esi"
        #expect(try outcome(guest(zero)) == (Self.pageFault, 0x27, Self.data + 0x10))
    }

    /// The supervisor's accesses to user pages are judged as well; writing only with CR0.WP. Its own pages have no key.
    @Test func theSupervisorIsBoundToo() throws {
        let write = "mov rbx, 0x502010; mov [rbx], esi"
        #expect(try outcome(guest(set(0x80) + write, isUser: false)).code == 0x23)
        #expect(try outcome(guest(set(0x40) + "mov rbx, 0x502010; mov esi, [rbx]", isUser: false)).code == 0x21)
        var unprotected = try guest(set(0x80) + write + Self.end, isUser: false)
        unprotected.state.cr0 &= ~CR0.writeProtect
        #expect(try outcome(unprotected).exit == Self.done)
        unprotected = try guest(set(0x40) + write, isUser: false)
        unprotected.state.cr0 &= ~CR0.writeProtect
        #expect(try outcome(unprotected).code == 0x23)
        // 0x500000 is a page of the supervisor here.
        let own = "mov rbx, 0x500010; mov [rbx], esi"
        #expect(try outcome(guest(set(3) + own + Self.end, isUser: false)).exit == Self.done)
    }

    @Test func codeIsFetchedWhateverTheKey() throws {
        var guest = try guest(set(0x40) + "mov rax, 0x502100; jmp rax")
        guest.write(0x30_2100, [0x0F, 0x1F, 0x84, 0, 1, 0, 0x4D, 0x53])
        #expect(try outcome(guest).exit == Self.done)
    }

    /// A page that does not allow the access at all: the code has no PK bit.
    @Test func otherFaultsComeFirst() throws {
        var guest = try guest(set(0x40) + "mov rbx, 0x502010; mov [rbx], esi")
        guest.map(Self.data + 0x2000, to: 0x30_2000 | 3 << 59, isUser: true, isWritable: false)
        #expect(try outcome(guest).code == 7)
        guest.map(Self.data + 0x2000, to: 0x30_2000 | 3 << 59, isUser: false)
        #expect(try outcome(guest).code == 7)
    }

    @Test func instructions() throws {
        let machine = try guest(
            set(0x1234_5678) + "xor eax, eax; mov rdx, -1; rdpkru; mov rdi, rax; mov r8, rdx" + Self.end
        ).machine()
        #expect(machine.run(budget: 100) == Self.done)
        #expect(machine.processor[.rdi] == 0x1234_5678 && machine.processor[.r8] == 0)
        for program in ["mov ecx, 1; rdpkru", "mov ecx, 1; xor edx, edx; wrpkru", "xor ecx, ecx; mov edx, 1; wrpkru"] {
            #expect(try guest(program).machine().run(budget: 100) == .hypercall(number: 0x10D), "\(program)")
        }
        var off = try guest("xor ecx, ecx; rdpkru")
        off.state.cr4 &= ~CR4.protectionKeys
        #expect(try off.machine().run(budget: 100) == .hypercall(number: 0x106))
    }

    /// CPUID.7:ECX bit 4 says whether the system has switched keys on.
    @Test func identification() throws {
        for isOn in [false, true] {
            var guest = try guest("mov eax, 7; xor ecx, ecx; cpuid" + Self.end)
            if !isOn { guest.state.cr4 &= ~CR4.protectionKeys }
            var options = MachineOptions()
            options.model.leaves[7 << 32] = Self.leaf
            let machine = try guest.machine(options: options)
            #expect(machine.run(budget: 100) == Self.done)
            #expect(machine.processor[.rcx] == (isOn ? 0x18 : 8))
        }
    }

    @Test func theStateCarriesTheRegister() throws {
        let machine = try guest(set(0x80) + "nop" + Self.end, pkru: 0x55).machine()
        #expect(machine.processor.save().protectionKeys == 0x55)
        #expect(machine.run(budget: 100) == Self.done)
        #expect(machine.processor.save().protectionKeys == 0x80)
        #expect(machine.fork().processor.save().protectionKeys == 0x80)
    }
}

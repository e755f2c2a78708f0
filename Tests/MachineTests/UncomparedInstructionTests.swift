import Machine
import Testing
import X86

/// Instructions that the differential tests leave out, because the host may lack them, programs may not use them, or their results are
/// the machine's own.
@Suite struct UncomparedInstructionTests {
    private static let end = "; .byte 0x0f,0x1f,0x84,0,1,0,0x4d,0x53"
    private static let done = Exit.hypercall(number: 1)

    private func run(
        _ program: String, _ change: (inout LongModeGuest) -> Void = { _ in }
    ) throws -> (exit: Exit, machine: Machine) {
        var guest = try SystemTests().guest("mov rbx, 0x500000; " + program + Self.end)
        change(&guest)
        var options = MachineOptions()
        options.model.leaves[0xD << 32] = CPUIDLeaf(eax: 0x207, ebx: 840, ecx: 840)
        options.model.leaves[0xD << 32 | 1] = CPUIDLeaf(eax: 0xF)
        options.model.leaves[0xD << 32 | 2] = CPUIDLeaf(eax: 256, ebx: 576)
        options.model.leaves[0xD << 32 | 9] = CPUIDLeaf(eax: 8, ebx: 832)
        let machine = try guest.machine(options: options)
        return (machine.run(budget: 1000), machine)
    }

    /// Hints and waits: nothing changes but what the manual says.
    @Test(arguments: [
        "cldemote [rbx]", "prefetchwt1 [rbx]", "prefetch [rbx]", "serialize", "lfence", "sfence",
        "prefetcht1 [rbx]", "prefetcht2 [rbx]", "prefetchnta [rbx]",
        "umonitor rbx",
    ])
    func hintsDoNothing(_ instruction: String) throws {
        let (exit, machine) = try run("mov r12, 5; stc; \(instruction); setc r13b")
        #expect(exit == Self.done)
        #expect(machine.processor[.r12] == 5 && machine.processor[.r13] & 0xFF == 1)
        #expect(machine.processor[.rbx] == SystemTests.data)
    }

    /// A wait that ends for another reason than its time limit: CF is clear, and the other flags are.
    @Test(arguments: ["umwait ecx", "tpause ecx"]) func waitsEndAtOnce(_ instruction: String) throws {
        let (exit, machine) = try run(
            "xor ecx, ecx; mov eax, 1; xor edx, edx; cmp eax, 2; \(instruction); pushfq; pop rsi")
        #expect(exit == Self.done)
        #expect(machine.processor[.rsi] & 0x8D5 == 0)
    }

    /// Shadow stacks are off, there is no system management mode, and these encodings stay undefined.
    @Test(arguments: [
        "incsspd eax", "incsspq rax", "wrssd [rbx], eax", "wrssq [rbx], rax", "wrussd [rbx], eax", "wrussq [rbx], rax",
        "rstorssp [rbx]", "saveprevssp", "setssbsy", "clrssbsy [rbx]", "rsm", "ud0 eax, [rbx]", "ud1 eax, [rbx]",
    ])
    func undefined(_ instruction: String) throws {
        let exit = try run(instruction).exit
        #expect(exit == .hypercall(number: 0x106), "\(instruction): \(exit)")
    }

    @Test func transactionsNeverBegin() throws {
        #expect(try run("xend").exit == .hypercall(number: 0x10D))
        let (exit, machine) = try run("mov eax, 7; xbegin 3f; ud2; 3: xtest; setz cl")
        #expect(exit == Self.done && machine.processor[.rax] == 0 && machine.processor[.rcx] & 0xFF == 1)
    }

    @Test func basesAndIdentity() throws {
        let (exit, machine) = try run(
            """
            mov rax, 0x123456789abc; wrfsbase rax; rdfsbase rsi; mov eax, 0x8765; wrgsbase rax; rdgsbase rdi
            wrfsbase eax; rdfsbase r8; rdgsbase r9d
            mov ecx, 0xc0000103; mov eax, 0x1002; xor edx, edx; wrmsr; rdpid r10; rdtscp; mov r11, rcx
            """)
        #expect(exit == Self.done)
        #expect(machine.processor[.rsi] == 0x1234_5678_9ABC && machine.processor[.rdi] == 0x8765)
        #expect(machine.processor[.r8] == 0x8765 && machine.processor[.r9] == 0x8765)
        #expect(machine.processor[.r10] == 0x1002 && machine.processor[.r11] == 0x1002)
        #expect(try run("mov rax, 0x800000000000; wrgsbase rax").exit == .hypercall(number: 0x10D))
        for line in ["rdfsbase rax", "rdgsbase rax", "wrfsbase rax", "wrgsbase rax"] {
            #expect(try run(line) { $0.state.cr4 &= ~CR4.fsgsBase }.exit == .hypercall(number: 0x106))
        }
    }

    @Test func farPointers() throws {
        let (exit, machine) = try run(
            """
            mov dword ptr [rbx], 0x11223344; mov word ptr [rbx+4], 0x18; mov word ptr [rbx+2], 0x18
            lfs eax, [rbx]; mov ecx, fs; lgs edx, [rbx]; mov esi, gs; lfs di, [rbx]; mov r8d, fs
            """)
        #expect(exit == Self.done)
        #expect(machine.processor[.rax] == 0x18_3344 && machine.processor[.rdx] == 0x18_3344)
        #expect(machine.processor[.rcx] == 0x18 && machine.processor[.rsi] == 0x18 && machine.processor[.r8] == 0x18)
        // Selector 0x60 is beyond the table.
        #expect(try run("mov word ptr [rbx+4], 0x60; lgs eax, [rbx]").exit == .hypercall(number: 0x10D))
    }

    @Test func stringsFromAndToPorts() throws {
        // No device: ones come in, and what goes out is dropped.
        let (exit, machine) = try run(
            """
            mov rdi, rbx; mov edx, 0x123; insd; mov ecx, 2; rep insb; mov rsi, rbx; outsw; mov ecx, 3; rep outsb
            """)
        #expect(exit == Self.done)
        #expect(try machine.readVirtual(SystemTests.data, count: 8) == [255, 255, 255, 255, 255, 255, 0, 0])
        #expect(machine.processor[.rsi] == SystemTests.data + 5 && machine.processor[.rdi] == SystemTests.data + 6)
    }

    /// What one instruction of a family saves, its counterpart restores.
    @Test(arguments: [
        ("fxsave64 [rbx]", "fxrstor64 [rbx]"), ("fxsave [rbx]", "fxrstor [rbx]"), ("xsave64 [rbx]", "xrstor64 [rbx]"),
        ("xsavec64 [rbx]", "xrstor64 [rbx]"), ("xsaveopt64 [rbx]", "xrstor64 [rbx]"), ("xsaves [rbx]", "xrstors [rbx]"),
        ("xsaves64 [rbx]", "xrstors64 [rbx]"),
    ])
    func savedState(_ save: String, _ restore: String) throws {
        let (exit, machine) = try run(
            """
            mov ecx, 0; mov eax, 7; xor edx, edx; xsetbv
            fninit; fldpi; mov rax, 0x1122334455667788; movq xmm3, rax; vpbroadcastq ymm4, xmm3
            mov dword ptr [rbx+0x600], 0x3f80; ldmxcsr [rbx+0x600]
            mov eax, 7; xor edx, edx; \(save)
            fninit; pxor xmm3, xmm3; vzeroall; mov dword ptr [rbx+0x600], 0x1f80; vldmxcsr [rbx+0x600]
            mov eax, 7; \(restore)
            fstp tbyte ptr [rbx+0x640]; movq rsi, xmm3; vextracti128 xmm5, ymm4, 1; movq rdi, xmm5; stmxcsr [rbx+0x600]
            """
        ) { $0.state.cr4 |= CR4.xSave }
        #expect(exit == Self.done)
        #expect(
            try machine.readVirtual(SystemTests.data + 0x640, count: 10) == [
                0x35, 0xC2, 0x68, 0x21, 0xA2, 0xDA, 0x0F, 0xC9, 0, 0x40,
            ])
        #expect(machine.processor[.rsi] == 0x1122_3344_5566_7788)
        // FXSAVE has no room for the upper halves.
        #expect(machine.processor[.rdi] == (save.hasPrefix("f") ? 0 : 0x1122_3344_5566_7788))
        #expect(try machine.readVirtual(SystemTests.data + 0x600, count: 4) == [0x80, 0x3F, 0, 0])
    }
}

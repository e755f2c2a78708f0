import X86

/// Integer forms beside the main families: frames, tables, prefixes, address sizes.
extension InstructionForms {
    static var remaining: [InstructionForm] {
        var forms: [InstructionForm] = []
        // ENTER with nested levels reads frame pointers below RBP, which points into the data area.
        for level in [0, 1, 2, 5, 31] {
            forms.append(InstructionForm("enter 0x20, \(level)"))
            forms.append(InstructionForm(".byte 0x66; enter 0x10, \(level)"))
        }
        forms += [
            "leave; mov rsp, 0x20004e00", ".byte 0x66; leave; mov rsp, 0x20004e00", "pushf; popf", "pushfw; popfw",
            "push ax; push cx; pop bx; pop si", "push 0x1234; pop ax; pop cx; pop si; pop bp",
            "mov ecx, 3; 3: loop 3b", "mov ecx, 5; 3: dec edx; loope 3b", "mov ecx, 5; 3: dec edx; loopne 3b",
            "mov rcx, 0x100000001; .byte 0x67; loop . + 2", "xor ecx, ecx; jrcxz 3f; inc rax; 3: nop",
            "mov rcx, 0x100000000; jecxz 3f; inc rax; 3: nop", "call 3f; 3: pop rax",
            "lea rax, [rip+3f]; call rax; 3: pop rdx",
            "push 0; lea rax, [rip+3f]; push rax; ret 8; 3: nop",
            "rdsspq rax", "xor eax, eax; rdsspd eax", "nop word ptr [rax+rax]", "endbr32", "data16 nop",
            "lea rax, [eax+edx*8-5]", "lea ax, [rdx+rcx]", "movabs al, [0x20004810]", "movabs rax, [0x20004810]",
            "movabs [0x20004810], eax", "mov fs, edx; mov eax, fs".replacingOccurrencesOfSelector,
            "smsw eax; mov eax, 0", "cbw; cwde; cdqe; cwd; cdq; cqo",
        ].map { InstructionForm($0) }
        forms += [
            "movzx rax, word ptr [rbx]", "movsx rax, byte ptr [rbx]", "movsxd rax, dword ptr [rbx]",
            "movsx ax, byte ptr [rbx]",
            "mov al, byte ptr [ebx]", "mov rax, [ebx+r8d*8]", "add dword ptr [ebx-4], edx", "movdiri [rbx], rdx",
            "movdiri dword ptr [rbx], edx", "lock xadd [rbx], rax", "lock cmpxchg [rbx], rdx",
            "lock inc dword ptr [rbx]",
            "lock neg qword ptr [rbx]", "lock not byte ptr [rbx]", "lock btc dword ptr [rbx], 3",
            "lock and word ptr [rbx], dx",
            "xchg [rbx], al", "xchg [rbx], rax", "prefetchw [rbx]", "clflushopt [rbx]", "clwb [rbx]",
            "mov rax, rbx; and rax, -64; add rax, 0x40; movdir64b rax, [rbx]",
            "and rbx, -16; cmpxchg16b [rbx]", "and rbx, -16; lock cmpxchg16b [rbx]",
            "and rbx, -16; mov rax, [rbx]; mov rdx, [rbx+8]; mov rcx, r9; lock cmpxchg16b [rbx]; mov rbx, 0",
            "movbe r9, [rbx]", "movbe [rbx], dx", "movbe [rbx], edx", "adcx rax, [rbx]", "adox rdx, [rbx]",
            "crc32 rax, byte ptr [rbx]",
            "crc32 eax, word ptr [rbx]", "crc32 rax, qword ptr [rbx]",
            "popcnt ax, [rbx]", "lzcnt rax, [rbx]", "tzcnt eax, [rbx]", "mulx rax, rdx, [rbx]",
        ].map {
            InstructionForm(
                $0, .memory,
                undefined: $0.hasPrefix("lock btc")
                    ? 0x894 : $0.contains("cnt") ? 0x894 : $0.contains("and word") ? 0x10 : 0)
        }
        forms += [
            "mov rdi, rbx; mov eax, 0x55; push rbx; mov rbx, rdi; xlatb; pop rbx",
            "mov ebx, ebx; .byte 0x67; xlatb",
        ].map { InstructionForm($0, .memory) }
        for line in [
            "andn rax, rdx, [rbx]", "blsr eax, [rbx]", "blsi rax, [rbx]", "blsmsk rax, [rbx]", "bzhi rax, [rbx], rdx",
            "bextr eax, [rbx], edx",
        ] {
            forms.append(InstructionForm(line, .memory, undefined: 0x14 | (line.hasPrefix("bextr") ? 0x80 : 0)))
        }
        for line in [
            "pdep rax, rdx, [rbx]", "pext eax, edx, [rbx]", "rorx rax, [rbx], 11", "sarx rax, [rbx], rdx",
            "shlx eax, [rbx], edx",
        ] {
            forms.append(InstructionForm(line, .memory))
        }
        for condition in conditions { forms.append(InstructionForm("j\(condition) 3f; inc rax; 3: nop")) }
        forms += [
            "sfence; lfence; mfence", "prefetcht1 [rbx]", "prefetcht2 [rbx]", "prefetchnta [rbx]",
            "mov dword ptr [rbx], 0x1f80; ldmxcsr [rbx]; stmxcsr [rbx+8]",
        ].map { InstructionForm($0, .memory) }
        // String instructions with 32-bit addresses and unusual prefixes.
        for line in [
            "addr32 movsb", "addr32 rep stosd", "addr32 repne scasb", "addr32 lodsw", "repne movsb", "repne stosw",
            "data16 movsd",
            "rep lodsq", "addr32 repe cmpsw",
        ] {
            forms.append(InstructionForm("mov ecx, ecx; " + line, .string))
        }
        for line in [
            "rcl byte ptr [rbx], 3", "rcr word ptr [rbx], 5", "rcl rax, 63", "rcr eax, 31", "rol byte ptr [rbx], 8",
            "ror word ptr [rbx], 16", "sar rax, 63", "shl ax, 20", "shrd rax, rdx, 63", "shld [rbx], rdx, 63",
        ] {
            forms.append(InstructionForm(line, .memory, undefined: 0x811))
        }
        for name in ["bt", "bts", "btr", "btc"] {
            forms.append(InstructionForm("mov ebx, ebx; \(name) [ebx], ecx", .bitOffset, undefined: 0x894))
        }
        return forms
    }
}

extension String {
    /// A selector that the host accepts in user mode: null.
    fileprivate var replacingOccurrencesOfSelector: String { "xor edx, edx; mov es, edx; mov eax, es" }
}

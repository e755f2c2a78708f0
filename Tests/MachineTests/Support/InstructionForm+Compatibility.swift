import X86

/// Forms of 32-bit code.
extension InstructionForms {
    private static let sizes: [(bits: Int, first: String, second: String, memory: String, immediate: String)] = [
        (8, "al", "dl", "byte ptr [ebx+5]", "0x85"), (16, "ax", "dx", "word ptr [ebx+3]", "0x8123"),
        (32, "eax", "esi", "dword ptr [ebx-7]", "0x81234567"),
    ]

    static var compatibility: [InstructionForm] {
        var forms: [InstructionForm] = []
        for w in sizes {
            for name in ["add", "adc", "sub", "sbb", "and", "or", "xor", "cmp", "test"] {
                let undefined = ["and", "or", "xor", "test"].contains(name) ? RFlags.auxiliary : 0
                forms.append(InstructionForm("\(name) \(w.first), \(w.second)", undefined: undefined))
                forms.append(InstructionForm("\(name) \(w.first), \(w.immediate)", undefined: undefined))
                forms.append(InstructionForm("\(name) \(w.memory), \(w.second)", .memory, undefined: undefined))
            }
            for name in ["inc", "dec", "neg", "not"] {
                forms.append(InstructionForm("\(name) \(w.first)"))
                forms.append(InstructionForm("\(name) \(w.memory)", .memory))
            }
            forms.append(InstructionForm("xchg \(w.first), \(w.second)"))
            forms.append(InstructionForm("lock xadd \(w.memory), \(w.second)", .memory))
            forms.append(InstructionForm("lock cmpxchg \(w.memory), \(w.second)", .memory))
            forms.append(InstructionForm("mov \(w.memory), \(w.first)", .memory))
            for name in ["shl", "sar", "rcl", "ror"] {
                forms.append(InstructionForm("\(name) \(w.first), 3", undefined: RFlags.auxiliary | RFlags.overflow))
                forms.append(InstructionForm("\(name) \(w.memory), 1", .memory, undefined: RFlags.auxiliary))
            }
            let product = RFlags.sign | RFlags.zero | RFlags.auxiliary | RFlags.parity
            forms.append(InstructionForm("mul \(w.second)", undefined: product))
            forms.append(InstructionForm("imul \(w.memory)", .memory, undefined: product))
        }
        let decimal = RFlags.overflow | RFlags.sign | RFlags.zero | RFlags.parity
        forms += ["aaa", "aas"].map { InstructionForm($0, undefined: decimal) }
        forms += ["daa", "das"].map { InstructionForm($0, undefined: RFlags.overflow) }
        let multiplication = RFlags.overflow | RFlags.auxiliary | RFlags.carry
        forms += ["aam", "aad", "aam 7", "aad 3", "aam 255"].map { InstructionForm($0, undefined: multiplication) }
        forms += [
            "pusha; popa", "pushaw; popaw", "pusha; add esp, 32", "pushad", "popad; mov esp, 0x20004e00", ".byte 0xd6",
            "pushf; popf", "pushfw; popfw", "pushfd; and dword ptr [esp], 0xcd5; pop eax", "push eax; pop ecx", "push ax; pop cx",
            "push ds; pop eax; push es; pop es", "push cs; pop edx", "push ss; pop ecx", "push 0x12345678; pop edi",
            "pushw 0x1234; pop si", "push -5; pop edi", "push esp; pop eax", "pop esp; mov esp, 0x20004e00",
            "enter 0x20, 0", "enter 8, 3", ".byte 0x66; enter 8, 2", "leave; mov esp, 0x20004e00",
            "call 3f; 3: pop eax",
            "push 0x20; push 0; mov dword ptr [esp], 5; pop eax; pop ecx",
            "mov ecx, 4; 3: dec edx; loop 3b", "xor ecx, ecx; jecxz 3f; inc eax; 3: nop", "mov ecx, 0x10000; jcxz 3f; inc eax; 3: nop",
            "lahf", "sahf", "cbw; cwde", "cwd; cdq", "bswap eax", "test eax, eax; into",
            "mov ebx, 0x20004800; xlatb", "movzx eax, dl", "movsx ecx, dx", "cmovb eax, edx", "setg al",
            "lea eax, [ebx+ecx*4+0x1234]", "lea ax, [ebx+ecx]", "lea eax, [bx+si+0x12]", "lea eax, [bp+di-3]", "lea ecx, [si]",
            "mov eax, [0x20004810]", "mov [0x20004810], al", "smsw ax; mov ax, 0", "popcnt eax, edx", "crc32 eax, dl",
            "rdsspd eax", "endbr32", "nop dword ptr [eax]", "imul eax, edx, 77; clc; test eax, eax", "movd mm0, eax; emms",
            "fninit; fld1; fistp dword ptr [0x20004810]", "fninit; fnstcw [0x20004810]",
        ].map { InstructionForm($0, undefined: $0.hasSuffix("test eax, eax") || $0.contains("into") ? RFlags.auxiliary : 0) }
        forms += [
            "push dword ptr [ebx]; pop dword ptr [ebx+8]", "push word ptr [ebx]; pop word ptr [ebx+8]", "pop dword ptr [esp+0x10]",
            "cmpxchg8b [ebx]", "lock cmpxchg8b [ebx+8]", "movbe eax, [ebx]", "adcx eax, [ebx]",
            "mov dword ptr [ebx], 0x80000000; mov dword ptr [ebx+4], 0x7fffffff; bound eax, [ebx]",
            "mov word ptr [ebx], 0x8000; mov word ptr [ebx+2], 0x7fff; bound ax, [ebx]",
            "mov word ptr [ebx+4], 0x2b; les eax, [ebx]", "mov word ptr [ebx+4], 0x2b; lds esi, [ebx]",
            "mov word ptr [ebx+2], 0x2b; les ax, [ebx]", "mov word ptr [ebx+4], 0x2b; lss esp, [ebx]; mov esp, 0x20004e00",
            "mov eax, ds:[ebx]", "mov eax, cs:[ebx]", "add es:[ebx], edx", "mov al, ss:[ebx]",
            "fninit; fild dword ptr [ebx]; fistp dword ptr [ebx+8]",
        ].map { InstructionForm($0, .memory) }
        forms += ["arpl ax, dx", "arpl dx, cx"].map { InstructionForm($0) }
        // Far returns to the same segment.
        forms.append(InstructionForm("push cs; call 4f; jmp 5f; 4: retf; 5: nop"))
        forms.append(InstructionForm("pushfd; push cs; call 4f; jmp 5f; 4: iretd; 5: nop"))
        for suffix in ["b", "w", "d"] {
            for name in ["movs", "stos", "lods", "scas", "cmps"] {
                forms.append(InstructionForm("\(name)\(suffix)", .string))
                let prefix = name == "scas" || name == "cmps" ? "repne" : "rep"
                forms.append(InstructionForm("\(prefix) \(name)\(suffix)", .string))
            }
        }
        let test = RFlags.overflow | RFlags.sign | RFlags.auxiliary | RFlags.parity
        for name in ["bt", "bts", "btr", "btc"] {
            forms.append(InstructionForm("\(name) [ebx], ecx", .bitOffset, undefined: test))
            forms.append(InstructionForm("\(name) eax, edx", undefined: test))
        }
        return forms
    }
}

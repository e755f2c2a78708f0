import X86

/// One instruction to compare with the host, and what of it is undefined.
struct InstructionForm {
    /// What registers must hold for the form to be executable.
    enum Setup {
        case any
        /// RBX points into the data area.
        case memory
        /// RSI and RDI point into the data area, RCX is small.
        case string
        /// RBX points into the data area and RCX is a small signed bit offset.
        case bitOffset
        /// The dividend fits: quotient and remainder are chosen.
        case division(width: Int, isSigned: Bool)
        /// XMM registers hold floating-point numbers.
        case float
        /// As `float`, with RBX pointing into the data area.
        case floatMemory
        /// R12 points to the data area, which begins with an x87 state; RBX to a memory operand.
        case x87
        /// The memory operand is a valid packed decimal number.
        case x87Decimal
        /// ST0 and ST1 are in the range that the named instruction is defined for; results may differ by one unit in the last place.
        case x87Transcendental(String)
    }

    var assembly: String
    var setup = Setup.any
    /// RFLAGS bits that the manual leaves undefined.
    var undefined: UInt64 = 0

    init(_ assembly: String, _ setup: Setup = .any, undefined: UInt64 = 0) {
        self.assembly = assembly
        self.setup = setup
        self.undefined = undefined
    }
}

/// The lists of forms, by family.
enum InstructionForms {
    static let widths: [(bits: Int, first: String, second: String, memory: String, immediate: String)] = [
        (8, "al", "dl", "byte ptr [rbx+5]", "0x85"), (16, "ax", "dx", "word ptr [rbx+3]", "0x8123"),
        (32, "eax", "r9d", "dword ptr [rbx-7]", "0x81234567"), (64, "rax", "r9", "qword ptr [rbx+r8*8+0x10]", "-5"),
    ]
    static let conditions = [
        "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g",
    ]

    static var arithmetic: [InstructionForm] {
        var forms: [InstructionForm] = []
        for w in widths {
            for name in ["add", "adc", "sub", "sbb", "and", "or", "xor", "cmp", "test"] {
                let undefined = ["and", "or", "xor", "test"].contains(name) ? RFlags.auxiliary : 0
                forms.append(InstructionForm("\(name) \(w.first), \(w.second)", undefined: undefined))
                forms.append(InstructionForm("\(name) \(w.first), \(w.first)", undefined: undefined))
                forms.append(InstructionForm("\(name) \(w.first), \(w.immediate)", undefined: undefined))
                forms.append(InstructionForm("\(name) \(w.second), 5", undefined: undefined))
                forms.append(InstructionForm("\(name) \(w.memory), \(w.second)", .memory, undefined: undefined))
                forms.append(InstructionForm("\(name) \(w.memory), 0x45", .memory, undefined: undefined))
                if name != "test" {
                    forms.append(InstructionForm("\(name) \(w.first), \(w.memory)", .memory, undefined: undefined))
                }
            }
            for name in ["inc", "dec", "neg", "not"] {
                forms.append(InstructionForm("\(name) \(w.first)"))
                forms.append(InstructionForm("\(name) \(w.memory)", .memory))
            }
            for name in ["xadd", "cmpxchg"] {
                forms.append(InstructionForm("\(name) \(w.second), \(w.first)"))
                forms.append(InstructionForm("\(name) \(w.first), \(w.first)"))
                forms.append(InstructionForm("\(name) \(w.first), \(w.second)"))
                forms.append(InstructionForm("lock \(name) \(w.memory), \(w.second)", .memory))
            }
            forms.append(InstructionForm("xchg \(w.first), \(w.second)"))
            forms.append(InstructionForm("xchg \(w.memory), \(w.second)", .memory))
        }
        forms += [
            InstructionForm("add ah, bl"), InstructionForm("sub ch, dh"), InstructionForm("xchg ah, al"),
            InstructionForm("xor bh, 0x11", undefined: RFlags.auxiliary), InstructionForm("add sil, r15b"),
            InstructionForm("cmpxchg8b [rbx]", .memory), InstructionForm("lock cmpxchg8b [rbx+8]", .memory),
            InstructionForm("clc"), InstructionForm("stc"), InstructionForm("cmc"), InstructionForm("cld"),
            InstructionForm("std"), InstructionForm("lahf"), InstructionForm("sahf"),
            InstructionForm("adcx rax, rdx"), InstructionForm("adcx eax, edx"), InstructionForm("adox rax, rdx"),
            InstructionForm("adox eax, [rbx]", .memory),
        ]
        return forms
    }

    static var movement: [InstructionForm] {
        var forms: [InstructionForm] = []
        for w in widths {
            forms.append(InstructionForm("mov \(w.first), \(w.second)"))
            forms.append(InstructionForm("mov \(w.memory), \(w.second)", .memory))
            forms.append(InstructionForm("mov \(w.first), \(w.memory)", .memory))
            forms.append(InstructionForm("mov \(w.second), \(w.immediate)"))
            forms.append(InstructionForm("mov \(w.memory), 0x7b", .memory))
        }
        for (to, from) in [
            ("ax", "dl"), ("eax", "dl"), ("rax", "dl"), ("eax", "dx"), ("rax", "dx"), ("r12", "r13b"), ("eax", "dh"),
            ("rax", "word ptr [rbx]"), ("eax", "byte ptr [rbx+3]"),
        ] {
            let setup: InstructionForm.Setup = from.contains("[") ? .memory : .any
            forms.append(InstructionForm("movzx \(to), \(from)", setup))
            forms.append(InstructionForm("movsx \(to), \(from)", setup))
        }
        for (index, condition) in conditions.enumerated() {
            forms.append(InstructionForm("set\(condition) \(index % 2 == 0 ? "al" : "dh")"))
            forms.append(InstructionForm("set\(condition) byte ptr [rbx]", .memory))
            for (to, from) in [("ax", "dx"), ("eax", "edx"), ("r10", "r11")] {
                forms.append(InstructionForm("cmov\(condition) \(to), \(from)"))
            }
            forms.append(InstructionForm("cmov\(condition) ecx, [rbx]", .memory))
        }
        forms += [
            "movsxd rax, edx", "movabs rax, 0x123456789abcdef0", "lea rax, [rdx+rcx*4+0x1234]",
            "lea eax, [rdx+rdx*2]", "lea ax, [rdx-1]", "lea rax, [edx+ecx]", "lea r8, [rip+0x100]", "bswap eax",
            "bswap r11", "cbw", "cwde", "cdqe", "cwd", "cdq", "cqo", "push rax", "push r12", "push 0x7f",
            "push -0x12345678", "push ax", "pop rax", "pop r9", "pop cx", "push rsp", "pop rsp", "pushfq",
            "nop", "endbr64", "pause", "mfence", "enter 0x20, 0",
        ].map { InstructionForm($0) }
        forms += [
            InstructionForm("movbe eax, [rbx]", .memory), InstructionForm("movbe [rbx], rdx", .memory),
            InstructionForm("movbe ax, [rbx]", .memory), InstructionForm("movnti [rbx], rdx", .memory),
            InstructionForm("push qword ptr [rbx]", .memory), InstructionForm("pop qword ptr [rbx]", .memory),
            InstructionForm("pop qword ptr [rsp+0x10]"), InstructionForm("push qword ptr [rsp+8]"),
            InstructionForm("prefetcht0 [rbx]", .memory), InstructionForm("clflush [rbx]", .memory),
        ]
        return forms
    }

    static var shifts: [InstructionForm] {
        var forms: [InstructionForm] = []
        let overflow = RFlags.overflow
        for w in widths {
            for name in ["shl", "shr", "sar", "rol", "ror", "rcl", "rcr"] {
                let isShift = name.hasPrefix("s")
                let auxiliary = isShift ? RFlags.auxiliary : 0
                forms.append(InstructionForm("\(name) \(w.first), 1", undefined: auxiliary))
                forms.append(InstructionForm("\(name) \(w.memory), 1", .memory, undefined: auxiliary))
                for count in [3, 7, w.bits - 1] {
                    forms.append(InstructionForm("\(name) \(w.first), \(count)", undefined: auxiliary | overflow))
                }
                forms.append(InstructionForm("\(name) \(w.first), 0"))
                forms.append(
                    InstructionForm("\(name) \(w.first), 32", undefined: w.bits == 64 ? auxiliary | overflow : 0))
                // A count beyond the width leaves the carry of shifts undefined.
                let carry = isShift && w.bits < 32 ? RFlags.carry : 0
                forms.append(InstructionForm("\(name) \(w.first), cl", undefined: auxiliary | overflow | carry))
                forms.append(
                    InstructionForm("\(name) \(w.memory), cl", .memory, undefined: auxiliary | overflow | carry))
            }
            if w.bits > 16 {
                for name in ["shld", "shrd"] {
                    let undefined = RFlags.auxiliary | overflow
                    forms.append(InstructionForm("\(name) \(w.first), \(w.second), 1", undefined: RFlags.auxiliary))
                    forms.append(InstructionForm("\(name) \(w.first), \(w.second), 9", undefined: undefined))
                    forms.append(InstructionForm("\(name) \(w.first), \(w.second), cl", undefined: undefined))
                    forms.append(InstructionForm("\(name) \(w.memory), \(w.second), cl", .memory, undefined: undefined))
                }
                for name in ["shlx", "shrx", "sarx"] {
                    forms.append(InstructionForm("\(name) \(w.first), \(w.second), \(w.bits == 64 ? "rcx" : "ecx")"))
                }
                forms.append(InstructionForm("rorx \(w.first), \(w.second), 13"))
            }
        }
        forms.append(InstructionForm("shld ax, dx, 5", undefined: RFlags.auxiliary | overflow))
        forms.append(InstructionForm("shrd ax, dx, 11", undefined: RFlags.auxiliary | overflow))
        return forms
    }

    static var multiplication: [InstructionForm] {
        let undefined = RFlags.sign | RFlags.zero | RFlags.auxiliary | RFlags.parity
        let all = RFlags.inSlots & ~RFlags.direction
        var forms: [InstructionForm] = []
        for w in widths {
            forms.append(InstructionForm("mul \(w.second)", undefined: undefined))
            forms.append(InstructionForm("imul \(w.second)", undefined: undefined))
            forms.append(InstructionForm("mul \(w.memory)", .memory, undefined: undefined))
            forms.append(InstructionForm("imul \(w.memory)", .memory, undefined: undefined))
            let divisor = w.bits == 8 ? "cl" : w.bits == 16 ? "cx" : w.bits == 32 ? "ecx" : "rcx"
            forms.append(InstructionForm("div \(divisor)", .division(width: w.bits, isSigned: false), undefined: all))
            forms.append(InstructionForm("idiv \(divisor)", .division(width: w.bits, isSigned: true), undefined: all))
            guard w.bits > 8 else { continue }
            forms.append(InstructionForm("imul \(w.first), \(w.second)", undefined: undefined))
            forms.append(InstructionForm("imul \(w.first), \(w.memory)", .memory, undefined: undefined))
            forms.append(InstructionForm("imul \(w.first), \(w.second), \(w.immediate)", undefined: undefined))
            forms.append(InstructionForm("imul \(w.first), \(w.second), 7", undefined: undefined))
        }
        forms += ["mulx rax, rcx, rbx", "mulx eax, ecx, ebx", "mulx rax, rax, rbx"].map { InstructionForm($0) }
        return forms
    }

    static var bits: [InstructionForm] {
        let test = RFlags.overflow | RFlags.sign | RFlags.auxiliary | RFlags.parity
        let scan = test | RFlags.carry
        var forms: [InstructionForm] = []
        for w in widths where w.bits > 8 {
            for name in ["bt", "bts", "btr", "btc"] {
                forms.append(InstructionForm("\(name) \(w.first), \(w.second)", undefined: test))
                forms.append(InstructionForm("\(name) \(w.first), 13", undefined: test))
                forms.append(InstructionForm("\(name) \(w.memory), 9", .memory, undefined: test))
                let offset = w.bits == 16 ? "cx" : w.bits == 32 ? "ecx" : "rcx"
                forms.append(InstructionForm("\(name) [rbx], \(offset)", .bitOffset, undefined: test))
            }
            // A zero source leaves the upper half of a 32-bit destination undefined; `or` keeps it from being zero.
            forms.append(InstructionForm("or \(w.second), 1; bsf \(w.first), \(w.second)", undefined: scan))
            forms.append(InstructionForm("or \(w.second), 1; bsr \(w.first), \(w.second)", undefined: scan))
            forms.append(InstructionForm("lzcnt \(w.first), \(w.second)", undefined: test))
            forms.append(InstructionForm("tzcnt \(w.first), \(w.second)", undefined: test))
            forms.append(InstructionForm("popcnt \(w.first), \(w.second)"))
            guard w.bits > 16 else { continue }
            let logic = RFlags.auxiliary | RFlags.parity
            forms.append(InstructionForm("andn \(w.first), \(w.second), \(w.first)", undefined: logic))
            forms.append(InstructionForm("blsi \(w.first), \(w.second)", undefined: logic))
            forms.append(InstructionForm("blsr \(w.first), \(w.second)", undefined: logic))
            forms.append(InstructionForm("blsmsk \(w.first), \(w.second)", undefined: logic))
            forms.append(
                InstructionForm("bextr \(w.first), \(w.second), \(w.first)", undefined: logic | RFlags.sign))
            forms.append(InstructionForm("bzhi \(w.first), \(w.second), \(w.first)", undefined: logic))
            forms.append(InstructionForm("pdep \(w.first), \(w.second), \(w.first)"))
            forms.append(InstructionForm("pext \(w.first), \(w.second), \(w.first)"))
        }
        forms += ["crc32 eax, dl", "crc32 eax, dx", "crc32 eax, edx", "crc32 rax, rdx"].map { InstructionForm($0) }
        return forms
    }

    static var strings: [InstructionForm] {
        var forms: [InstructionForm] = []
        for suffix in ["b", "w", "d", "q"] {
            for name in ["movs", "stos", "lods", "scas", "cmps"] {
                forms.append(InstructionForm("\(name)\(suffix)", .string))
            }
            for name in ["movs", "stos", "lods"] { forms.append(InstructionForm("rep \(name)\(suffix)", .string)) }
            for name in ["scas", "cmps"] {
                forms.append(InstructionForm("repe \(name)\(suffix)", .string))
                forms.append(InstructionForm("repne \(name)\(suffix)", .string))
            }
        }
        return forms
    }

    static var vectors: [InstructionForm] {
        let dyadic = [
            "pxor", "xorps", "xorpd", "pand", "andps", "andpd", "por", "orps", "orpd", "pandn", "andnps", "andnpd",
            "paddb", "paddw", "paddd", "paddq", "psubb", "psubw", "psubd", "psubq", "paddusb", "paddusw", "paddsb",
            "paddsw", "psubusb", "psubusw", "psubsb", "psubsw", "pcmpeqb", "pcmpeqw", "pcmpeqd", "pcmpeqq",
            "pcmpgtb", "pcmpgtw", "pcmpgtd", "pcmpgtq", "pminub", "pminuw", "pminud", "pmaxub", "pmaxuw", "pmaxud",
            "pminsb", "pminsw", "pminsd", "pmaxsb", "pmaxsw", "pmaxsd", "pavgb", "pavgw", "pmullw", "pmulld",
            "pmulhw", "pmulhuw", "pmaddwd", "psadbw", "pmuludq", "pmuldq", "packsswb", "packssdw", "packuswb",
            "packusdw", "punpcklbw", "punpcklwd", "punpckldq", "punpcklqdq", "punpckhbw", "punpckhwd", "punpckhdq",
            "punpckhqdq", "unpcklps", "unpcklpd", "unpckhps", "unpckhpd", "pshufb", "psllw", "pslld", "psllq",
            "psrlw", "psrld", "psrlq", "psraw", "psrad", "ptest",
        ]
        var forms = dyadic.map { InstructionForm("\($0) xmm1, xmm9") }
        forms += dyadic.map { InstructionForm("\($0) xmm2, [rbx]", .memory) }
        forms += dyadic.map { InstructionForm("\($0) xmm3, xmm3") }
        for name in ["psllw", "pslld", "psllq", "psrlw", "psrld", "psrlq", "psraw", "psrad", "pslldq", "psrldq"] {
            for count in [0, 1, 7, 13, 31, 64, 200] { forms.append(InstructionForm("\(name) xmm4, \(count)")) }
        }
        for control in [0x00, 0x1B, 0x4E, 0xB1, 0xE4, 0x93] {
            for name in ["pshufd", "pshuflw", "pshufhw", "shufps", "shufpd"] {
                forms.append(InstructionForm("\(name) xmm5, xmm6, \(control)"))
                forms.append(InstructionForm("\(name) xmm5, xmm5, \(control)"))
            }
        }
        for count in [0, 3, 8, 11, 16, 20, 31, 40] { forms.append(InstructionForm("palignr xmm1, xmm2, \(count)")) }
        for name in ["pmovzxbw", "pmovzxbd", "pmovzxbq", "pmovzxwd", "pmovzxwq", "pmovzxdq"] {
            forms.append(InstructionForm("\(name) xmm1, xmm2"))
            forms.append(InstructionForm("\(name.replacingZ) xmm1, xmm2"))
            forms.append(InstructionForm("\(name) xmm1, [rbx]", .memory))
        }
        for name in ["movaps", "movups", "movapd", "movupd", "movdqa", "movdqu"] {
            forms.append(InstructionForm("\(name) xmm1, xmm8"))
            forms.append(InstructionForm("\(name) xmm1, [rbx]", .memory))
            forms.append(InstructionForm("\(name) [rbx], xmm7", .memory))
        }
        forms += [
            "movd xmm1, edx", "movd edx, xmm1", "movq xmm1, rdx", "movq rdx, xmm1", "movq xmm1, xmm2",
            "movss xmm1, xmm2",
            "movsd xmm1, xmm2", "movhlps xmm1, xmm2", "movlhps xmm1, xmm2", "movddup xmm1, xmm2", "pmovmskb eax, xmm3",
            "movmskps eax, xmm3", "movmskpd eax, xmm3", "pinsrb xmm1, edx, 11", "pinsrw xmm1, edx, 5",
            "pinsrd xmm1, edx, 2", "pinsrq xmm1, rdx, 1", "pextrb eax, xmm1, 13", "pextrw eax, xmm1, 6",
            "pextrd eax, xmm1, 3", "pextrq rax, xmm1, 1",
        ].map { InstructionForm($0) }
        forms += [
            "movd xmm1, dword ptr [rbx]", "movq xmm1, qword ptr [rbx]", "movq qword ptr [rbx], xmm1",
            "movss xmm1, [rbx]",
            "movss [rbx], xmm1", "movsd xmm1, [rbx]", "movsd [rbx], xmm1", "movlps xmm1, [rbx]", "movlps [rbx], xmm1",
            "movhps xmm1, [rbx]", "movhps [rbx], xmm1", "lddqu xmm1, [rbx+1]", "movdqu xmm1, [rbx+3]",
            "movdqu [rbx+5], xmm1", "movntdq [rbx], xmm2", "pinsrw xmm1, word ptr [rbx], 1",
        ].map { InstructionForm($0, .memory) }
        return forms
    }

    static var floats: [InstructionForm] {
        var forms: [InstructionForm] = []
        for suffix in ["ss", "sd", "ps", "pd"] {
            for name in ["add", "sub", "mul", "div", "min", "max", "sqrt"] {
                forms.append(InstructionForm("\(name)\(suffix) xmm1, xmm2", .float))
                forms.append(InstructionForm("\(name)\(suffix) xmm1, [rbx]", .floatMemory))
            }
            for predicate in 0..<8 { forms.append(InstructionForm("cmp\(suffix) xmm1, xmm2, \(predicate)", .float)) }
            for mode in [0, 1, 2, 3, 4, 11] {
                forms.append(InstructionForm("round\(suffix) xmm1, xmm2, \(mode)", .float))
            }
        }
        forms += [
            "ucomiss xmm1, xmm2", "ucomisd xmm1, xmm2", "comiss xmm1, xmm2", "comisd xmm1, xmm2", "cvtsi2ss xmm1, edx",
            "cvtsi2ss xmm1, rdx", "cvtsi2sd xmm1, edx", "cvtsi2sd xmm1, rdx", "cvtss2si eax, xmm2",
            "cvtss2si rax, xmm2",
            "cvtsd2si eax, xmm2", "cvtsd2si rax, xmm2", "cvttss2si eax, xmm2", "cvttss2si rax, xmm2",
            "cvttsd2si eax, xmm2", "cvttsd2si rax, xmm2", "cvtss2sd xmm1, xmm2", "cvtsd2ss xmm1, xmm2",
            "cvtps2pd xmm1, xmm2", "cvtpd2ps xmm1, xmm2", "cvtdq2ps xmm1, xmm2", "cvtdq2pd xmm1, xmm2",
            "cvtps2dq xmm1, xmm2", "cvttps2dq xmm1, xmm2", "cvtpd2dq xmm1, xmm2", "cvttpd2dq xmm1, xmm2",
        ].map { InstructionForm($0, .float) }
        return forms
    }
}

extension String {
    /// The sign-extending sibling of a PMOVZX mnemonic.
    fileprivate var replacingZ: String { "pmovsx" + dropFirst(6) }
}

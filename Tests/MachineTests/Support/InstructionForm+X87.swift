import X86

/// x87 and MMX forms. Each is run between FRSTOR of a random state and FNSAVE, so that the data area shows the whole outcome.
extension InstructionForms {
    /// Offsets in the data area, which R12 points to: state before, state after, memory operand.
    static let stateBefore = 0
    static let stateAfter = 0x80
    static let mediaOperand = 0x800

    /// Wraps an instruction: load the state, execute, save without waiting, wipe the pointers that processors fill differently.
    static func x87(_ assembly: String) -> InstructionForm {
        let wiped = [(12, "dword"), (16, "dword"), (20, "dword"), (24, "dword")].map {
            "mov \($0.1) ptr [r12+\(stateAfter + $0.0)], 0"
        }
        return InstructionForm(
            (["frstor [r12]", assembly, "fnsave [r12+\(stateAfter)]", "fninit"] + wiped).joined(separator: "; "),
            .x87)
    }

    static var x87Arithmetic: [InstructionForm] {
        var forms: [String] = []
        for name in ["fadd", "fmul", "fsub", "fsubr", "fdiv", "fdivr"] {
            forms += ["\(name) st, st(3)", "\(name) st(2), st", "\(name)p st(1), st", "\(name) st, st"]
            forms += ["\(name) dword ptr [rbx]", "\(name) qword ptr [rbx]"]
            let integer = "fi" + name.dropFirst()
            forms += ["\(integer) dword ptr [rbx]", "\(integer) word ptr [rbx]"]
        }
        for name in ["fcom", "fcomp"] {
            forms += ["\(name) st(2)", "\(name) dword ptr [rbx]", "\(name) qword ptr [rbx]"]
        }
        forms += [
            "fcompp", "fucom st(3)", "fucomp st(1)", "fucompp", "ficom word ptr [rbx]", "ficom dword ptr [rbx]",
            "ficomp word ptr [rbx]", "ficomp dword ptr [rbx]", "fcomi st, st(1)", "fcomip st, st(1)",
            "fucomi st, st(4)",
            "fucomip st, st(1)", "ftst", "fxam", "fabs", "fchs", "fsqrt", "frndint", "fscale", "fxtract", "fprem",
            "fprem1", "fxch st(3)", "fincstp", "fdecstp", "ffree st(2)", "ffreep st(1)", "fnop", "fnclex",
        ]
        return forms.map { x87($0) }
    }

    static var x87Movement: [InstructionForm] {
        var forms = [
            "fld st(0)", "fld st(5)", "fst st(3)", "fstp st(2)", "fstp st(0)", "fld dword ptr [rbx]",
            "fld qword ptr [rbx]",
            "fld tbyte ptr [rbx]", "fst dword ptr [rbx]", "fst qword ptr [rbx]", "fstp dword ptr [rbx]",
            "fstp qword ptr [rbx]", "fstp tbyte ptr [rbx]", "fild word ptr [rbx]", "fild dword ptr [rbx]",
            "fild qword ptr [rbx]", "fist word ptr [rbx]", "fist dword ptr [rbx]", "fistp word ptr [rbx]",
            "fistp dword ptr [rbx]", "fistp qword ptr [rbx]", "fisttp word ptr [rbx]", "fisttp dword ptr [rbx]",
            "fisttp qword ptr [rbx]", "fbstp [rbx]", "fld1", "fldl2t", "fldl2e", "fldpi", "fldlg2", "fldln2", "fldz",
            "fnstsw ax", "fnstsw [rbx]", "fnstcw [rbx]", "fldcw [r12+0x780]",
            "fnstenv [rbx]; mov qword ptr [rbx+12], 0; "
                + "mov qword ptr [rbx+20], 0", "fninit",
            ".byte 0x66; fnstenv [rbx]; mov qword ptr [rbx+6], 0",
            ".byte 0x66; fnsave [rbx]; mov qword ptr [rbx+6], 0",
            // FDISI, FENI and FSETPM of the 8087 and 80287 do nothing; FSTPNCE is an FSTP that ignores an empty register.
            ".byte 0xdb, 0xe0", ".byte 0xdb, 0xe1", ".byte 0xdb, 0xe4", ".byte 0xd9, 0xda",
            "fnsave [rbx]; mov qword ptr [rbx+12], 0; "
                + "mov qword ptr [rbx+20], 0; frstor [rbx]",
            ".byte 0x66; fldenv [r12+0x10]", "fldenv [r12]", ".byte 0x66; frstor [r12+0x10]",
        ]
        for condition in ["b", "e", "be", "u", "nb", "ne", "nbe", "nu"] { forms.append("fcmov\(condition) st, st(2)") }
        return forms.map { x87($0) }
            + [x87("fbld [rbx]")].map { form in
                var decimal = form
                decimal.setup = .x87Decimal
                return decimal
            }
    }

    /// Results within one unit in the last place of the host's.
    static var x87Transcendental: [InstructionForm] {
        ["fsin", "fcos", "fsincos", "fptan", "fpatan", "f2xm1", "fyl2x", "fyl2xp1"].map {
            var form = x87($0)
            form.setup = .x87Transcendental($0)
            return form
        }
    }

    static var media: [InstructionForm] {
        var lines: [String] = []
        let dyadic = [
            "pxor", "pand", "por", "pandn", "paddb", "paddw", "paddd", "paddq", "psubb", "psubw", "psubd", "psubq",
            "paddusb", "paddusw", "paddsb", "paddsw", "psubusb", "psubusw", "psubsb", "psubsw", "pcmpeqb", "pcmpeqw",
            "pcmpeqd", "pcmpgtb", "pcmpgtw", "pcmpgtd", "pminub", "pmaxub", "pminsw", "pmaxsw", "pavgb", "pavgw",
            "pmullw", "pmulhw", "pmulhuw", "pmaddwd", "pmuludq", "psadbw", "packsswb", "packssdw", "packuswb",
            "punpcklbw", "punpcklwd", "punpckldq", "punpckhbw", "punpckhwd", "punpckhdq", "psllw", "pslld", "psllq",
            "psrlw", "psrld", "psrlq", "psraw", "psrad", "pshufb", "phaddw", "phaddd", "phaddsw", "phsubw", "phsubd",
            "phsubsw", "pmaddubsw", "pmulhrsw", "psignb", "psignw", "psignd", "pabsb", "pabsw", "pabsd",
        ]
        lines += dyadic.flatMap { ["\($0) mm1, mm6", "\($0) mm3, mm3", "\($0) mm2, [rbx]"] }
        for name in ["psllw", "pslld", "psllq", "psrlw", "psrld", "psrlq", "psraw", "psrad"] {
            lines += [0, 1, 15, 16, 40, 200].map { "\(name) mm4, \($0)" }
        }
        lines += [0, 3, 8, 12, 16].map { "palignr mm1, mm2, \($0)" }
        lines += [
            "movq mm1, mm2", "movq mm1, [rbx]", "movq [rbx], mm5", "movd mm1, eax", "movd eax, mm1", "movq mm1, rdx",
            "movq rdx, mm1", "movd mm1, dword ptr [rbx]", "movd dword ptr [rbx], mm1", "movntq [rbx], mm3",
            "pshufw mm1, mm2, 0x1b", "pshufw mm1, mm2, 0x93", "pinsrw mm1, edx, 2", "pinsrw mm1, word ptr [rbx], 3",
            "pextrw eax, mm1, 1", "pmovmskb eax, mm7", "movq2dq xmm1, mm2", "movdq2q mm1, xmm2", "emms",
            "mov rdi, rbx; maskmovq mm1, mm2",
            "cvtpi2ps xmm0, mm1", "cvtpi2ps xmm1, [rbx]", "cvtpi2pd xmm0, mm3", "cvtpi2pd xmm1, [rbx]",
            "cvtps2pi mm1, xmm0", "cvttps2pi mm2, xmm1", "cvtps2pi mm1, [rbx]", "cvtpd2pi mm1, xmm0",
            "cvttpd2pi mm2, xmm1",
        ]
        return lines.map { x87($0) }
    }
}

// Moves, memory forms, cryptography
extension VectorForms {
    static var moves: [VectorForm] {
        var forms: [VectorForm] = []
        for name in ["movaps", "movapd", "movdqa", "movups", "movupd", "movdqu"] {
            forms += plain([
                "\(name) xmm1, xmm9", "\(name) xmm1, [rbx]", "\(name) [rbx+32], xmm9", "v\(name) xmm1, xmm9",
                "v\(name) xmm1, [rbx]", "v\(name) [rbx+16], xmm9", "v\(name) ymm1, ymm9", "v\(name) ymm1, [rbx]",
                "v\(name) [rbx+32], ymm9", "v\(name) ymm3, ymm3",
            ])
        }
        for name in ["movups", "movupd", "movdqu", "lddqu"] {
            forms += plain(["\(name) xmm1, [rbp]", "v\(name) xmm1, [rbp]", "v\(name) ymm1, [rbp]"])
            if name != "lddqu" { forms += plain(["\(name) [rbp], xmm1", "v\(name) [rbp], ymm1"]) }
        }
        for name in ["movntps", "movntpd", "movntdq"] {
            forms += plain(["\(name) [rbx], xmm1", "v\(name) [rbx], xmm1", "v\(name) [rbx], ymm1"])
        }
        forms += plain(["movntdqa xmm1, [rbx]", "vmovntdqa xmm1, [rbx]", "vmovntdqa ymm1, [rbx]"])
        for name in ["movss", "movsd"] {
            forms += plain([
                "\(name) xmm1, xmm2", "\(name) xmm1, [rbp]", "\(name) [rbp], xmm1", "v\(name) xmm1, xmm2, xmm3",
                "v\(name) xmm1, [rbp]", "v\(name) [rbp], xmm1", "v\(name) xmm1, xmm2, xmm1",
            ])
        }
        for name in ["movlps", "movlpd", "movhps", "movhpd"] {
            forms += plain([
                "\(name) xmm1, [rbp]", "\(name) [rbp], xmm1", "v\(name) xmm1, xmm2, [rbp]", "v\(name) [rbp], xmm1",
            ])
        }
        for name in ["movhlps", "movlhps"] {
            forms += plain(["\(name) xmm1, xmm2", "v\(name) xmm1, xmm2, xmm3", "v\(name) xmm1, xmm2, xmm1"])
        }
        for name in ["movshdup", "movsldup"] { forms += monadic(name) }
        forms += plain([
            "movddup xmm1, xmm2", "movddup xmm1, [rbp]", "vmovddup xmm1, xmm2", "vmovddup xmm1, [rbp]",
            "vmovddup ymm1, ymm2", "vmovddup ymm1, [rbp]",
        ])
        for prefix in ["", "v"] {
            forms += plain([
                "\(prefix)movd xmm1, edx", "\(prefix)movd edx, xmm1", "\(prefix)movq xmm1, rdx",
                "\(prefix)movq rdx, xmm1",
                "\(prefix)movq xmm1, xmm2", "\(prefix)movd xmm1, dword ptr [rbp]",
                "\(prefix)movd dword ptr [rbp], xmm1",
                "\(prefix)movq xmm1, qword ptr [rbp]", "\(prefix)movq qword ptr [rbp], xmm1",
                "\(prefix)pmovmskb eax, xmm3",
                "\(prefix)movmskps eax, xmm3", "\(prefix)movmskpd eax, xmm3",
            ])
        }
        forms += plain(["vpmovmskb eax, ymm3", "vmovmskps eax, ymm3", "vmovmskpd eax, ymm3", "vzeroupper", "vzeroall"])
        for name in ["bw", "bd", "bq", "wd", "wq", "dq"] {
            for sign in ["z", "s"] {
                forms += plain([
                    "pmov\(sign)x\(name) xmm1, xmm9", "pmov\(sign)x\(name) xmm1, [rbp]",
                    "vpmov\(sign)x\(name) xmm1, xmm9", "vpmov\(sign)x\(name) xmm1, [rbp]",
                    "vpmov\(sign)x\(name) ymm1, xmm9", "vpmov\(sign)x\(name) ymm9, xmm9",
                    "vpmov\(sign)x\(name) ymm1, [rbp]",
                ])
            }
        }
        for name in ["vpbroadcastb", "vpbroadcastw", "vpbroadcastd", "vpbroadcastq", "vbroadcastss"] {
            forms += plain(["\(name) xmm1, xmm9", "\(name) ymm1, xmm9", "\(name) xmm1, [rbp]", "\(name) ymm1, [rbp]"])
        }
        forms += plain([
            "vbroadcastsd ymm1, xmm9", "vbroadcastsd ymm1, [rbp]", "vbroadcastf128 ymm1, [rbp]",
            "vbroadcasti128 ymm1, [rbp]",
        ])
        return forms
    }

    static var memory: [VectorForm] {
        var forms: [VectorForm] = []
        for name in ["vmaskmovps", "vmaskmovpd", "vpmaskmovd", "vpmaskmovq"] {
            forms += plain([
                "\(name) xmm1, xmm2, [rbp]", "\(name) ymm1, ymm2, [rbp]", "\(name) xmm2, xmm2, [rbp]",
                "\(name) [rbp], xmm2, xmm1", "\(name) [rbp], ymm2, ymm1",
            ])
        }
        forms += plain(["lea rdi, [rbp+3]; maskmovdqu xmm1, xmm2", "lea rdi, [rbp+3]; vmaskmovdqu xmm1, xmm2"])
        for name in ["vgatherdps", "vpgatherdd", "vgatherdpd", "vpgatherdq"] {
            let isWide = name.hasSuffix("q") || name.hasSuffix("pd")
            forms += [
                VectorForm("\(name) xmm1, [rbx+xmm2*4], xmm3", isGather: true),
                VectorForm("\(name) ymm1, [rbx+\(isWide ? "x" : "y")mm2*1+8], ymm3", isGather: true),
                VectorForm("\(name) xmm1, [ebx+xmm2*2], xmm3", isGather: true),
            ]
        }
        for name in ["vgatherqps", "vpgatherqd", "vgatherqpd", "vpgatherqq"] {
            let isWide = name.hasSuffix("qq") || name.hasSuffix("pd")
            forms += [
                VectorForm("vpmovsxdq xmm2, xmm2; \(name) xmm1, [rbx+xmm2*4], xmm3", isGather: true),
                VectorForm(
                    "vpmovsxdq ymm2, xmm2; \(name) \(isWide ? "y" : "x")mm1, [rbx+ymm2*2-8], \(isWide ? "y" : "x")mm3",
                    isGather: true),
            ]
        }
        return forms
    }

    static var cryptography: [VectorForm] {
        var forms: [VectorForm] = []
        for name in ["aesenc", "aesenclast", "aesdec", "aesdeclast"] { forms += dyadic(name) }
        forms += monadic("aesimc", wide: false)
        for constant in [0, 1, 0x1B, 0xFF] { forms += monadic("aeskeygenassist", suffix: ", \(constant)", wide: false) }
        for control in [0, 1, 0x10, 0x11] { forms += dyadic("pclmulqdq", suffix: ", \(control)") }
        for name in ["sha1nexte", "sha1msg1", "sha1msg2", "sha256msg1", "sha256msg2", "sha256rnds2"] {
            forms += plain(["\(name) xmm1, xmm9", "\(name) xmm1, [rbx]", "\(name) xmm3, xmm3"])
        }
        for function in 0..<4 {
            forms += plain(["sha1rnds4 xmm1, xmm9, \(function)", "sha1rnds4 xmm1, [rbx], \(function)"])
        }
        forms += monadic("phminposuw", wide: false)
        return forms
    }
}

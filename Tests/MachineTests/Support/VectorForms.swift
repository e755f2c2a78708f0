import Foundation
import X86

/// One vector instruction to compare with the host.
struct VectorForm {
    /// What the registers and the data area hold.
    enum Content {
        case integers
        case singles
        case doubles
        case halves
        /// Short strings with zero elements.
        case text
    }

    var assembly: String
    var content = Content.integers
    /// XMM2, and YMM2 with it, is an index vector that stays in the data area; XMM3 a mask.
    var isGather = false

    init(_ assembly: String, _ content: Content = .integers, isGather: Bool = false) {
        self.assembly = assembly
        self.content = content
        self.isGather = isGather
    }
}

/// The lists of vector forms. RBX points to aligned data, RBP to misaligned data.
enum VectorForms {
    /// Legacy, VEX.128 and VEX.256 forms of an instruction with two sources, registers and memory.
    private static func dyadic(
        _ name: String, _ content: VectorForm.Content = .integers, suffix: String = "", wide: Bool = true,
        legacy: Bool = true
    ) -> [VectorForm] {
        var lines: [String] = []
        if legacy {
            lines += [
                "\(name) xmm1, xmm9\(suffix)", "\(name) xmm3, xmm3\(suffix)", "\(name) xmm2, [rbx+16]\(suffix)",
            ]
        }
        let vex = legacy ? "v" + name : name
        lines += [
            "\(vex) xmm1, xmm2, xmm9\(suffix)", "\(vex) xmm9, xmm9, xmm1\(suffix)", "\(vex) xmm4, xmm4, xmm4\(suffix)",
            "\(vex) xmm2, xmm1, [rbp]\(suffix)",
        ]
        if wide {
            lines += [
                "\(vex) ymm1, ymm2, ymm9\(suffix)", "\(vex) ymm9, ymm1, ymm9\(suffix)",
                "\(vex) ymm2, ymm1, [rbp]\(suffix)",
            ]
        }
        return lines.map { VectorForm($0, content) }
    }

    private static func monadic(
        _ name: String, _ content: VectorForm.Content = .integers, suffix: String = "", wide: Bool = true,
        legacy: Bool = true
    ) -> [VectorForm] {
        var lines: [String] = []
        if legacy { lines += ["\(name) xmm1, xmm9\(suffix)", "\(name) xmm2, [rbx]\(suffix)"] }
        let vex = legacy ? "v" + name : name
        lines += ["\(vex) xmm1, xmm9\(suffix)", "\(vex) xmm2, [rbp]\(suffix)"]
        if wide { lines += ["\(vex) ymm1, ymm9\(suffix)", "\(vex) ymm2, [rbp]\(suffix)"] }
        return lines.map { VectorForm($0, content) }
    }

    private static func plain(_ lines: [String], _ content: VectorForm.Content = .integers) -> [VectorForm] {
        lines.map { VectorForm($0, content) }
    }

    static var integers: [VectorForm] {
        let names = [
            "pxor", "xorps", "xorpd", "pand", "andps", "andpd", "por", "orps", "orpd", "pandn", "andnps", "andnpd",
            "paddb", "paddw", "paddd", "paddq", "psubb", "psubw", "psubd", "psubq", "paddusb", "paddusw", "paddsb",
            "paddsw", "psubusb", "psubusw", "psubsb", "psubsw", "pcmpeqb", "pcmpeqw", "pcmpeqd", "pcmpeqq",
            "pcmpgtb", "pcmpgtw", "pcmpgtd", "pcmpgtq", "pminub", "pminuw", "pminud", "pmaxub", "pmaxuw", "pmaxud",
            "pminsb", "pminsw", "pminsd", "pmaxsb", "pmaxsw", "pmaxsd", "pavgb", "pavgw", "pmullw", "pmulld",
            "pmulhw", "pmulhuw", "pmaddwd", "psadbw", "pmuludq", "pmuldq", "packsswb", "packssdw", "packuswb",
            "packusdw", "punpcklbw", "punpcklwd", "punpckldq", "punpcklqdq", "punpckhbw", "punpckhwd", "punpckhdq",
            "punpckhqdq", "unpcklps", "unpcklpd", "unpckhps", "unpckhpd", "pshufb", "psignb", "psignw", "psignd",
            "phaddw", "phaddd", "phaddsw", "phsubw", "phsubd", "phsubsw", "pmaddubsw", "pmulhrsw",
        ]
        var forms = names.flatMap { dyadic($0) }
        for name in ["pabsb", "pabsw", "pabsd"] { forms += monadic(name) }
        for name in ["psllw", "pslld", "psllq", "psrlw", "psrld", "psrlq", "psraw", "psrad"] {
            forms += plain([
                "\(name) xmm1, xmm9", "\(name) xmm1, [rbx]", "v\(name) xmm1, xmm2, xmm9", "v\(name) xmm1, xmm2, [rbp]",
                "v\(name) ymm1, ymm2, xmm9", "v\(name) ymm1, ymm2, [rbp]",
            ])
        }
        for name in ["psllw", "pslld", "psllq", "psrlw", "psrld", "psrlq", "psraw", "psrad", "pslldq", "psrldq"] {
            for count in [0, 1, 7, 15, 31, 64, 200] {
                forms += plain([
                    "\(name) xmm4, \(count)", "v\(name) xmm4, xmm5, \(count)", "v\(name) ymm4, ymm5, \(count)",
                ])
            }
        }
        for name in ["vpsllvd", "vpsllvq", "vpsrlvd", "vpsrlvq", "vpsravd"] {
            forms += dyadic(name, legacy: false)
            // Counts below 64.
            forms += plain([
                "vpsrlq ymm9, ymm9, 58; \(name) ymm1, ymm2, ymm9", "vpsrld xmm9, xmm9, 27; \(name) xmm1, xmm2, xmm9",
            ])
        }
        for name in ["ptest", "vptest", "vtestps", "vtestpd"] {
            forms += plain(["\(name) xmm1, xmm9", "\(name) xmm1, [rbx]", "\(name) xmm3, xmm3"])
            if name != "ptest" { forms += plain(["\(name) ymm1, ymm9", "\(name) ymm1, [rbp]", "\(name) ymm3, ymm3"]) }
        }
        return forms
    }

    static var shuffles: [VectorForm] {
        var forms: [VectorForm] = []
        for control in [0x00, 0x1B, 0x4E, 0xB1, 0xE4, 0x93, 0xFF, 0x6C] {
            for name in ["pshufd", "pshuflw", "pshufhw"] { forms += monadic(name, suffix: ", \(control)") }
            for name in ["shufps", "shufpd", "blendps", "blendpd", "pblendw", "palignr", "mpsadbw"] {
                forms += dyadic(name, suffix: ", \(control & (name == "palignr" ? 0x2F : 0xFF))")
            }
            forms += dyadic("vpblendd", suffix: ", \(control)", legacy: false)
            forms += monadic("vpermilps", suffix: ", \(control)", legacy: false)
            forms += monadic("vpermilpd", suffix: ", \(control)", legacy: false)
            forms += plain([
                "insertps xmm1, xmm2, \(control)", "insertps xmm1, [rbp], \(control)",
                "vinsertps xmm1, xmm2, xmm3, \(control)", "vinsertps xmm1, xmm2, [rbp], \(control)",
                "vperm2f128 ymm1, ymm2, ymm9, \(control)", "vperm2i128 ymm1, ymm2, [rbp], \(control)",
                "vperm2f128 ymm1, ymm1, ymm1, \(control | 8)", "vpermq ymm1, ymm9, \(control)",
                "vpermpd ymm9, [rbp], \(control)", "vpermq ymm1, ymm1, \(control)",
            ])
        }
        for name in ["vpermilps", "vpermilpd"] { forms += dyadic(name, legacy: false) }
        forms += plain([
            "vpermd ymm1, ymm2, ymm9", "vpermd ymm1, ymm2, [rbp]", "vpermps ymm1, ymm2, ymm9",
            "vpermd ymm1, ymm1, ymm1",
            "vpermps ymm9, ymm2, [rbp]",
        ])
        for name in ["blendvps", "blendvpd", "pblendvb"] {
            forms += plain([
                "\(name) xmm1, xmm2", "\(name) xmm1, [rbx]", "v\(name) xmm1, xmm2, xmm3, xmm4",
                "v\(name) ymm1, ymm2, ymm9, ymm1", "v\(name) ymm9, ymm2, [rbp], ymm4",
                "v\(name) xmm9, xmm2, [rbp], xmm9",
            ])
        }
        for (name, size) in [("pinsrb", 8), ("pinsrw", 16), ("pinsrd", 32), ("pinsrq", 64)] {
            let register = size == 64 ? "rdx" : "edx"
            let memory = ["byte", "word", "dword", "qword"][size.trailingZeroBitCount - 3] + " ptr [rbp]"
            for index in [0, 1, 3, 11] {
                forms += plain([
                    "\(name) xmm1, \(register), \(index)", "\(name) xmm1, \(memory), \(index)",
                    "v\(name) xmm1, xmm2, \(register), \(index)", "v\(name) xmm1, xmm2, \(memory), \(index)",
                    "\(name.replacing("ins", "ext")) \(register), xmm3, \(index)",
                    "\(name.replacing("ins", "ext")) \(memory), xmm3, \(index)",
                    "v\(name.replacing("ins", "ext")) \(register), xmm3, \(index)",
                    "v\(name.replacing("ins", "ext")) \(memory), xmm3, \(index)",
                ])
            }
        }
        for index in 0..<4 {
            forms += plain([
                "extractps eax, xmm3, \(index)", "extractps dword ptr [rbp], xmm3, \(index)",
                "vextractps eax, xmm3, \(index)",
            ])
        }
        for index in 0..<2 {
            for kind in ["f", "i"] {
                forms += plain([
                    "vinsert\(kind)128 ymm1, ymm2, xmm9, \(index)", "vinsert\(kind)128 ymm1, ymm2, [rbp], \(index)",
                    "vextract\(kind)128 xmm1, ymm9, \(index)", "vextract\(kind)128 [rbp], ymm9, \(index)",
                    "vextract\(kind)128 xmm9, ymm9, \(index)",
                ])
            }
        }
        return forms
    }

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

    /// Every immediate of the string comparisons.
    static var strings: [VectorForm] {
        (0..<128).flatMap { control in
            plain(
                ["pcmpistri", "pcmpistrm", "pcmpestri", "pcmpestrm"].flatMap { name in
                    ["\(name) xmm1, xmm2, \(control)"]
                        + (control % 16 == 12
                            ? [
                                "v\(name) xmm1, xmm2, \(control)", "\(name) xmm1, [rbp], \(control)",
                                "\(name)\(name.contains("e") && name.hasPrefix("pcmpe") ? "q" : "") xmm1, xmm2, \(control)",
                            ] : [])
                }, .text)
        }
    }

    static var floats: [VectorForm] {
        var forms: [VectorForm] = []
        for name in ["rcp", "rsqrt"] {
            forms += monadic(name + "ps", .singles)
            forms += dyadic(name + "ss", .singles, wide: false).filter { $0.assembly.hasPrefix("v") }
            forms += plain(["\(name)ss xmm1, xmm2", "\(name)ss xmm1, [rbp]"], .singles)
        }
        for (suffix, content) in [("ps", VectorForm.Content.singles), ("pd", .doubles)] {
            let scalar = suffix == "ps" ? "ss" : "sd"
            for name in ["add", "sub", "mul", "div", "min", "max"] {
                forms += dyadic(name + suffix, content)
                forms += dyadic(name + scalar, content, wide: false)
            }
            for name in ["hadd", "hsub", "addsub"] { forms += dyadic(name + suffix, content) }
            forms += monadic("sqrt" + suffix, content)
            forms += plain(
                [
                    "sqrt\(scalar) xmm1, xmm2", "sqrt\(scalar) xmm1, [rbp]", "vsqrt\(scalar) xmm1, xmm2, xmm3",
                    "vsqrt\(scalar) xmm1, xmm2, [rbp]", "u#", "c#",
                ].flatMap { line -> [String] in
                    guard line.hasSuffix("#") else { return [line] }
                    let name = (line == "u#" ? "ucomi" : "comi") + scalar
                    return ["\(name) xmm1, xmm2", "\(name) xmm1, [rbp]", "v\(name) xmm1, xmm2", "v\(name) xmm1, [rbp]"]
                }, content)
            for predicate in 0..<32 {
                if predicate < 8 {
                    forms += plain(
                        ["cmp\(suffix) xmm1, xmm2, \(predicate)", "cmp\(scalar) xmm1, xmm2, \(predicate)"], content)
                }
                forms += plain(
                    [
                        "vcmp\(suffix) xmm1, xmm2, xmm3, \(predicate)", "vcmp\(suffix) ymm1, ymm2, ymm3, \(predicate)",
                        "vcmp\(scalar) xmm1, xmm2, [rbp], \(predicate)",
                    ], content)
            }
            for mode in [0, 1, 2, 3, 4, 8, 9, 10, 11, 12] {
                forms += monadic("round" + suffix, content, suffix: ", \(mode)")
                forms += plain(
                    ["round\(scalar) xmm1, xmm2, \(mode)", "vround\(scalar) xmm1, xmm2, [rbp], \(mode)"], content)
            }
            for mask in [0xFF, 0x31, 0x52, 0xA4, 0xF8, 0x73] {
                forms += dyadic("dp" + suffix, content, suffix: ", \(mask)", wide: suffix == "ps")
            }
            for stem in ["fmadd", "fmsub", "fnmadd", "fnmsub", "fmaddsub", "fmsubadd"] {
                for order in [132, 213, 231] {
                    forms += plain(
                        [
                            "v\(stem)\(order)\(suffix) xmm1, xmm2, xmm3", "v\(stem)\(order)\(suffix) ymm1, ymm2, ymm3",
                            "v\(stem)\(order)\(suffix) ymm1, ymm2, [rbp]",
                        ], content)
                    if stem.contains("addsub") || stem.contains("subadd") { continue }
                    forms += plain(
                        [
                            "v\(stem)\(order)\(scalar) xmm1, xmm2, xmm3", "v\(stem)\(order)\(scalar) xmm1, xmm2, [rbp]",
                        ], content)
                }
            }
        }
        return forms
    }

    static var conversions: [VectorForm] {
        var forms: [VectorForm] = []
        for (name, content) in [
            ("cvtps2dq", VectorForm.Content.singles), ("cvttps2dq", .singles), ("cvtdq2ps", .integers),
        ] { forms += monadic(name, content) }
        for (name, content) in [("cvtps2pd", VectorForm.Content.singles), ("cvtdq2pd", .integers)] {
            forms += plain(
                [
                    "\(name) xmm1, xmm2", "\(name) xmm1, [rbp]", "v\(name) xmm1, xmm2", "v\(name) xmm1, [rbp]",
                    "v\(name) ymm1, xmm2", "v\(name) ymm1, [rbp]",
                ], content)
        }
        for name in ["cvtpd2ps", "cvtpd2dq", "cvttpd2dq"] {
            forms += plain(
                [
                    "\(name) xmm1, xmm2", "\(name) xmm1, [rbx]", "v\(name) xmm1, xmm2", "v\(name) xmm1, ymm2",
                    "v\(name) xmm1, xmmword ptr [rbp]", "v\(name) xmm1, ymmword ptr [rbp]",
                ], .doubles)
        }
        for register in ["edx", "rdx"] {
            let memory = register == "edx" ? "dword ptr [rbp]" : "qword ptr [rbp]"
            for name in ["cvtsi2ss", "cvtsi2sd"] {
                forms += plain([
                    "\(name) xmm1, \(register)", "\(name) xmm1, \(memory)", "v\(name) xmm1, xmm2, \(register)",
                    "v\(name) xmm1, xmm2, \(memory)",
                ])
            }
            for (name, content) in [
                ("cvtss2si", VectorForm.Content.singles), ("cvttss2si", .singles), ("cvtsd2si", .doubles),
                ("cvttsd2si", .doubles),
            ] {
                forms += plain(
                    [
                        "\(name) \(register), xmm2", "\(name) \(register), [rbp]", "v\(name) \(register), xmm2",
                        "v\(name) \(register), [rbp]",
                    ], content)
            }
        }
        forms += plain(
            [
                "cvtss2sd xmm1, xmm2", "cvtss2sd xmm1, [rbp]", "vcvtss2sd xmm1, xmm2, xmm3",
                "vcvtss2sd xmm1, xmm2, [rbp]",
            ],
            .singles)
        forms += plain(
            [
                "cvtsd2ss xmm1, xmm2", "cvtsd2ss xmm1, [rbp]", "vcvtsd2ss xmm1, xmm2, xmm3",
                "vcvtsd2ss xmm1, xmm2, [rbp]",
            ],
            .doubles)
        forms += plain(
            ["vcvtph2ps xmm1, xmm2", "vcvtph2ps ymm1, xmm2", "vcvtph2ps xmm1, [rbp]", "vcvtph2ps ymm1, [rbp]"], .halves)
        for mode in [0, 1, 2, 3, 4, 7] {
            forms += plain(
                [
                    "vcvtps2ph xmm1, xmm2, \(mode)", "vcvtps2ph xmm1, ymm2, \(mode)", "vcvtps2ph [rbp], xmm2, \(mode)",
                    "vcvtps2ph [rbp], ymm2, \(mode)",
                ], .singles)
        }
        forms += plain(["stmxcsr [rbp]", "vstmxcsr [rbp]"])
        return forms
    }
}

extension String {
    fileprivate func replacing(_ part: String, _ other: String) -> String {
        guard let range = range(of: part) else { return self }
        return replacingCharacters(in: range, with: other)
    }
}

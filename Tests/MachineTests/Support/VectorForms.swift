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
    static func dyadic(
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

    static func monadic(
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

    static func plain(_ lines: [String], _ content: VectorForm.Content = .integers) -> [VectorForm] {
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
}

extension String {
    fileprivate func replacing(_ part: String, _ other: String) -> String {
        guard let range = range(of: part) else { return self }
        return replacingCharacters(in: range, with: other)
    }
}

// String comparisons, floating point, conversions
extension VectorForms {
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

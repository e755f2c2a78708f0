import Machine
import Testing
import X86

/// Encodings against those of GNU as, and against the decoder of the `X86` module.
@Suite struct CodeAssemblerTests {
    private typealias Case = (text: String, bytes: [UInt8])

    /// The bytes that `body` assembles.
    static func bytes(capacity: Int = 64, _ body: (inout CodeAssembler) -> Void) -> [UInt8] {
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 64)
        defer { memory.deallocate() }
        var code = CodeAssembler(memory, capacity: capacity)
        body(&code)
        return Array(UnsafeBufferPointer(start: memory, count: min(code.position, capacity)))
    }

    private static let names: [UInt8: [String]] = [
        64: [
            "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
            "r15",
        ],
        32: [
            "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d", "r9d", "r10d", "r11d", "r12d", "r13d",
            "r14d", "r15d",
        ],
        16: [
            "ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w",
            "r15w",
        ],
        8: [
            "al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b",
            "r15b",
        ],
    ]
    private static let widths: [(UInt8, String)] = [(8, "byte"), (16, "word"), (32, "dword"), (64, "qword")]

    private static func name(_ number: UInt8, _ width: UInt8) -> String { names[width]?[Int(number)] ?? "?" }

    private static func check(_ cases: [Case]) throws {
        let expected = try Assembler.assemble(cases.map(\.text))
        for (item, bytes) in zip(cases, expected) where item.bytes != bytes {
            Issue.record("\(item.text): \(item.bytes), as: \(bytes)")
        }
        // Independently: one instruction with the wanted mnemonic and all bytes.
        let context = LiftContext()
        for item in cases {
            let padded = item.bytes + Array(repeating: 0x90, count: 16)
            #expect(Lifter(context: context).length(padded, rip: 0x1000) == item.bytes.count, "\(item.text)")
        }
    }

    @Test func registersAndWidths() throws {
        var cases: [Case] = []
        let operations: [(HostALUOperation, String)] = [
            (.add, "add"), (.or, "or"), (.addCarry, "adc"), (.subtractBorrow, "sbb"), (.and, "and"),
            (.subtract, "sub"), (.xor, "xor"), (.compare, "cmp"),
        ]
        for (width, _) in Self.widths {
            for a in UInt8(0)..<16 {
                let b = (a &* 7 &+ 3) & 15
                let (x, y) = (HostRegister(a), HostRegister(b))
                let pair = "\(Self.name(a, width)), \(Self.name(b, width))"
                cases.append(("mov \(pair)", Self.bytes { $0.move(x, y, width) }))
                cases.append(("test \(pair)", Self.bytes { $0.test(x, y, width) }))
                let (operation, text) = operations[Int(a & 7)]
                cases.append(("\(text) \(pair)", Self.bytes { $0.arithmetic(operation, x, y, width) }))
                if width != 8 {
                    cases.append(
                        (
                            "\(text) \(Self.name(a, width)), 0x11",
                            Self.bytes { $0.arithmetic(operation, x, constant: 0x11, width) }
                        ))
                }
                if a > 0 {
                    let constant: UInt64 = width == 8 ? 0x71 : width == 16 ? 0x7234 : 0x7234_5678
                    cases.append(
                        (
                            "\(text) \(Self.name(a, width)), \(constant)",
                            Self.bytes { $0.arithmetic(operation, x, constant: constant, width) }
                        ))
                }
                cases.append(("shl \(Self.name(a, width)), 3", Self.bytes { $0.shift(.left, x, by: 3, width) }))
                cases.append(
                    ("sar \(Self.name(a, width)), cl", Self.bytes { $0.shiftByCL(.rightArithmetic, x, width) }))
                cases.append(("ror \(Self.name(a, width)), 5", Self.bytes { $0.shift(.rotateRight, x, by: 5, width) }))
                cases.append(("neg \(Self.name(a, width))", Self.bytes { $0.unary(.negate, x, width) }))
                cases.append(("div \(Self.name(a, width))", Self.bytes { $0.unary(.divide, x, width) }))
                if width >= 32 {
                    cases.append(("imul \(pair)", Self.bytes { $0.multiply(x, y, width) }))
                    cases.append(("cmovle \(pair)", Self.bytes { $0.moveIf(.lessOrEqual, x, y, width) }))
                    cases.append(("lzcnt \(pair)", Self.bytes { $0.count(.leadingZeros, x, y, width) }))
                    cases.append(("tzcnt \(pair)", Self.bytes { $0.count(.trailingZeros, x, y, width) }))
                    cases.append(("popcnt \(pair)", Self.bytes { $0.count(.population, x, y, width) }))
                    cases.append(("bswap \(Self.name(a, width))", Self.bytes { $0.swapBytes(x, width) }))
                }
                if width < 32 {
                    cases.append(
                        ("movzx \(Self.name(a, 32)), \(Self.name(b, width))", Self.bytes { $0.zeroExtend(x, y, width) })
                    )
                    cases.append(
                        (
                            "movsx \(Self.name(a, 64)), \(Self.name(b, width))",
                            Self.bytes { $0.signExtend(x, y, width, to: 64) }
                        ))
                }
                let checksum = width == 64 ? Self.name(a, 64) : Self.name(a, 32)
                cases.append(("crc32 \(checksum), \(Self.name(b, width))", Self.bytes { $0.checksum(x, y, width) }))
            }
        }
        try Self.check(cases)
    }

    @Test func memoryOperands() throws {
        var cases: [Case] = []
        for base in UInt8(0)..<16 {
            for (index, displacement) in [
                (UInt8?.none, Int32(0)), (1, 0), (9, 0x70), (nil, -128), (13, 0x1234), (nil, -0x12345),
            ] {
                let width = Self.widths[Int(base & 3)]
                let register = (base &* 5 &+ 1) & 15
                let scale = base & 3
                var text = "\(width.1) ptr [\(Self.name(base, 64))"
                if let index { text += "+\(Self.name(index, 64))*\(1 << scale)" }
                text += displacement < 0 ? "-\(-displacement)]" : displacement == 0 ? "]" : "+\(displacement)]"
                let memory = HostAddress(
                    HostRegister(base), displacement, index: index.map { HostRegister($0) },
                    scale: index == nil ? 0 : scale)
                let host = HostRegister(register)
                let name = Self.name(register, width.0)
                cases.append(("mov \(text), \(name)", Self.bytes { $0.store(memory, host, width.0) }))
                cases.append(("mov \(text), 0x12", Self.bytes { $0.store(memory, constant: 0x12, width.0) }))
                cases.append(("cmp \(name), \(text)", Self.bytes { $0.arithmetic(.compare, host, memory, width.0) }))
                if width.0 < 32 {
                    cases.append(
                        ("movzx \(Self.name(register, 32)), \(text)", Self.bytes { $0.load(host, memory, width.0) }))
                } else {
                    cases.append(("mov \(name), \(text)", Self.bytes { $0.load(host, memory, width.0) }))
                    cases.append(
                        (
                            "lea \(name), \(text.dropFirst(width.1.count + 5))",
                            Self.bytes { $0.loadAddress(host, memory, width.0) }
                        ))
                }
                if width.0 == 8 { cases.append(("setb \(text)", Self.bytes { $0.set(.below, memory) })) }
                if width.0 == 32 {
                    cases.append(
                        ("cmp \(text), 0x12345678", Self.bytes { $0.compare(memory, patchable: 0x1234_5678) }))
                }
            }
        }
        try Self.check(cases)
    }

    @Test func others() throws {
        try Self.check([
            ("mov r9d, 0x12345678", Self.bytes { $0.move(.r9, constant: 0x1234_5678) }),
            ("mov rbx, -2", Self.bytes { $0.move(.rbx, constant: ~1) }),
            ("movabs r10, 0x123456789abcdef0", Self.bytes { $0.move(.r10, constant: 0x1234_5678_9ABC_DEF0) }),
            ("movsxd r8, ecx", Self.bytes { $0.signExtend(.r8, .rcx, 32, to: 64) }),
            ("movsx esi, dil", Self.bytes { $0.signExtend(.rsi, .rdi, 8, to: 32) }),
            ("imul rdi, r9, 0x12345", Self.bytes { $0.multiply(.rdi, .r9, constant: 0x12345) }),
            ("setg sil", Self.bytes { $0.set(.greater, .rsi) }),
            ("setnp r11b", Self.bytes { $0.set(.noParity, .r11) }),
            ("test dil, 1", Self.bytes { $0.test(.rdi, constant: 1, 8) }),
            ("test ebx, 0x12345", Self.bytes { $0.test(.rbx, constant: 0x12345, 32) }),
            ("lahf", Self.bytes { $0.loadFlags() }), ("cqo", Self.bytes { $0.spreadSign(64) }),
            ("cdq", Self.bytes { $0.spreadSign(32) }), ("btc rax, 62", Self.bytes { $0.complementBit(.rax, 62) }),
            ("btc r9, 61", Self.bytes { $0.complementBit(.r9, 61) }),
            ("pext rax, rax, rcx", Self.bytes { $0.scatter(.rax, .rax, mask: .rcx, isDeposit: false) }),
            ("pdep r9, r10, r11", Self.bytes { $0.scatter(.r9, .r10, mask: .r11, isDeposit: true) }),
            ("pext rsi, r8, rdi", Self.bytes { $0.scatter(.rsi, .r8, mask: .rdi, isDeposit: false) }),
            ("movq xmm1, r10", Self.bytes { $0.moveToVector(1, .r10) }),
            ("movq rbx, xmm0", Self.bytes { $0.moveFromVector(.rbx, 0) }),
            ("paddb xmm0, xmm1", Self.bytes { $0.packed(0x0FFC, 0, 1) }),
            ("pmulld xmm2, xmm9", Self.bytes { $0.packed(0x0F3840, 2, 9) }),
            ("movd esi, xmm9", Self.bytes { $0.moveSingleFromVector(.rsi, 9) }),
            ("addsd xmm3, xmm12", Self.bytes { $0.vector(0x0F58, prefix: 0xF2, 3, 12) }),
            ("mulps xmm9, xmm1", Self.bytes { $0.vector(0x0F59, prefix: 0, 9, 1) }),
            (
                "sqrtss xmm2, dword ptr [r15+64]",
                Self.bytes { $0.vector(0x0F51, prefix: 0xF3, 2, HostAddress(.r15, 64)) }
            ),
            ("cvtsi2sd xmm0, r9", Self.bytes { $0.convertInteger(prefix: 0xF2, 0, .r9, 64) }),
            ("cvtsi2ss xmm11, esi", Self.bytes { $0.convertInteger(prefix: 0xF3, 11, .rsi, 32) }),
            ("cvttsd2si r10, xmm3", Self.bytes { $0.convertToInteger(0x0F2C, prefix: 0xF2, .r10, 3, 64) }),
            ("cvtss2si edi, xmm8", Self.bytes { $0.convertToInteger(0x0F2D, prefix: 0xF3, .rdi, 8, 32) }),
            ("movaps xmm10, xmm2", Self.bytes { $0.copyVector(10, 2) }),
            ("movq xmm9, qword ptr [r15+200]", Self.bytes { $0.loadWord(9, HostAddress(.r15, 200)) }),
            ("movq qword ptr [r15-8], xmm12", Self.bytes { $0.storeWord(HostAddress(.r15, -8), 12) }),
            ("movups xmm13, [rsp+300]", Self.bytes { $0.loadVector(13, HostAddress(.rsp, 300)) }),
            ("movups [rsp+24], xmm4", Self.bytes { $0.storeVector(HostAddress(.rsp, 24), 4) }),
            ("ldmxcsr [r14+16]", Self.bytes { $0.loadFloatControl(HostAddress(.r14, 16)) }),
            ("stmxcsr [rsp+140]", Self.bytes { $0.storeFloatControl(HostAddress(.rsp, 140)) }),
            ("psrlw xmm3, 4", Self.bytes { $0.packedShift(0x0F71, 3, 2, by: 4) }),
            ("push r12", Self.bytes { $0.push(.r12) }), ("pop rbp", Self.bytes { $0.pop(.rbp) }),
            ("jmp r8", Self.bytes { $0.jump(.r8) }), ("call rax", Self.bytes { $0.call(.rax) }),
            ("ret", Self.bytes { $0.returnToCaller() }),
        ])
    }

    /// Distances count from the end of the instruction.
    @Test func jumps() {
        let forward = Self.bytes { code in
            let place = code.jump(.notEqual)
            code.byte(0x90)
            code.bindHere(place)
        }
        #expect(forward == [0x0F, 0x85, 1, 0, 0, 0, 0x90])
        #expect(Self.bytes { $0.jump(to: 0) } == [0xE9, 0xFB, 0xFF, 0xFF, 0xFF])
        #expect(Self.bytes { $0.call(to: 0) } == [0xE8, 0xFB, 0xFF, 0xFF, 0xFF])
        #expect(Self.bytes { $0.loadAddress(.rdx, codeOffset: 0) } == [0x48, 0x8D, 0x15, 0xF9, 0xFF, 0xFF, 0xFF])
    }

    @Test func nothingIsWrittenBehindTheEnd() {
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 16)
        defer { memory.deallocate() }
        memory.initialize(repeating: 0xEE, count: 16)
        var code = CodeAssembler(memory, capacity: 5)
        code.move(.r10, constant: 0x1234_5678_9ABC_DEF0)
        code.jump(to: 0)
        #expect(code.isFull)
        #expect((5..<16).allSatisfy { memory[$0] == 0xEE })
    }
}

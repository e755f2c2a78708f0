import Testing
import X86

/// Which opcodes are lifted: every encoding either is, or raises #UD; what ends a block as unsupported is listed here.
@Suite struct CoverageTests {
    private static let contexts: [(name: String, context: LiftContext)] = {
        var narrow = LiftContext()
        narrow.mode = .code16
        narrow.isReal = true
        narrow.hasWideStack = false
        narrow.isFlat = false
        var wide = LiftContext()
        wide.mode = .code32
        wide.isFlat = false
        var compatible = LiftContext()
        compatible.mode = .code32
        compatible.isCompatibility = true
        return [("64-bit", LiftContext()), ("real", narrow), ("protected", wide), ("compatibility", compatible)]
    }()

    /// Opcodes among `opcodes` behind `prefix` of which some encoding is not lifted.
    private func unsupported(_ prefix: [UInt8], _ opcodes: some Sequence<UInt8>, _ context: LiftContext) -> Set<UInt8> {
        let lifter = Lifter(context: context)
        var result: Set<UInt8> = []
        for opcode in opcodes {
            // A memory and a register operand for each value of the reg field.
            for modRM in (UInt8(0)..<8).flatMap({ [$0 << 3, 0xC1 | $0 << 3] }) {
                let bytes = prefix + [opcode, modRM] + Array(repeating: UInt8(0x11), count: 12)
                let block = bytes.withUnsafeBytes { lifter.lift($0, rip: 0x1000, maximumInstructions: 1) }
                if let block, !block.unsupportedBytes.isEmpty { result.insert(opcode) }
            }
        }
        return result
    }

    @Test func everyOneByteOpcode() {
        // C4, C5 and 62 begin VEX and EVEX instructions; 0F is the next map.
        let opcodes = (UInt8(0)...255).filter { ![0x0F, 0xC4, 0xC5, 0x62].contains($0) }
        for (name, context) in Self.contexts {
            for prefix: [UInt8] in [[], [0x66], [0xF3], [0xF0]] {
                #expect(unsupported(prefix, opcodes, context).isEmpty, "\(name), \(prefix)")
            }
            if context.mode == .long { #expect(unsupported([0x48], opcodes, context).isEmpty) }
        }
    }

    @Test func integerRowsOfTheTwoByteMap() {
        // 01: VMX, SVM, SGX, SEV and others; C7: VMX. 0E and 0F (3DNow) are left out.
        var opcodes: [UInt8] = Array(0x00...0x0D) + Array(0x18...0x23) + Array(0x30...0x36) + Array(0x40...0x4F)
        opcodes += Array(0x80...0xAD) + Array(0xAF...0xC1) + [0xC3] + Array(0xC7...0xCF) + [0xFF]
        let known: Set<UInt8> = [0x01, 0xC7]
        for (name, context) in Self.contexts {
            for prefix: [UInt8] in [[0x0F], [0x66, 0x0F], [0xF3, 0x0F], [0xF2, 0x0F], [0xF0, 0x0F]] {
                let found = unsupported(prefix, opcodes, context).subtracting(known)
                #expect(found.isEmpty, "\(name), \(prefix): \(found.map { String($0, radix: 16) })")
            }
        }
    }

    @Test func escapesTo38() {
        // MOVBE, CRC32, ADCX, ADOX, MOVDIRI, MOVDIR64B.
        for prefix: [UInt8] in [[], [0x66], [0xF2], [0xF3]] {
            let opcodes: [UInt8] =
                prefix == [0xF2] || prefix == [0xF3] ? [0xF0, 0xF1, 0xF6] : [0xF0, 0xF1, 0xF6, 0xF9]
            #expect(unsupported(prefix + [0x0F, 0x38], opcodes, LiftContext()).isEmpty)
        }
    }

    @Test func contextsHaveDifferentKeys() {
        let keys = Self.contexts.map { $0.context.bits }
        #expect(Set(keys).count == keys.count)
        var stack = LiftContext()
        stack.mode = .code32
        stack.hasWideStack = false
        #expect(!keys.contains(stack.bits))
    }

    /// The same bytes in the three code sizes (Intel SDM volume 2, appendix A).
    @Test func sizesFollowTheMode() throws {
        func lengths(_ bytes: [UInt8]) throws -> [Int] {
            try Self.contexts.prefix(3).map { pair in
                let block = bytes.withUnsafeBytes {
                    Lifter(context: pair.context).lift($0, rip: 0x1000, maximumInstructions: 1)
                }
                return try #require(block?.instructions.first).length
            }
        }
        // mov eax/ax, imm; 40: REX prefix, or INC; 67 8B 00.
        #expect(try lengths([0xB8, 1, 2, 3, 4, 0x90]) == [5, 3, 5])
        #expect(try lengths([0x66, 0xB8, 1, 2, 3, 4, 0x90]) == [4, 6, 4])
        #expect(try lengths([0x40, 0x90]) == [2, 1, 1])
        #expect(try lengths([0x8B, 0x06, 0x34, 0x12, 0x90]) == [2, 4, 2])
    }
}

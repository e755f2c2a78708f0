import X86

/// Everything that the lifter is offered: the opcode maps with their prefixes, in four modes, and what it makes of them.
struct InstructionSurvey {
    /// Modes by the letters of the document.
    static let modes: [(name: String, context: LiftContext)] = {
        var protected = LiftContext()
        protected.mode = .code32
        protected.isFlat = false
        var compatible = LiftContext()
        compatible.mode = .code32
        compatible.isCompatibility = true
        var real = LiftContext()
        real.mode = .code16
        real.isReal = true
        real.hasWideStack = false
        real.isFlat = false
        return [("64", LiftContext()), ("C", compatible), ("32", protected), ("16", real)]
    }()

    /// One instruction as the survey has found it.
    struct Entry {
        var family = ""
        /// Operand kinds, by encoding.
        var operands: [InstructionShape.Encoding: Set<[String]>] = [:]
        var modes: Set<String> = []
    }

    /// What is lifted, by mnemonic.
    private(set) var lifted: [String: Entry] = [:]
    /// What ends a block as unsupported in every form.
    private(set) var left: [String: Entry] = [:]

    init() {
        for (name, context) in Self.modes {
            let lifter = Lifter(context: context)
            Self.forEachEncoding(isLong: context.mode == .long) { code in
                code.withUnsafeBytes { bytes in
                    guard let shape = lifter.shape(bytes) else { return }
                    guard let block = lifter.lift(bytes, rip: 0x1000, maximumInstructions: 1) else { return }
                    let isLifted = block.unsupportedBytes.isEmpty
                    // What the decoder knows and the lifter takes for undefined.
                    if isLifted, block.instructions.first?.length != shape.length { return }
                    if isLifted {
                        Self.add(shape, name, to: &lifted)
                    } else {
                        Self.add(shape, name, to: &left)
                    }
                }
            }
        }
        for name in lifted.keys { left[name] = nil }
    }

    private static func add(_ shape: InstructionShape, _ mode: String, to entries: inout [String: Entry]) {
        entries[shape.mnemonic, default: Entry()].family = shape.family
        entries[shape.mnemonic, default: Entry()].operands[shape.encoding, default: []].insert(shape.operands)
        entries[shape.mnemonic, default: Entry()].modes.insert(mode)
    }

    /// Opcodes of the one-byte map that are prefixes, escapes, or begin VEX and EVEX.
    private static let prefixes: Set<UInt8> = [
        0x0F, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x62, 0xC4, 0xC5,
    ]
    /// Opcodes whose register forms are instructions of their own: x87, and groups of the 0F map.
    private static let grouped: Set<UInt8> = [0x01, 0xAE, 0xC7, 0x1E, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF]
    private static let rest = [UInt8](repeating: 0x11, count: 14)

    private static func forEachEncoding(isLong: Bool, _ body: ([UInt8]) -> Void) {
        let sizes: [[UInt8]] = [[], [0x66], [0xF3], [0xF2], [0x66, 0xF2], [0x67]]
        let maps: [[UInt8]] = [[], [0x0F], [0x0F, 0x38], [0x0F, 0x3A]]
        for map in maps {
            for opcode in UInt8(0)...255 where !map.isEmpty || !prefixes.contains(opcode) {
                if map.isEmpty, isLong, (0x40...0x4F).contains(opcode) { continue }
                if map == [0x0F], opcode == 0x38 || opcode == 0x3A { continue }
                var forms = (UInt8(0)..<8).flatMap { [$0 << 3, 0xC1 | $0 << 3] }
                if grouped.contains(opcode), map.isEmpty || map == [0x0F] { forms += Array(0xC0...0xFF) }
                for size in sizes {
                    for wide in isLong ? [[], [0x48]] : [[]] as [[UInt8]] {
                        for modRM in forms { body(size + wide + map + [opcode, modRM] + rest) }
                    }
                }
            }
        }
        if !isLong {
            // LES, LDS and BOUND: the bytes that begin VEX and EVEX, with a memory operand.
            for opcode in [0xC4, 0xC5, 0x62] as [UInt8] {
                for size in sizes { body(size + [opcode, 0x06] + rest) }
            }
        }
        // 3DNow: the opcode stands behind the operands.
        for opcode in UInt8(0)...255 {
            for modRM in [0x00, 0xC1] as [UInt8] { body([0x0F, 0x0F, modRM, opcode] + rest) }
        }
        forEachVectorEncoding(body)
    }

    /// VEX with three bytes, maps 1 to 3; EVEX, maps 1, 2, 3, 5 and 6. Operands in registers, in memory, and at vectors of addresses.
    private static func forEachVectorEncoding(_ body: ([UInt8]) -> Void) {
        for opcode in UInt8(0)...255 {
            for third in UInt8(0)..<16 {
                // W, then the vector length and the mandatory prefix; no second source.
                let low = (third & 8) << 4 | 0x78 | third & 7
                for reg in UInt8(0)..<8 {
                    for operand: [UInt8] in [[reg << 3], [0xC1 | reg << 3], [reg << 3 | 4, 0x08]] {
                        for map in UInt8(1)...3 { body([0xC4, 0xE0 | map, low, opcode] + operand + rest) }
                    }
                }
                for operand: [UInt8] in [[0x10], [0xD1], [0x14, 0x08]] {
                    for map in [1, 2, 3, 5, 6] as [UInt8] {
                        for length in UInt8(0)..<3 {
                            let second = (third & 8) << 4 | 0x7C | third & 3
                            // With a mask register, which gathers demand.
                            body([0x62, 0xF0 | map, second, length << 5 | 9, opcode] + operand + rest)
                        }
                    }
                }
            }
        }
    }

    // MARK: Text

    /// Operand lists with alternatives joined: lists that differ in one place become one.
    static func text(_ operands: Set<[String]>) -> String {
        var groups = operands.sorted { $0.lexicographicallyPrecedes($1, by: order) }.map { $0.map { [$0] } }
        var index = 0
        while index < groups.count {
            let merged = ((index + 1)..<groups.count).first { merge(groups[index], groups[$0]) != nil }
            if let merged, let union = merge(groups[index], groups[merged]) {
                groups[index] = union
                groups.remove(at: merged)
            } else {
                index += 1
            }
        }
        let texts = groups.map { group in
            group.map { $0.joined(separator: "/") }.joined(separator: " ")
        }
        return texts.map { $0.isEmpty ? "-" : $0 }.joined(separator: "; ")
    }

    private static func merge(_ a: [[String]], _ b: [[String]]) -> [[String]]? {
        guard a.count == b.count else { return nil }
        let differing = a.indices.filter { a[$0] != b[$0] }
        guard differing.count == 1, let place = differing.first else { return nil }
        var union = a
        union[place] = Array(Set(a[place] + b[place])).sorted(by: order)
        return union
    }

    /// By the letters, then by size.
    private static func order(_ a: String, _ b: String) -> Bool {
        let rank = ["r", "xmm", "ymm", "mm", "st", "m"]
        func key(_ text: String) -> (Int, Int, String) {
            let letters = String(text.prefix { !$0.isNumber })
            return (rank.firstIndex(of: letters) ?? rank.count, Int(text.filter(\.isNumber)) ?? 0, text)
        }
        return key(a) < key(b)
    }
}

import Foundation
import X86

/// What the lifted instructions are compared with: the tables of the differential tests, and the programs of all other tests.
struct InstructionEvidence {
    /// An instruction form in a mode of the survey.
    struct Form: Hashable {
        var mnemonic: String
        var encoding: InstructionShape.Encoding
        var operands: [String]
    }

    /// Forms that the host's processor executes, too.
    private(set) var compared: Set<Form> = []
    /// Flags that comparisons leave out, because the manual does not define them.
    private(set) var undefinedFlags: [String: UInt64] = [:]
    /// Names of the test files that contain an instruction.
    private(set) var tests: [String: Set<String>] = [:]

    init(tests folders: [URL]) throws {
        try add(Self.integerTables, bits: 64, context: LiftContext())
        var compatible = LiftContext()
        compatible.mode = .code32
        compatible.isCompatibility = true
        try add(InstructionForms.compatibility, bits: 32, context: compatible)
        try add(Self.vectorTables.map { InstructionForm($0.assembly) }, bits: 64, context: LiftContext())
        for folder in folders { try scan(folder) }
    }

    private static var integerTables: [InstructionForm] {
        InstructionForms.arithmetic + InstructionForms.movement + InstructionForms.shifts
            + InstructionForms.multiplication + InstructionForms.bits + InstructionForms.strings
            + InstructionForms.vectors + InstructionForms.floats + InstructionForms.x87Arithmetic
            + InstructionForms.x87Movement + InstructionForms.x87Transcendental + InstructionForms.media
            + InstructionForms.remaining
    }

    private static var vectorTables: [VectorForm] {
        VectorForms.integers + VectorForms.shuffles + VectorForms.moves + VectorForms.memory + VectorForms.cryptography
            + VectorForms.strings + VectorForms.floats + VectorForms.conversions
    }

    /// Every instruction of a form's code counts as compared; the flags are those of the last one.
    private mutating func add(_ forms: [InstructionForm], bits: Int, context: LiftContext) throws {
        let lifter = Lifter(context: context)
        for (form, code) in zip(forms, try Assembler.assemble(forms.map(\.assembly), bits: bits)) {
            var rest = code[...]
            var last: InstructionShape?
            while let shape = rest.withUnsafeBytes({ lifter.shape($0) }) {
                compared.insert(Form(mnemonic: shape.mnemonic, encoding: shape.encoding, operands: shape.operands))
                rest = rest.dropFirst(shape.length)
                last = shape
            }
            if let last, form.undefined != 0 { undefinedFlags[last.mnemonic, default: 0] |= form.undefined }
        }
    }

    // MARK: Programs of tests

    /// Mnemonics of GNU's assembler that have another name here.
    private static let names: [String: String] = [
        "sysretq": "SYSRET", "sysexitq": "SYSEXIT", "lretq": "RET", "retf": "RET", "lcall": "CALL", "ljmpl": "JMP",
        "ljmp": "JMP", "sldtw": "SLDT", "lgdtl": "LGDT", "iret": "IRET", "pushfw": "PUSHF", "popfw": "POPF",
        "pushaw": "PUSHA", "popaw": "POPA", "pushal": "PUSHAD", "popal": "POPAD", "wait": "FWAIT", "xlat": "XLAT",
        "movabs": "MOV", "fxsave64": "FXSAVE64", "je": "JZ", "jne": "JNZ", "jc": "JB", "jnc": "JNB", "ja": "JNBE",
        "jae": "JNB", "jg": "JNLE", "jge": "JNL",
    ]

    /// Notes which instructions the string literals of Swift files contain, at the beginning of a statement.
    private mutating func scan(_ folder: URL) throws {
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        for file in files.sorted(by: { $0.path < $1.path }) {
            let name = file.deletingPathExtension().lastPathComponent
            if file.pathExtension.isEmpty, name != "Support" {
                try scan(file)
            } else if file.pathExtension == "swift", name.hasSuffix("Tests"), name != "InstructionFormsTests" {
                for word in Self.instructions(in: try String(contentsOf: file, encoding: .utf8)) {
                    tests[Self.names[word] ?? word.uppercased(), default: []].insert(name)
                }
            }
        }
    }

    private static let prefixes: Set<String> = ["lock", "rep", "repe", "repne", "data16", "addr32"]

    private static func instructions(in text: String) -> Set<String> {
        var result: Set<String> = []
        // Only text in quotation marks, and lines of longer literals, can be programs; other lines hardly ever begin with a mnemonic.
        // A statement begins behind a quotation mark, a semicolon, a label's colon, or at a line's beginning.
        for statement in text.split(whereSeparator: { "\";:\n".contains($0) }) {
            for word in statement.split(separator: " ", maxSplits: 3) {
                guard word.allSatisfy({ $0.isLetter || $0.isNumber }) else { break }
                let word = word.lowercased()
                if prefixes.contains(word) { continue }
                result.insert(word)
                break
            }
        }
        return result
    }
}

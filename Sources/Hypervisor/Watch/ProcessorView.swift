/// What QEMU's human monitor shows of a CPU (`info registers`, QEMU: target/i386/cpu-dump.c).
package struct ProcessorView: Sendable, Hashable, Codable {
    package var instructionPointer: UInt64
    package var flags: UInt64
    /// 0 in the kernel, 3 in programs.
    package var privilege: Int
    package var isHalted: Bool
    package var cr0: UInt64
    package var cr3: UInt64
    package var cr4: UInt64
    package var efer: UInt64

    package init(
        instructionPointer: UInt64 = 0, flags: UInt64 = 0x202, privilege: Int = 0, isHalted: Bool = false,
        cr0: UInt64 = 0, cr3: UInt64 = 0, cr4: UInt64 = 0, efer: UInt64 = 0
    ) {
        self.instructionPointer = instructionPointer
        self.flags = flags
        self.privilege = privilege
        self.isHalted = isHalted
        self.cr0 = cr0
        self.cr3 = cr3
        self.cr4 = cr4
        self.efer = efer
    }

    /// Whether it takes maskable interrupts (RFLAGS.IF).
    package var takesInterrupts: Bool { flags & 0x200 != 0 }

    /// Reads the text about one CPU; nil when an instruction pointer is not in it.
    package init?(text: some StringProtocol) {
        self.init()
        var found = false
        for word in text.split(whereSeparator: \.isWhitespace) {
            guard let equals = word.firstIndex(of: "=") else { continue }
            let digits = word[word.index(after: equals)...]
            guard let value = UInt64(digits, radix: 16) else { continue }
            switch word[..<equals] {
            case "RIP", "EIP":
                instructionPointer = value
                found = true
            case "RFL", "EFL": flags = value
            case "CPL": privilege = Int(truncatingIfNeeded: value)
            case "HLT": isHalted = value != 0
            case "CR0": cr0 = value
            case "CR3": cr3 = value
            case "CR4": cr4 = value
            case "EFER": efer = value
            default: break
            }
        }
        guard found else { return nil }
    }

    /// The parts of `info registers -a`, one a CPU, without what never matters here (FPU and vector registers).
    package static func parts(_ text: String) -> [Substring] {
        var parts: [Substring] = []
        var rest = text[...]
        while let mark = rest.firstRange(of: "CPU#") {
            let after = rest[mark.upperBound...]
            let end = after.firstRange(of: "CPU#")?.lowerBound ?? after.endIndex
            let whole = after[..<end]
            parts.append(whole[..<(whole.firstRange(of: "FCW=")?.lowerBound ?? whole.endIndex)])
            rest = after[end...]
        }
        return parts
    }
}

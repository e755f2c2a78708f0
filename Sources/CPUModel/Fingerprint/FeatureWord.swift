/// A register that the CPUID instruction fills.
package enum CPUIDRegister: String, Sendable, Hashable, Codable, CaseIterable, Comparable {
    case eax, ebx, ecx, edx

    package static func < (left: CPUIDRegister, right: CPUIDRegister) -> Bool { left.rawValue < right.rawValue }
}

/// Bits that a CPU tells about itself in one place: a register of a CPUID leaf (32 bits), or a feature MSR (64 bits).
package enum FeatureWord: Sendable, Hashable, Comparable {
    case cpuid(leaf: UInt32, subleaf: UInt32, CPUIDRegister)
    case msr(UInt32)

    /// Number of bits.
    package var width: Int {
        switch self {
        case .cpuid: 32
        case .msr: 64
        }
    }

    /// A mask of all bits.
    package var allBits: UInt64 { width == 64 ? .max : 0xffff_ffff }

    private var order: (UInt8, UInt32, UInt32, String) {
        switch self {
        case .cpuid(let leaf, let subleaf, let register): (0, leaf, subleaf, register.rawValue)
        case .msr(let index): (1, index, 0, "")
        }
    }

    package static func < (left: FeatureWord, right: FeatureWord) -> Bool { left.order < right.order }
}

extension FeatureWord: CustomStringConvertible {
    /// `7.0.ebx`, `80000001.edx` (without subleaf 0 for leaves that have none), `msr.10a`: numbers are hexadecimal.
    package var description: String {
        switch self {
        case .cpuid(let leaf, let subleaf, let register):
            let number = String(leaf, radix: 16)
            return Self.hasSubleaves(leaf) || subleaf != 0
                ? "\(number).\(String(subleaf, radix: 16)).\(register)" : "\(number).\(register)"
        case .msr(let index): return "msr.\(String(index, radix: 16))"
        }
    }

    /// Reads ``description``; a subleaf may be left out where it is 0.
    package init?(_ text: some StringProtocol) {
        let parts = text.lowercased().split(separator: ".", omittingEmptySubsequences: false)
        func number(_ text: Substring) -> UInt32? {
            UInt32(text.hasPrefix("0x") ? text.dropFirst(2) : text, radix: 16)
        }
        switch parts.count {
        case 2 where parts[0] == "msr":
            guard let index = number(parts[1]) else { return nil }
            self = .msr(index)
        case 2:
            guard let leaf = number(parts[0]), let register = CPUIDRegister(rawValue: String(parts[1])) else {
                return nil
            }
            self = .cpuid(leaf: leaf, subleaf: 0, register)
        case 3:
            guard let leaf = number(parts[0]), let subleaf = number(parts[1]),
                let register = CPUIDRegister(rawValue: String(parts[2]))
            else { return nil }
            self = .cpuid(leaf: leaf, subleaf: subleaf, register)
        default: return nil
        }
    }

    /// Whether a leaf's answer depends on ECX (Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E).
    package static func hasSubleaves(_ leaf: UInt32) -> Bool {
        switch leaf {
        case 4, 7, 0xb, 0xd, 0xf, 0x10, 0x12, 0x14, 0x17, 0x18, 0x1d, 0x1f, 0x20, 0x23, 0x24, 0x8000_001d,
            0x8000_0020, 0x8000_0026:
            true
        default: false
        }
    }
}

/// One bit of a ``FeatureWord``.
package struct FeatureBit: Sendable, Hashable, Comparable, CustomStringConvertible {
    package var word: FeatureWord
    /// 0...31, of an MSR 0...63.
    package var index: Int

    package init(_ word: FeatureWord, _ index: Int) {
        self.word = word
        self.index = index
    }

    /// The bit as a mask.
    package var mask: UInt64 { 1 << UInt64(index) }

    /// `7.0.ebx.5`.
    package var description: String { "\(word).\(index)" }

    /// Reads ``description``.
    package init?(_ text: some StringProtocol) {
        guard let dot = text.lastIndex(of: "."), let word = FeatureWord(text[..<dot]),
            let index = Int(text[text.index(after: dot)...]), (0..<word.width).contains(index)
        else { return nil }
        self.init(word, index)
    }

    package static func < (left: FeatureBit, right: FeatureBit) -> Bool {
        left.word == right.word ? left.index < right.index : left.word < right.word
    }
}

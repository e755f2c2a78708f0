/// Numbers and names beside the features.
extension CPUFingerprint {
    /// Family, model and stepping as they are displayed (Intel SDM volume 2A, CPUID, figure 3-6).
    package struct Signature: Sendable, Hashable, Codable, CustomStringConvertible {
        package var family: Int
        package var model: Int
        package var stepping: Int

        package init(family: Int, model: Int, stepping: Int) {
            (self.family, self.model, self.stepping) = (family, model, stepping)
        }

        /// Takes leaf 1's EAX apart.
        package init(eax: UInt32) {
            let base = Int(eax >> 8 & 0xf)
            family = base == 0xf ? base + Int(eax >> 20 & 0xff) : base
            model = Int(eax >> 4 & 0xf) | (base == 0xf || base == 6 ? Int(eax >> 16 & 0xf) << 4 : 0)
            stepping = Int(eax & 0xf)
        }

        /// Leaf 1's EAX.
        package var eax: UInt32 {
            let base = min(family, 0xf)
            return UInt32(truncatingIfNeeded: stepping & 0xf | (model & 0xf) << 4 | base << 8)
                | UInt32(truncatingIfNeeded: (model >> 4 & 0xf) << 16 | max(0, family - 0xf) << 20)
        }

        package var description: String { "family \(family) model \(model) stepping \(stepping)" }
    }

    /// The vendor's 12 letters of leaf 0, such as `GenuineIntel`; nil if unknown.
    package var vendor: String? {
        let words = [CPUIDRegister.ebx, .edx, .ecx].map { self[.cpuid(leaf: 0, subleaf: 0, $0)] }
        guard words.allSatisfy({ $0.known == 0xffff_ffff }) else { return nil }
        return Self.text(words.map { UInt32(truncatingIfNeeded: $0.value) })
    }

    /// Notes the vendor.
    package mutating func setVendor(_ name: String) {
        let bytes = Array(name.utf8.prefix(12)) + [UInt8](repeating: 0, count: max(0, 12 - name.utf8.count))
        for (index, register) in [CPUIDRegister.ebx, .edx, .ecx].enumerated() {
            let value = (0..<4).reduce(UInt64(0)) { $0 | UInt64(bytes[index * 4 + $1]) << UInt64($1 * 8) }
            set(.cpuid(leaf: 0, subleaf: 0, register), to: value)
        }
    }

    /// Family, model, stepping; nil if unknown.
    package var signature: Signature? {
        get {
            let bits = self[.cpuid(leaf: 1, subleaf: 0, .eax)]
            return bits.known & 0x0fff_0fff == 0x0fff_0fff
                ? Signature(eax: UInt32(truncatingIfNeeded: bits.value)) : nil
        }
        set {
            guard let newValue else { return }
            set(.cpuid(leaf: 1, subleaf: 0, .eax), bits: UInt64(newValue.eax), known: 0x0fff_0fff)
        }
    }

    /// The name of leaves 8000_0002 to 8000_0004.
    package var brand: String? {
        var words: [UInt32] = []
        for leaf in UInt32(0x8000_0002)...0x8000_0004 {
            guard let registers = self.leaf(leaf) else { return nil }
            words += [registers.eax, registers.ebx, registers.ecx, registers.edx]
        }
        let text = Self.text(words).split(separator: " ").joined(separator: " ")
        return text.isEmpty ? nil : text
    }

    /// The hypervisor's 12 letters of leaf 4000_0000, such as `KVMKVMKVM`; nil if unknown, empty if there is none.
    package var hypervisor: String? {
        guard self[FeatureBit(.cpuid(leaf: 1, subleaf: 0, .ecx), 31)] != false else { return "" }
        guard let registers = leaf(0x4000_0000) else { return nil }
        return Self.text([registers.ebx, registers.ecx, registers.edx])
    }

    /// Bits of physical addresses; nil if unknown.
    package var physicalBits: Int? {
        let bits = self[.cpuid(leaf: 0x8000_0008, subleaf: 0, .eax)]
        return bits.known & 0xff == 0xff && bits.value & 0xff != 0 ? Int(bits.value & 0xff) : nil
    }

    /// Bits of virtual addresses; nil if unknown.
    package var virtualBits: Int? {
        let bits = self[.cpuid(leaf: 0x8000_0008, subleaf: 0, .eax)]
        return bits.known & 0xff00 == 0xff00 && bits.value & 0xff00 != 0 ? Int(bits.value >> 8 & 0xff) : nil
    }

    /// Notes the widths of addresses.
    package mutating func setAddressBits(physical: Int, virtual: Int) {
        set(
            .cpuid(leaf: 0x8000_0008, subleaf: 0, .eax), bits: UInt64(physical & 0xff | (virtual & 0xff) << 8),
            known: 0xffff)
    }

    /// Bytes of little-endian words up to the first NUL; other than printable ASCII becomes `?`.
    private static func text(_ words: [UInt32]) -> String {
        var text = ""
        for byte in words.flatMap({ word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32($0 * 8)) } }) {
            if byte == 0 { break }
            text.unicodeScalars.append((0x20..<0x7f).contains(byte) ? Unicode.Scalar(byte) : "?")
        }
        return text
    }
}

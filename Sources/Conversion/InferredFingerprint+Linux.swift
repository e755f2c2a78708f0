import CPUModel
import GuestInspection

/// What a Linux kernel remembers of the CPU that it booted on: `boot_cpu_data`.
///
/// Words of `x86_capability` are registers of CPUID; `enum cpuid_leafs` in the kernel's own types tells which. The kernel clears
/// bits that it does not want to use, so that a bit which is not set proves nothing.
extension InferredFingerprint {
    /// The registers of CPUID, by their names in `enum cpuid_leafs`.
    private static let words: [(name: String, word: FeatureWord)] = [
        ("CPUID_1_EDX", .cpuid(leaf: 1, subleaf: 0, .edx)), ("CPUID_1_ECX", .cpuid(leaf: 1, subleaf: 0, .ecx)),
        ("CPUID_8000_0001_EDX", .cpuid(leaf: 0x8000_0001, subleaf: 0, .edx)),
        ("CPUID_8000_0001_ECX", .cpuid(leaf: 0x8000_0001, subleaf: 0, .ecx)),
        ("CPUID_7_0_EBX", .cpuid(leaf: 7, subleaf: 0, .ebx)), ("CPUID_7_ECX", .cpuid(leaf: 7, subleaf: 0, .ecx)),
        ("CPUID_7_EDX", .cpuid(leaf: 7, subleaf: 0, .edx)), ("CPUID_7_1_EAX", .cpuid(leaf: 7, subleaf: 1, .eax)),
        ("CPUID_D_1_EAX", .cpuid(leaf: 0xd, subleaf: 1, .eax)), ("CPUID_6_EAX", .cpuid(leaf: 6, subleaf: 0, .eax)),
        ("CPUID_8000_0007_EBX", .cpuid(leaf: 0x8000_0007, subleaf: 0, .ebx)),
        ("CPUID_8000_0008_EBX", .cpuid(leaf: 0x8000_0008, subleaf: 0, .ebx)),
        ("CPUID_8000_000A_EDX", .cpuid(leaf: 0x8000_000a, subleaf: 0, .edx)),
    ]

    /// Looks at a kernel. What cannot be read, or has another form, is left out.
    mutating func inspect(_ kernel: LinuxKernel) {
        guard let types = kernel.types, let data = kernel.symbol("boot_cpu_data") else { return }
        func bytes(_ member: String, _ size: Int? = nil) -> [UInt8]? {
            guard let field = types.field("cpuinfo_x86", member), let found = field.size, (1...256).contains(found),
                size == nil || found == size
            else { return nil }
            return try? kernel.pages.bytes(at: data &+ field.offset, count: found)
        }
        guard let vendor = bytes("x86_vendor_id", 16)?.prefix(while: { $0 != 0 }), vendor.count == 12,
            vendor.allSatisfy({ (0x20..<0x7f).contains($0) })
        else { return }
        fingerprint.setVendor(String(decoding: vendor, as: UTF8.self))
        if let family = bytes("x86", 1), let model = bytes("x86_model", 1), let stepping = bytes("x86_stepping", 1) {
            fingerprint.signature = CPUFingerprint.Signature(
                family: Int(family[0]), model: Int(model[0]), stepping: Int(stepping[0]))
        }
        guard let capabilities = bytes("x86_capability") else { return }
        let enumerators = types.types(.enumeration, named: "cpuid_leafs").first.map { types.enumerators($0) } ?? []
        for (name, word) in Self.words {
            guard let index = enumerators.first(where: { $0.name == name })?.value, index < 64,
                4 * (Int(index) + 1) <= capabilities.count
            else { continue }
            let value: UInt32 = capabilities.littleEndian(4 * Int(index))
            for bit in 0..<32 where value >> UInt32(bit) & 1 == 1 {
                note(FeatureBit(word, bit), "boot_cpu_data x86_capability[\(index)] bit \(bit)")
            }
        }
        fingerprint.source.detail += (fingerprint.source.detail.isEmpty ? "from " : ", ") + "boot_cpu_data in RAM"
    }
}

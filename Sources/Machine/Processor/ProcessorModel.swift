/// What CPUID answers.
package struct CPUIDLeaf: Sendable, Hashable {
    package var eax: UInt32
    package var ebx: UInt32
    package var ecx: UInt32
    package var edx: UInt32

    package init(eax: UInt32 = 0, ebx: UInt32 = 0, ecx: UInt32 = 0, edx: UInt32 = 0) {
        self.eax = eax
        self.ebx = ebx
        self.ecx = ecx
        self.edx = edx
    }
}

/// The model of the processors: the CPUID table that the snapshot's launch record gives, or the default one.
package struct ProcessorModel: Sendable {
    /// Leaf in the high, subleaf in the low 32 bits.
    package var leaves: [UInt64: CPUIDLeaf] { didSet { findFeatures() } }
    /// CPUID.80000001H:ECX.LZCNT.
    package private(set) var hasLeadingZeroCount = false
    /// CPUID.7:EBX.BMI1.
    package private(set) var hasBitManipulation = false

    package init(leaves: [UInt64: CPUIDLeaf]) {
        self.leaves = leaves
        findFeatures()
    }

    /// What is asked for each block of code.
    private mutating func findFeatures() {
        hasLeadingZeroCount = leaf(0x8000_0001, subleaf: 0).ecx & (1 << 5) != 0
        hasBitManipulation = leaf(7, subleaf: 0).ebx & (1 << 3) != 0
    }

    /// The answer to CPUID. A missing subleaf is zero; a leaf beyond the highest one answers as zero.
    package func leaf(_ leaf: UInt32, subleaf: UInt32) -> CPUIDLeaf {
        leaves[UInt64(leaf) << 32 | UInt64(subleaf)]
            ?? (Self.hasSubleaves(leaf) ? CPUIDLeaf() : leaves[UInt64(leaf) << 32] ?? CPUIDLeaf())
    }

    private static func hasSubleaves(_ leaf: UInt32) -> Bool {
        switch leaf {
        case 4, 7, 0xB, 0xD, 0xF, 0x10, 0x12, 0x14, 0x17, 0x18, 0x1D, 0x1F, 0x8000_001D: true
        default: false
        }
    }

    /// Bits of physical addresses (leaf 0x80000008); 36 when the table does not say.
    package var physicalAddressBits: Int {
        let bits = Int(leaf(0x8000_0008, subleaf: 0).eax & 0xFF)
        return bits == 0 ? 36 : bits
    }

    /// The table shows KVM's signature (leaf 0x40000000); nil when it has no leaves of a hypervisor at all.
    package var isKVM: Bool? {
        guard leaves[0x4000_0000 << 32] != nil else { return nil }
        let signature = leaf(0x4000_0000, subleaf: 0)
        return signature.ebx == 0x4B4D_564B && signature.ecx == 0x564B_4D56 && signature.edx == 0x4D
    }

    /// A plain x86-64 processor: SSE to SSE3, CMPXCHG16B, POPCNT, SYSCALL, NX, FSGSBASE, no AVX.
    ///
    /// Close to QEMU's `qemu64` under TCG, so that code which chose its routines at boot keeps working.
    package static let standard: ProcessorModel = {
        var leaves: [UInt64: CPUIDLeaf] = [:]
        func set(_ leaf: UInt32, _ subleaf: UInt32 = 0, _ eax: UInt32, _ ebx: UInt32, _ ecx: UInt32, _ edx: UInt32) {
            leaves[UInt64(leaf) << 32 | UInt64(subleaf)] = CPUIDLeaf(eax: eax, ebx: ebx, ecx: ecx, edx: edx)
        }
        // "AuthenticAMD", highest leaf 0xD as qemu64 has it.
        set(0, 0, 0xD, 0x6874_7541, 0x444D_4163, 0x6974_6E65)
        // fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2; sse3 cx16 hypervisor.
        set(1, 0, 0xF61, 0x0000_0800, 0x8000_2001, 0x078B_FBFD)
        set(7, 0, 0, 0, 0, 0)
        set(0x8000_0000, 0, 0x8000_0008, 0x6874_7541, 0x444D_4163, 0x6974_6E65)
        // lahf, svm left out; syscall nx lm.
        set(0x8000_0001, 0, 0xF61, 0, 0x1, 0x2191_ABFD)
        let name = "Stemma virtual CPU".utf8.map { UInt32($0) } + Array(repeating: 0, count: 48)
        func word(_ index: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | name[index * 4 + $1] << UInt32($1 * 8) }
        }
        for part in 0..<3 {
            set(
                0x8000_0002 + UInt32(part), 0, word(part * 4), word(part * 4 + 1), word(part * 4 + 2),
                word(part * 4 + 3))
        }
        // 40 physical, 48 virtual address bits.
        set(0x8000_0008, 0, 0x3028, 0, 0, 0)
        return ProcessorModel(leaves: leaves)
    }()
}

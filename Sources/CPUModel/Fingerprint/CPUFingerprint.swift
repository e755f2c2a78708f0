/// What a CPU tells about itself: the answers of CPUID and the feature MSRs, as a guest sees them, and where that is
/// known from.
///
/// Not every source knows everything. `/proc/cpuinfo` names some bits, a snapshot proves a few, the probe guest tells
/// all. So every word has a mask of the bits that are known; what is not known is neither on nor off.
package struct CPUFingerprint: Sendable, Hashable {
    /// A word with the bits that are known.
    package struct Bits: Sendable, Hashable {
        /// Zero where nothing is known.
        package var value: UInt64
        package var known: UInt64

        package init(value: UInt64, known: UInt64) {
            self.value = value & known
            self.known = known
        }

        package static let unknown = Bits(value: 0, known: 0)
    }

    /// Four registers of a leaf of which everything is known.
    package struct Leaf: Sendable, Hashable {
        package var eax: UInt32
        package var ebx: UInt32
        package var ecx: UInt32
        package var edx: UInt32

        package init(eax: UInt32, ebx: UInt32, ecx: UInt32, edx: UInt32) {
            (self.eax, self.ebx, self.ecx, self.edx) = (eax, ebx, ecx, edx)
        }
    }

    package var source: FingerprintSource
    /// CPUID leaves that are not in ``words`` are known to answer zero, because all were asked.
    package var isComplete: Bool
    package private(set) var words: [FeatureWord: Bits]

    package init(source: FingerprintSource, isComplete: Bool = false, words: [FeatureWord: Bits] = [:]) {
        self.source = source
        self.isComplete = isComplete
        self.words = words
    }

    /// What is known of a word.
    package subscript(word: FeatureWord) -> Bits {
        if let bits = words[word] { return bits }
        if isComplete, case .cpuid = word { return Bits(value: 0, known: word.allBits) }
        return .unknown
    }

    /// Whether a bit is set; nil if that is not known.
    package subscript(bit: FeatureBit) -> Bool? {
        let bits = self[bit.word]
        return bits.known & bit.mask == 0 ? nil : bits.value & bit.mask != 0
    }

    /// Whether a feature is there, by a name of any of the three programs; nil if that is not known.
    package subscript(name: String) -> Bool? {
        for feature in FeatureTable.standard.features(named: name) {
            if let isOn = self[feature.bit] { return isOn }
        }
        return nil
    }

    /// Notes a whole word.
    package mutating func set(_ word: FeatureWord, to value: UInt64) {
        words[word] = Bits(value: value, known: word.allBits)
    }

    /// Notes some bits of a word, whatever was noted before.
    package mutating func set(_ word: FeatureWord, bits: UInt64, known: UInt64) {
        let old = words[word] ?? .unknown
        words[word] = Bits(value: old.value & ~known | bits & known, known: old.known | known & word.allBits)
    }

    /// Notes one bit.
    package mutating func set(_ bit: FeatureBit, to isOn: Bool) {
        set(bit.word, bits: isOn ? bit.mask : 0, known: bit.mask)
    }

    /// Notes a whole leaf.
    package mutating func set(leaf: UInt32, subleaf: UInt32 = 0, to registers: Leaf) {
        set(.cpuid(leaf: leaf, subleaf: subleaf, .eax), to: UInt64(registers.eax))
        set(.cpuid(leaf: leaf, subleaf: subleaf, .ebx), to: UInt64(registers.ebx))
        set(.cpuid(leaf: leaf, subleaf: subleaf, .ecx), to: UInt64(registers.ecx))
        set(.cpuid(leaf: leaf, subleaf: subleaf, .edx), to: UInt64(registers.edx))
    }

    /// Forgets a leaf.
    mutating func remove(leaf: UInt32, subleaf: UInt32) {
        for register in CPUIDRegister.allCases { words[.cpuid(leaf: leaf, subleaf: subleaf, register)] = nil }
    }

    /// A leaf; nil unless all of it is known.
    package func leaf(_ leaf: UInt32, subleaf: UInt32 = 0) -> Leaf? {
        func value(_ register: CPUIDRegister) -> UInt32? {
            let bits = self[.cpuid(leaf: leaf, subleaf: subleaf, register)]
            return bits.known == 0xffff_ffff ? UInt32(truncatingIfNeeded: bits.value) : nil
        }
        guard let eax = value(.eax), let ebx = value(.ebx), let ecx = value(.ecx), let edx = value(.edx) else {
            return nil
        }
        return Leaf(eax: eax, ebx: ebx, ecx: ecx, edx: edx)
    }

    /// Fills in what this fingerprint does not know from another one.
    package mutating func complete(from other: CPUFingerprint) {
        for (word, bits) in other.words {
            let missing = bits.known & ~self[word].known
            if missing != 0 { set(word, bits: bits.value, known: missing) }
        }
        isComplete = isComplete || other.isComplete
    }
}

/// How a fingerprint came to be known.
package struct FingerprintSource: Sendable, Hashable, Codable {
    /// The kinds of sources; the raw value is the word in JSON.
    package enum Kind: String, Sendable, Codable, CaseIterable {
        /// The probe guest ran on this CPU and asked it everything.
        case probe = "probe-guest"
        /// QEMU told the feature words of a CPU that it runs.
        case monitor = "qemu-cpu"
        /// QEMU expanded a model's name (`query-cpu-model-expansion`).
        case expansion = "qemu-model"
        /// A list of models with what an accelerator lacks of each (`query-cpu-definitions`).
        case definitions = "qemu-definitions"
        /// Text of `/proc/cpuinfo`.
        case cpuinfo
        /// Output of `cpuid -r`.
        case cpuid = "cpuid-dump"
        /// A domain's XML of libvirt.
        case domain = "libvirt-domain"
        /// Capabilities XML of libvirt, of the host or of an emulator.
        case capabilities = "libvirt-capabilities"
        /// Drawn from a snapshot's registers.
        case snapshot
        /// Written down with a target.
        case profile
        /// What several CPUs have in common.
        case baseline
    }

    package var kind: Kind
    /// More of it, for people: a file, a version, what the inference rests on.
    package var detail: String
    /// The argument of QEMU's `-cpu`, if there was one.
    package var cpu: String?
    /// QEMU's accelerator, if there was one.
    package var accelerator: TargetProfile.Accelerator?

    package init(
        _ kind: Kind, detail: String = "", cpu: String? = nil, accelerator: TargetProfile.Accelerator? = nil
    ) {
        self.kind = kind
        self.detail = detail
        self.cpu = cpu
        self.accelerator = accelerator
    }
}

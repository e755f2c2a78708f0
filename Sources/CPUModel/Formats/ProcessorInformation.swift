extension CPUFingerprint {
    /// Words of which Linux has shown every named bit for so long that a missing flag is a missing bit. (What a kernel shows
    /// of the other words depends on its age.)
    private static let shownWords: [FeatureWord] = ["1.edx", "1.ecx", "80000001.edx", "80000001.ecx", "7.0.ebx"]
        .compactMap { FeatureWord($0) }

    /// Bits that Linux clears on some machines although CPUID has them.
    private static let hiddenBits: Set<FeatureBit> = Set(
        ["7.0.ebx.14", "7.0.ebx.4", "7.0.ebx.11", "7.0.ebx.2", "7.0.ebx.12", "7.0.ebx.15", "7.0.ebx.22", "1.edx.30"]
            .compactMap { FeatureBit($0) })

    /// Reads the text of `/proc/cpuinfo`: the first processor.
    ///
    /// Flags are what the kernel found and uses; it hides some that it does not want to use (MPX, TSX), and those that it is
    /// too old to know. A flag that is missing counts as "off" only in leaves 1, 7.0 EBX and 8000_0001.
    ///
    /// - Throws: ``CPUModelError`` when vendor or flags are missing.
    package init(cpuinfo text: some StringProtocol, source: FingerprintSource) throws(CPUModelError) {
        self.init(source: source)
        var fields: [String: String] = [:]
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            guard let colon = line.firstIndex(of: ":") else {
                // An empty line ends a processor.
                if !fields.isEmpty { break }
                continue
            }
            fields[Self.trimmed(line[..<colon])] = Self.trimmed(line[line.index(after: colon)...])
        }
        guard let vendor = fields["vendor_id"], let flags = fields["flags"] else {
            throw CPUModelError(
                .malformed, "The text has no 'vendor_id' and 'flags': it is not /proc/cpuinfo of an x86 processor.")
        }
        setVendor(vendor)
        if let family = fields["cpu family"].flatMap({ Int($0) }), let model = fields["model"].flatMap({ Int($0) }),
            let stepping = fields["stepping"].flatMap({ Int($0) })
        {
            signature = Signature(family: family, model: model, stepping: stepping)
        }
        if let level = fields["cpuid level"].flatMap({ Int64($0) }), level >= 0 {
            set(.cpuid(leaf: 0, subleaf: 0, .eax), to: UInt64(level))
        }
        if let widths = fields["address sizes"]?.split(separator: " ").compactMap({ Int($0) }), widths.count == 2 {
            setAddressBits(physical: widths[0], virtual: widths[1])
        }
        let names = Set(flags.split(separator: " ").map(String.init))
        let table = FeatureTable.standard
        for feature in table.features {
            guard let name = feature.linux else { continue }
            if names.contains(name) {
                set(feature.bit, to: true)
            } else if Self.shownWords.contains(feature.bit.word), !Self.hiddenBits.contains(feature.bit),
                !feature.isDerived
            {
                set(feature.bit, to: false)
            }
        }
        inferMitigations(names)
    }

    /// The kernel merges the vendors' bits of speculation control into names of its own.
    private mutating func inferMitigations(_ names: Set<String>) {
        let isIntel = vendor == CPUVendor.intel.rawValue
        func note(_ flag: String, intel: String, amd: String) {
            if names.contains(flag), let bit = FeatureBit(isIntel ? intel : amd) { set(bit, to: true) }
        }
        note("ibrs", intel: "7.0.edx.26", amd: "80000008.ebx.14")
        note("ibpb", intel: "7.0.edx.26", amd: "80000008.ebx.12")
        note("stibp", intel: "7.0.edx.27", amd: "80000008.ebx.15")
        if isIntel { note("ssbd", intel: "7.0.edx.31", amd: "7.0.edx.31") }
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return String(text)
    }
}

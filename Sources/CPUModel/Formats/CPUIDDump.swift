extension CPUFingerprint {
    /// Whether a text looks like the output of `cpuid -r`.
    static func isCPUIDDump(_ text: some StringProtocol) -> Bool {
        text.split(whereSeparator: \.isNewline).prefix(4).contains { dumpLine($0) != nil }
    }

    /// Reads the output of `cpuid -r` (of etallen's cpuid): the leaves of the first processor.
    ///
    /// - Throws: ``CPUModelError`` when it holds no leaf 0, or a damaged line.
    package init(cpuidDump text: some StringProtocol, source: FingerprintSource) throws(CPUModelError) {
        self.init(source: source, isComplete: true)
        var isInProcessor = false
        for (number, line) in text.split(whereSeparator: \.isNewline).enumerated() {
            if line.hasPrefix("CPU") {
                // The next processor's leaves differ in APIC ids only.
                if isInProcessor { break }
                continue
            }
            guard let (leaf, subleaf, registers) = Self.dumpLine(line) else {
                guard line.allSatisfy(\.isWhitespace) else {
                    throw CPUModelError(
                        .malformed, "Line \(number + 1) is none that 'cpuid -r' prints: '\(line.prefix(80))'.")
                }
                continue
            }
            isInProcessor = true
            if (leaf == 0xb || leaf == 0x1f) && subleaf > 0 && registers.eax == 0 && registers.ebx == 0 { continue }
            // The highest leaves and subleaves are answered as zero; what is missing is zero as well.
            set(leaf: leaf, subleaf: subleaf, to: registers)
        }
        guard leaf(0, subleaf: 0) != nil, vendor?.isEmpty == false else {
            throw CPUModelError(.malformed, "The text has no leaf 0; give the whole output of 'cpuid -1 -r'.")
        }
    }

    /// `   0x00000007 0x00: eax=0x00000002 ebx=0xf1bf27eb ecx=0x1b415fde edx=0xbfd14410`
    private static func dumpLine(_ line: some StringProtocol) -> (UInt32, UInt32, Leaf)? {
        let parts = line.split { $0 == " " || $0 == "\t" || $0 == ":" }
        guard parts.count == 6 else { return nil }
        func number(_ text: some StringProtocol) -> UInt32? {
            text.hasPrefix("0x") ? UInt32(text.dropFirst(2), radix: 16) : nil
        }
        func register(_ index: Int, _ name: String) -> UInt32? {
            parts[index].hasPrefix(name + "=") ? number(parts[index].dropFirst(name.count + 1)) : nil
        }
        guard let leaf = number(parts[0]), let subleaf = number(parts[1]), let eax = register(2, "eax"),
            let ebx = register(3, "ebx"), let ecx = register(4, "ecx"), let edx = register(5, "edx")
        else { return nil }
        return (leaf, subleaf, Leaf(eax: eax, ebx: ebx, ecx: ecx, edx: edx))
    }
}

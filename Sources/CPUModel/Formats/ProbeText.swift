extension CPUFingerprint {
    /// Reads what the probe guest prints (see `images/guest/cpu-probe.S`).
    ///
    /// - Parameters:
    ///   - text: the guest's serial console; other lines, such as a boot loader's, are passed over.
    ///   - source: how the guest was run.
    /// - Throws: ``CPUModelError`` when the guest did not come to its end, or a line is damaged.
    package init(probe text: some StringProtocol, source: FingerprintSource) throws(CPUModelError) {
        self.init(source: source, isComplete: true)
        var hasEnded = false
        var registers: [UInt32: UInt64] = [:]
        for (number, line) in text.split(whereSeparator: \.isNewline).enumerated() {
            let parts = line.split(separator: " ", omittingEmptySubsequences: true)
            guard let kind = parts.first else { continue }
            if kind == "end", parts.count == 1 {
                hasEnded = true
                break
            }
            guard (kind == "c" && parts.count == 7) || (kind == "m" && parts.count == 4) else { continue }
            let values = parts.dropFirst().compactMap { $0.utf8.count == 8 ? UInt32($0, radix: 16) : nil }
            guard values.count == parts.count - 1 else {
                throw CPUModelError(
                    .malformed, "Line \(number + 1) of the probe guest is damaged: '\(line.prefix(80))'.")
            }
            if kind == "c" {
                set(
                    leaf: values[0], subleaf: values[1],
                    to: Leaf(eax: values[2], ebx: values[3], ecx: values[4], edx: values[5]))
            } else {
                registers[values[0]] = UInt64(values[1]) << 32 | UInt64(values[2])
            }
        }
        guard hasEnded else {
            throw CPUModelError(.malformed, "The probe guest did not come to its end; its CPU stopped before.")
        }
        removeEmptySubleaves()
        for (index, value) in registers where isFeatureRegister(index, value) { set(.msr(index), to: value) }
    }

    /// Drops topology levels that do not exist: leaves B and 1F answer every subleaf with its own number.
    private mutating func removeEmptySubleaves() {
        for (word, _) in words {
            guard case .cpuid(let leaf, let subleaf, .ebx) = word, leaf == 0xb || leaf == 0x1f, subleaf > 0,
                let registers = self.leaf(leaf, subleaf: subleaf), registers.eax == 0, registers.ebx == 0
            else { continue }
            remove(leaf: leaf, subleaf: subleaf)
        }
    }

    /// Whether an MSR that could be read tells something: some hypervisors answer every number with zero.
    private func isFeatureRegister(_ index: UInt32, _ value: UInt64) -> Bool {
        func has(_ bit: String) -> Bool { FeatureBit(bit).map { self[$0] == true } ?? false }
        return switch index {
        case 0x10a: has("7.0.edx.29")
        case 0xcf: has("7.0.edx.30")
        case 0x345: has("1.ecx.15")
        case 0x480...0x493: has("1.ecx.5")
        default: value != 0
        }
    }
}

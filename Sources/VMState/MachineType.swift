/// A PC machine type as streams name it: family and version.
package struct MachineType: Sendable, Hashable, CustomStringConvertible {
    /// The chip sets that QEMU's PCs have.
    package enum Family: String, Sendable, CaseIterable {
        /// `pc-i440fx-*`
        case i440fx = "pc-i440fx"
        /// `pc-q35-*`
        case q35 = "pc-q35"
    }

    /// The chip set.
    package var family: Family
    /// Version of QEMU that the machine behaves like.
    package var major: Int
    /// Second part of the version.
    package var minor: Int

    /// Reads a name such as `pc-q35-7.2`; nil for other machines and for names without version.
    package init?(name: String) {
        guard let family = Family.allCases.first(where: { name.hasPrefix("\($0.rawValue)-") }) else { return nil }
        // Some have a third part (pc-q35-4.0.1).
        let parts = name.dropFirst(family.rawValue.count + 1).split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 3, let major = Int(parts[0]), let minor = Int(parts[1]),
            parts.allSatisfy({ Int($0) != nil }), (0...999).contains(major), (0...999).contains(minor)
        else { return nil }
        self.family = family
        self.major = major
        self.minor = minor
    }

    package var description: String { "\(family.rawValue)-\(major).\(minor)" }

    /// Bytes of main memory below 4 GiB for a machine with `ramSize` bytes (without the option `max-ram-below-4g`).
    package func memoryBelow4GiB(ramSize: UInt64) -> UInt64 {
        let low: UInt64
        switch family {
        case .i440fx:
            // Aligned to whole gigabytes from 2.0 on.
            let isAligned = major >= 2
            low = ramSize >= 0xe000_0000 && isAligned ? 0xc000_0000 : 0xe000_0000
        case .q35:
            low = ramSize >= 0xb000_0000 ? 0x8000_0000 : 0xb000_0000
        }
        return min(ramSize, low)
    }
}

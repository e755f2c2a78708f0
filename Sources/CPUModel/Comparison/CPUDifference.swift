/// What differs between two CPUs, from the point of view of a guest that was booted on the first one.
package struct CPUDifference: Sendable, Hashable, Codable {
    /// A feature that only one of both has.
    package struct Feature: Sendable, Hashable, Codable {
        /// QEMU's name, or the place of a bit without a name.
        package let name: String
        /// `7.0.ebx.5`.
        package let bit: String
        package let group: String
        /// What the guest feels when it goes from the first CPU to the second.
        package let effect: String
        package let risk: FeatureMeaning.Risk
    }

    /// A number or a name.
    package struct Value: Sendable, Hashable, Codable {
        package let name: String
        package let first: String
        package let second: String
        /// What it means; empty where nothing depends on it.
        package let effect: String
    }

    /// The guest has seen them, and the second CPU lacks them.
    package var lost: [Feature] = []
    /// Only the second CPU has them; a guest looks when it boots, so it does not use them.
    package var gained: [Feature] = []
    /// Identity, widths, sizes.
    package var values: [Value] = []
    /// Named features that one side has and of which the other does not tell.
    package var uncertain: [String] = []

    /// The first CPU's guest can go on on the second as far as features decide.
    package var isHarmless: Bool { worst == .none && !values.contains { !$0.effect.isEmpty } }

    /// The worst of what is lost.
    package var worst: FeatureMeaning.Risk { lost.map(\.risk).max() ?? .none }

    /// Compares.
    package init(from first: CPUFingerprint, to second: CPUFingerprint) {
        let table = FeatureTable.standard
        let featureWords = Set(table.features.map(\.bit.word))
        for word in Set(first.words.keys).union(second.words.keys).union(featureWords).sorted() {
            guard featureWords.contains(word) else { continue }
            let (left, right) = (first[word], second[word])
            let differing = (left.value ^ right.value) & left.known & right.known
            let doubtful = left.known ^ right.known
            for index in 0..<word.width {
                let bit = FeatureBit(word, index)
                let feature = table[bit]
                if feature?.isDerived == true || Self.isHidden(bit, first) && Self.isHidden(bit, second) { continue }
                if differing & bit.mask != 0 {
                    let meaning = feature.map(FeatureMeaning.ofLosing) ?? .unnamed
                    let isLost = left.value & bit.mask != 0
                    let entry = Feature(
                        name: table.name(of: bit), bit: bit.description,
                        group: (feature?.group.title) ?? "bits without a name",
                        effect: isLost ? meaning.effect : "", risk: isLost ? meaning.risk : .none)
                    if isLost { lost.append(entry) } else { gained.append(entry) }
                } else if doubtful & bit.mask != 0, (left.value | right.value) & bit.mask != 0, let feature {
                    uncertain.append(feature.name)
                }
            }
        }
        compareValues(first, second)
    }

    /// The leaves of one hypervisor mean something else under another.
    private static func isHidden(_ bit: FeatureBit, _ fingerprint: CPUFingerprint) -> Bool {
        guard case .cpuid(0x4000_0001, _, _) = bit.word else { return false }
        return fingerprint.hypervisor.map { !$0.hasPrefix("KVMKVMKVM") } ?? false
    }

    private mutating func compareValues(_ first: CPUFingerprint, _ second: CPUFingerprint) {
        func add(_ name: String, _ left: String?, _ right: String?, _ effect: String = "") {
            if let left, let right, left != right {
                values.append(Value(name: name, first: left, second: right, effect: effect))
            }
        }
        add(
            "vendor", first.vendor, second.vendor,
            "programs choose code by the vendor, and the kernel chose VMCALL or VMMCALL by it when it booted")
        add("signature", first.signature?.description, second.signature?.description)
        add("name", first.brand, second.brand)
        add("hypervisor", first.hypervisor, second.hypervisor)
        let (left, right) = (first.physicalBits, second.physicalBits)
        let narrows = (left ?? 0) > (right ?? 0)
        add(
            "physical address bits", left?.description, right?.description,
            narrows ? "addresses above the limit fault; give the second CPU phys-bits=\(left ?? 0)" : "")
        add("virtual address bits", first.virtualBits?.description, second.virtualBits?.description)
        for (name, leaf) in [("highest leaf", UInt32(0)), ("highest extended leaf", 0x8000_0000)] {
            add(name, Self.number(first, leaf, .eax), Self.number(second, leaf, .eax))
        }
        // Where the parts of XSAVE's area lie differs between vendors (Intel SDM volume 1, 13.4).
        for component in UInt32(2)...18 {
            let place = "XSAVE component \(component)"
            guard let a = first.leaf(0xd, subleaf: component), let b = second.leaf(0xd, subleaf: component), a.eax != 0,
                b.eax != 0, a != b
            else { continue }
            add(
                place, "\(a.eax) bytes at \(a.ebx)", "\(b.eax) bytes at \(b.ebx)",
                "registers that the kernel saved are read from another place")
        }
    }

    private static func number(_ fingerprint: CPUFingerprint, _ leaf: UInt32, _ register: CPUIDRegister) -> String? {
        let bits = fingerprint[.cpuid(leaf: leaf, subleaf: 0, register)]
        return bits.known == 0xffff_ffff ? "0x" + String(bits.value, radix: 16) : nil
    }
}

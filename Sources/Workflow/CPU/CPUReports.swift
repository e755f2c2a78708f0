import CPUModel
import Foundation

/// What `stemma cpu show` and `probe` tell.
package struct CPUDescription: Sendable, Encodable {
    package let cpu: String
    package let fingerprint: CPUFingerprint
    /// Features that are on, by group.
    package let features: [String: [String]]
    /// Bits that are set and have no name here.
    package let unnamed: [String]

    package init(_ cpu: KnownCPU) {
        self.cpu = cpu.title
        fingerprint = cpu.fingerprint
        var features: [String: [String]] = [:]
        var unnamed: [String] = []
        let table = FeatureTable.standard
        let words = Set(table.features.map(\.bit.word))
        let isKVM = cpu.fingerprint.hypervisor.map { $0.hasPrefix("KVMKVMKVM") } ?? true
        for (word, bits) in cpu.fingerprint.words.sorted(by: { $0.key < $1.key }) where words.contains(word) {
            if case .cpuid(0x4000_0001, _, _) = word, !isKVM { continue }
            for index in 0..<word.width where bits.value >> UInt64(index) & 1 == 1 {
                let bit = FeatureBit(word, index)
                guard let feature = table[bit] else {
                    if !Self.isNumber(bit) { unnamed.append(bit.description) }
                    continue
                }
                if !feature.isDerived { features[feature.group.title, default: []].append(feature.name) }
            }
        }
        self.features = features
        self.unnamed = unnamed
    }

    /// Some words hold numbers beside features.
    private static func isNumber(_ bit: FeatureBit) -> Bool {
        switch bit.word {
        case .cpuid(0x24, _, .ebx): bit.index < 8
        case .msr(0x345): true
        case .msr(let index): (0x480...0x491).contains(index)
        default: false
        }
    }

    package var text: String {
        let print = fingerprint
        var lines = ["\(cpu): \(print.source.text)"]
        if let vendor = print.vendor {
            lines.append("  vendor      \(vendor)" + (print.signature.map { ", \($0)" } ?? ""))
        }
        if let brand = print.brand { lines.append("  name        \(brand)") }
        if let hypervisor = print.hypervisor, !hypervisor.isEmpty { lines.append("  hypervisor  \(hypervisor)") }
        if let physical = print.physicalBits {
            lines.append(
                "  addresses   \(physical) bits physical" + (print.virtualBits.map { ", \($0) virtual" } ?? ""))
        }
        for group in FeatureGroup.allCases {
            if let names = features[group.title] { lines += Self.wrapped(group.title, names) }
        }
        if !unnamed.isEmpty { lines += Self.wrapped("bits without a name", unnamed) }
        return lines.joined(separator: "\n")
    }

    /// A heading, and words below it in lines of moderate width.
    static func wrapped(_ title: String, _ words: [String]) -> [String] {
        var lines = ["  " + title]
        var line = "   "
        for word in words {
            if line.count + word.count > 100 {
                lines.append(line)
                line = "   "
            }
            line += " " + word
        }
        return lines + [line]
    }
}

/// What `stemma cpu diff` tells.
package struct CPUDifferenceReport: Sendable, Encodable {
    package struct Side: Sendable, Encodable {
        package let cpu: String
        package let source: String
    }

    package let first: Side
    package let second: Side
    package let difference: CPUDifference
    /// The argument of `-cpu` that both can be given: no feature is lost any more. Nil when there is none.
    package let closingCPU: String?
    /// What QEMU's translator says about that argument with `enforce`; nil when it provides everything.
    package let objection: String?
    /// Why there is no argument.
    package let problem: String?

    package var text: String {
        var lines = ["\(first.cpu): \(first.source)", "\(second.cpu): \(second.source)"]
        let groups = Dictionary(grouping: difference.lost, by: \.group)
        if difference.lost.isEmpty {
            lines.append("\(second.cpu) has every feature of \(first.cpu) that is known.")
        } else {
            lines.append("\(second.cpu) lacks, for a guest that was booted on \(first.cpu):")
        }
        for group in groups.keys.sorted() {
            lines.append("  \(group)")
            // One line for each effect: many features may share it.
            let effects = Dictionary(grouping: groups[group] ?? [], by: \.effect)
            for (effect, features) in effects.sorted(by: { ($0.value[0].risk, $1.key) > ($1.value[0].risk, $0.key) }) {
                let mark =
                    switch features[0].risk {
                    case .kernel: "✘"
                    case .programs: "!"
                    case .none: "·"
                    }
                lines.append("    \(mark) " + features.map(\.name).joined(separator: " "))
                lines.append("      \(effect)")
            }
        }
        if !difference.gained.isEmpty {
            lines += CPUDescription.wrapped(
                "only \(second.cpu) has (harmless: a guest looks when it boots)", difference.gained.map(\.name))
        }
        for value in difference.values {
            lines.append("  \(value.name): \(value.first) / \(value.second)")
            if !value.effect.isEmpty { lines.append("      \(value.effect)") }
        }
        if !difference.uncertain.isEmpty {
            lines += CPUDescription.wrapped("only one side tells of", difference.uncertain)
        }
        if let closingCPU {
            lines.append("to close the gap, boot the guest with")
            lines.append("  -cpu \(closingCPU)")
            if let objection { lines.append("  which the translator here does not provide: \(objection)") }
        } else if let problem {
            lines.append("no -cpu closes the gap: \(problem)")
        }
        return lines.joined(separator: "\n")
    }
}

/// What `stemma cpu baseline` tells.
package struct CPUBaselineReport: Sendable, Encodable {
    package let cpus: [String]
    /// The argument for QEMU's `-cpu`.
    package let cpu: String
    /// Features that some have and the baseline has not.
    package let leftOut: [String]
    /// Features of which some CPU's description says nothing; left out.
    package let unknown: [String]
    /// Who was asked with `enforce`, and what was objected; empty for no objection.
    package let checks: [String: String]

    /// Everybody that was asked provides all of it.
    package var isProvided: Bool { checks.values.allSatisfy(\.isEmpty) }

    package var text: String {
        var lines = ["-cpu \(cpu)"]
        if !leftOut.isEmpty { lines += CPUDescription.wrapped("left out, because not all have it", leftOut) }
        if !unknown.isEmpty { lines += CPUDescription.wrapped("left out, because not all descriptions tell", unknown) }
        for (name, objection) in checks.sorted(by: { $0.key < $1.key }) {
            lines.append(objection.isEmpty ? "  \(name) provides it (enforce)" : "  \(name) does not: \(objection)")
        }
        return lines.joined(separator: "\n")
    }
}

/// What `stemma cpu explain` tells about a feature.
package struct FeatureExplanation: Sendable, Encodable {
    package let name: String
    package let bit: String
    package let group: String
    package let qemu: [String]
    package let libvirt: [String]
    package let linux: String?
    /// What becomes of a guest that used it, where it is missing.
    package let effect: String
    package let risk: FeatureMeaning.Risk
    /// Targets and whether they have it.
    package let targets: [String: Bool]

    package var text: String {
        var lines = ["\(name): \(bit), \(group)"]
        lines.append("  QEMU     \(qemu.isEmpty ? "-" : qemu.joined(separator: ", "))")
        lines.append("  libvirt  \(libvirt.isEmpty ? "-" : libvirt.joined(separator: ", "))")
        lines.append("  Linux    \(linux ?? "-")")
        lines.append("  missing  \(effect)")
        for (target, has) in targets.sorted(by: { $0.key < $1.key }) {
            lines.append("  \(has ? "has" : "lacks")\(has ? "      " : "    ")\(target)")
        }
        return lines.joined(separator: "\n")
    }
}

/// The names of bits, in the words of QEMU, libvirt and Linux.
package struct FeatureTable: Sendable {
    /// All features in the order of their bits.
    package let features: [CPUFeature]
    private let places: [FeatureBit: Int]
    private let names: [String: [Int]]

    /// Everything that this version knows.
    package static let standard = FeatureTable(
        reading: basicLeaves + structuredLeaves + stateLeaves + extendedLeaves + hypervisorLeaves + featureMSRs)

    /// The feature of a bit.
    package subscript(bit: FeatureBit) -> CPUFeature? { places[bit].map { features[$0] } }

    /// The features with a name in the language of any of the programs; several where one name stands for several bits.
    package func features(named name: String) -> [CPUFeature] {
        (names[name.lowercased()] ?? []).map { features[$0] }
    }

    /// The features that QEMU calls so.
    package func qemu(_ name: String) -> [CPUFeature] { features(named: name).filter { $0.qemu.contains(name) } }

    /// The feature that libvirt calls so.
    package func libvirt(_ name: String) -> [CPUFeature] { features(named: name).filter { $0.libvirt.contains(name) } }

    /// The feature that Linux shows so.
    package func linux(_ name: String) -> [CPUFeature] { features(named: name).filter { $0.linux == name } }

    /// The name of a bit in reports: its feature's, or the place.
    package func name(of bit: FeatureBit) -> String { self[bit]?.name ?? bit.description }

    /// Reads the form in which the tables are written.
    ///
    /// ```
    /// [7.0.ebx] system           a word, and the group of its bits
    /// 0 fsgsbase                 a bit and its name in all three programs
    /// 1 tsc-adjust q=tsc_adjust v=tsc_adjust x=tsc_adjust =timers
    /// ```
    ///
    /// `q=`, `v=` and `x=` give the names of QEMU, libvirt and Linux where they differ, separated by commas, `-` for none;
    /// `=GROUP` another group; `*` marks a derived bit.
    init(reading text: String) {
        var features: [CPUFeature] = []
        var word: FeatureWord?
        var group = FeatureGroup.instructions
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ").map(String.init)
            guard let first = parts.first else { continue }
            if first.hasPrefix("[") {
                word = FeatureWord(first.dropFirst().dropLast())
                group = parts.dropFirst().first.flatMap(FeatureGroup.init(rawValue:)) ?? .instructions
                continue
            }
            guard let word, let index = Int(first), (0..<word.width).contains(index), parts.count >= 2 else { continue }
            let name = parts[1]
            var feature = CPUFeature(
                bit: FeatureBit(word, index), name: name, qemu: [name], libvirt: [name], linux: name, group: group,
                isDerived: false)
            for option in parts.dropFirst(2) {
                let value = option.drop { $0 != "=" }.dropFirst()
                let names = value == "-" ? [] : value.split(separator: ",").map(String.init)
                switch option.prefix(while: { $0 != "=" }) {
                case "q": feature.qemu = names
                case "v": feature.libvirt = names
                case "x": feature.linux = names.first
                case "": feature.group = FeatureGroup(rawValue: String(value)) ?? group
                case "*": feature.isDerived = true
                default: break
                }
            }
            features.append(feature)
        }
        self.features = features.sorted { $0.bit < $1.bit }
        var places: [FeatureBit: Int] = [:]
        var names: [String: [Int]] = [:]
        for (index, feature) in self.features.enumerated() {
            places[feature.bit] = index
            let all = [feature.name] + feature.qemu + feature.libvirt + [feature.linux].compactMap(\.self)
            for name in Set(all) { names[name, default: []].append(index) }
        }
        self.places = places
        self.names = names
    }
}

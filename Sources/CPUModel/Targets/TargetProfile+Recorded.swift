/// Targets that are written down, for machines on which they are not installed.
extension TargetProfile {
    /// All of them by name.
    package static let recorded: [TargetProfile] = [
        .tcg(version: QEMUVersion(7, 2), machineTypes: machines(upTo: QEMUVersion(7, 2))),
        .tcg(version: QEMUVersion(10, 0), machineTypes: machines(upTo: QEMUVersion(10, 0))),
        s2e,
    ]

    /// The names of all of them, for help texts: to make the profiles takes longer than many a command.
    package static let recordedNames = ["qemu-tcg-7.2", "qemu-tcg-10.0", "s2e-libcpu"]

    /// S2E's translator, which S2E's own QEMU drives through an interface like KVM's.
    ///
    /// The words are the masks of S2E 2.0's libcpu (`libcpu/src/target-i386/cpuid.c`). Which machine types there are depends
    /// on the QEMU that S2E was built with, so none is listed.
    package static let s2e = TargetProfile(
        name: "s2e-libcpu", version: QEMUVersion(0, 0), accelerator: .tcg, machineTypes: [], hasX2APIC: false,
        hasTSCDeadline: false, hasKVMClock: false,
        hasKVMHypercalls: false,
        features: features(
            "S2E 2.0, libcpu",
            """
            1.edx 0fcbfbfd
            1.ecx 80802009
            5.ecx 3
            80000001.edx e9d3fbfd
            80000001.ecx 75
            80000008.eax 3028
            """))

    /// The words of `-cpu max` of a version's TCG, as the probe guest saw them; nil for versions that are not written down.
    static func recordedFeatures(ofTCG version: QEMUVersion) -> CPUFingerprint? {
        switch (version.major, version.minor) {
        case (7, 2): features("QEMU 7.2, TCG, -cpu max", tcg72)
        case (10, 0): features("QEMU 10.0, TCG, -cpu max", tcg100)
        default: nil
        }
    }

    /// Reads `WORD VALUE` lines. Leaves that are not named are zero.
    package static func features(_ detail: String, _ text: String) -> CPUFingerprint {
        var result = CPUFingerprint(source: FingerprintSource(.profile, detail: detail, accelerator: .tcg))
        for feature in FeatureTable.standard.features where !feature.isDerived {
            if case .cpuid = feature.bit.word { result.set(feature.bit, to: false) }
        }
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ")
            guard parts.count == 2, let word = FeatureWord(parts[0]), let value = UInt64(parts[1], radix: 16) else {
                continue
            }
            result.set(word, to: value)
        }
        return result
    }

    /// The versioned machine types of the PC that a version knows (QEMU drops the oldest ones in time).
    private static func machines(upTo version: QEMUVersion) -> [String] {
        let all = [
            (2, 4), (2, 5), (2, 6), (2, 7), (2, 8), (2, 9), (2, 10), (2, 11), (2, 12), (3, 0), (3, 1), (4, 0), (4, 1),
            (4, 2), (5, 0), (5, 1), (5, 2), (6, 0), (6, 1), (6, 2), (7, 0), (7, 1), (7, 2), (8, 0), (8, 1), (8, 2),
            (9, 0),
            (9, 1), (9, 2), (10, 0),
        ].map { QEMUVersion($0.0, $0.1) }
        return all.filter { $0 <= version }.flatMap { known in
            ["pc-i440fx-\(known.major).\(known.minor)", "pc-q35-\(known.major).\(known.minor)"]
        }
    }

    private static let tcg72 = """
        1.edx 0fcbfbfd
        1.ecx f6d8320b
        5.ecx 3
        6.eax 4
        7.0.ebx 01d843a9
        7.0.ecx 8001020c
        d.0.eax 21f
        d.1.eax 5
        d.2.eax 100
        d.2.ebx 240
        d.2.ecx 0
        d.2.edx 0
        d.3.eax 40
        d.3.ebx 3c0
        d.3.ecx 0
        d.3.edx 0
        d.4.eax 40
        d.4.ebx 400
        d.4.ecx 0
        d.4.edx 0
        d.9.eax 8
        d.9.ebx a80
        d.9.ecx 0
        d.9.edx 0
        80000001.edx edd3fbfd
        80000001.ecx 75
        80000008.eax 3928
        8000000a.edx 10010001
        """

    private static let tcg100 = """
        1.edx 0fcbfbfd
        1.ecx f6f8320b
        5.ecx 3
        6.eax 4
        7.0.ebx 219c43a9
        7.0.ecx 8041020c
        7.0.edx 10
        7.1.eax 1c80
        d.0.eax 21f
        d.1.eax 5
        d.2.eax 100
        d.2.ebx 240
        d.2.ecx 0
        d.2.edx 0
        d.3.eax 40
        d.3.ebx 3c0
        d.3.ecx 0
        d.3.edx 0
        d.4.eax 40
        d.4.ebx 400
        d.4.ecx 0
        d.4.edx 0
        d.9.eax 8
        d.9.ebx a80
        d.9.ecx 0
        d.9.edx 0
        80000001.edx edd3fbfd
        80000001.ecx 177
        80000008.eax 3928
        80000008.ebx 204
        8000000a.edx 10010001
        """
}

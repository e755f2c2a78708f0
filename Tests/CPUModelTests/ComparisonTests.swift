import CPUModel
import Testing

@Suite struct ComparisonTests {
    @Test func aGuestOfAHostLosesOnTheTranslatorWhatItsKernelNeeds() throws {
        let host = try Samples.fingerprint("sapphire-rapids.cpuid")
        let target = try Samples.fingerprint("qemu-7.2-tcg-max.probe")
        let difference = CPUDifference(from: host, to: target)
        #expect(difference.worst == .kernel && !difference.isHarmless)
        let lost = Dictionary(difference.lost.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for (name, risk) in [
            ("pcid", FeatureMeaning.Risk.kernel), ("tsc-deadline", .kernel), ("xsaves", .kernel),
            ("avx512f", .programs),
            ("md-clear", .none),
        ] {
            #expect(lost[name]?.risk == risk, "\(name)")
            #expect(lost[name]?.effect.isEmpty == false)
        }
        #expect(lost["avx2"] == nil && lost["osxsave"] == nil)
        #expect(lost["kvmclock"] != nil)
        #expect(difference.gained.contains { $0.name == "sse4a" && $0.risk == .none })
        #expect(difference.values.contains { $0.name == "vendor" && $0.second == "AuthenticAMD" })
        #expect(difference.values.contains { $0.name == "physical address bits" && $0.effect.contains("phys-bits=46") })
        #expect(difference.uncertain.isEmpty)
    }

    @Test func aCPUHasNoDifferenceToItself() throws {
        for name in ["sapphire-rapids.cpuid", "qemu-7.2-tcg-max.probe", "sapphire-rapids.cpuinfo"] {
            let print = try Samples.fingerprint(name)
            let difference = CPUDifference(from: print, to: print)
            #expect(difference.isHarmless && difference.gained.isEmpty && difference.values.isEmpty, "\(name)")
        }
    }

    @Test func whatOneSideDoesNotTellIsNotCalledADifference() throws {
        let full = try Samples.fingerprint("sapphire-rapids.cpuid")
        var partial = CPUFingerprint(source: FingerprintSource(.snapshot))
        partial.set(try #require(FeatureTable.standard.features(named: "pcid").first?.bit), to: true)
        let difference = CPUDifference(from: partial, to: full)
        #expect(difference.lost.isEmpty && difference.gained.isEmpty)
        #expect(difference.uncertain.contains("avx2"))
        #expect(!difference.uncertain.contains("pcid"))
    }

    @Test func bitsWithoutANameAreShownByTheirPlace() throws {
        var left = CPUFingerprint(source: FingerprintSource(.probe), isComplete: true)
        left.set(.cpuid(leaf: 7, subleaf: 0, .edx), to: 1 << 12)
        let right = CPUFingerprint(source: FingerprintSource(.probe), isComplete: true)
        #expect(CPUDifference(from: left, to: right).lost.map(\.name) == ["7.0.edx.12"])
    }

    @Test(arguments: [
        ("Haswell,-pcid,+svm,kvm=off", "Haswell,kvm=off,-pcid,+svm"), ("max", "max"),
        ("qemu64,enforce", "qemu64,enforce"), ("host,migratable=no,phys-bits=46", "host,migratable=off,phys-bits=46"),
        ("Haswell,pcid=off,avx512f", "Haswell,-pcid,+avx512f"),
    ])
    func argumentsAreTakenApartAndPutTogether(_ text: String, _ expected: String) {
        #expect(CPUArgument(text).description == expected)
    }

    @Test func theTranslatorsArgumentFollowsFromTheOneForKVM() {
        #expect(
            CPUArgument("Haswell-noTSX,-pcid,kvm=off,kvm-pv-eoi=off").forTranslator?.description
                == "Haswell-noTSX,-pcid,enforce")
        #expect(CPUArgument("host,-pcid").forTranslator == nil)
    }

    @Test func aTargetCanBeDescribedInAFile() throws {
        let text = """
            name: mine
            base: qemu-tcg-7.2
            add: [rdseed, 7.0.edx.4]
            remove: [3dnow]
            x2apic-mode: true
            machines: [pc-i440fx-7.2]
            """
        #expect(TargetProfile.isDescription(text))
        let target = try TargetProfile(description: text, file: "t.yaml", known: TargetProfile.recorded)
        #expect(target.name == "mine" && target.hasX2APIC && target.machineTypes == ["pc-i440fx-7.2"])
        #expect(target.provides("rdseed") == true && target.provides("fsrm") == true)
        #expect(target.provides("3dnow") == false && target.provides("avx2") == true)
        for (wrong, word) in [
            ("name: x\nbase: none", "none"), ("name: x\nmachines: []\nfoo: 1", "line 3"),
            ("name: x\nadd: [no-such-thing]", "no-such-thing"), ("name: x\nadd: 5", "t.yaml"),
            ("name: x\nadd: []\nversion: abc", "abc"),
        ] {
            let error = #expect(throws: CPUModelError.self) {
                try TargetProfile(description: wrong, file: "t.yaml", known: TargetProfile.recorded)
            }
            #expect(error?.message.contains(word) == true, "\(wrong): \(error?.message ?? "")")
        }
    }

    @Test func s2eHasNoVectorInstructionsBeyondSSE3() throws {
        #expect(TargetProfile.recorded.map(\.name) == TargetProfile.recordedNames)
        let target = try #require(TargetProfile.recorded.first { $0.name == "s2e-libcpu" })
        for name in ["ssse3", "sse4.1", "aes", "xsave", "avx", "rdrand"] { #expect(target.provides(name) == false) }
        for name in ["sse2", "pni", "popcnt", "cx16", "nx", "syscall", "lm"] { #expect(target.provides(name) == true) }
    }
}

import CPUModel
import Foundation
import Testing

@Suite struct FormatTests {
    /// Features that one text says are on and the other says are off.
    private func contradictions(_ a: CPUFingerprint, _ b: CPUFingerprint) -> [String] {
        FeatureTable.standard.features.filter { feature in
            guard !feature.isDerived, let left = a[feature.bit], let right = b[feature.bit] else { return false }
            return left != right
        }.map(\.name)
    }

    @Test func threeProgramsDescribeTheSameProcessor() throws {
        let cpuid = try Samples.fingerprint("sapphire-rapids.cpuid")
        let cpuinfo = try Samples.fingerprint("sapphire-rapids.cpuinfo")
        let libvirt = try Samples.fingerprint("libvirt-capabilities.xml")
        #expect(cpuid.isComplete && !cpuinfo.isComplete && !libvirt.isComplete)
        for print in [cpuid, cpuinfo, libvirt] { #expect(print.vendor == "GenuineIntel") }
        #expect(cpuid.signature == CPUFingerprint.Signature(family: 6, model: 207, stepping: 2))
        #expect(cpuinfo.signature == cpuid.signature)
        #expect(cpuinfo.physicalBits == 46 && cpuid.physicalBits == 46)
        #expect(cpuid.hypervisor == "KVMKVMKVM")
        // Linux switches LA57 and CET off where it does not use them, and says so by leaving them out of its flags.
        #expect(contradictions(cpuid, cpuinfo) == [])
        // libvirt leaves out what a guest cannot have.
        #expect(contradictions(cpuid, libvirt) == [])
        for name in ["avx512f", "amx-tile", "serialize", "x2apic", "tsc-deadline", "pcid"] {
            #expect(cpuid[name] == true && cpuinfo[name] == true, "\(name)")
        }
        #expect(cpuid["svm"] == false && cpuinfo["svm"] == false)
    }

    @Test func theProbeGuestTellsEverything() throws {
        let print = try Samples.fingerprint("qemu-7.2-tcg-max.probe")
        #expect(print.isComplete)
        #expect(print.vendor == "AuthenticAMD" && print.hypervisor == "TCGTCGTCGTCG")
        #expect(print.brand == "QEMU TCG CPU version 2.5+")
        #expect(print["avx2"] == true && print["avx512f"] == false && print["x2apic"] == false)
        // A leaf that does not exist is zero; an MSR that nobody announced says nothing.
        #expect(print[FeatureWord.cpuid(leaf: 0x19, subleaf: 0, .ebx)].known == 0xffff_ffff)
        #expect(print["rdctl-no"] == nil)
        #expect(print.leaf(0xb, subleaf: 2) == CPUFingerprint.Leaf(eax: 0, ebx: 0, ecx: 0, edx: 0))
        let newer = try Samples.fingerprint("qemu-10.0-tcg-max.probe")
        #expect(newer["x2apic"] == true && newer["rdseed"] == true && newer["cmpccxadd"] == true)
    }

    @Test func theProbeGuestReadsFeatureMSRsUnderKVM() throws {
        let print = try Samples.fingerprint("sapphire-rapids-kvm-host.probe")
        #expect(print.hypervisor == "KVMKVMKVM" && print.vendor == "GenuineIntel")
        // ARCH_CAPABILITIES is 0xEB there.
        for name in ["rdctl-no", "ibrs-all", "skip-l1dfl-vmentry", "mds-no", "pschange-mc-no", "tsx-ctrl"] {
            #expect(print[name] == true, "\(name)")
        }
        #expect(print["rsba"] == false && print["taa-no"] == false)
        // The host has all that its guest has, but for what QEMU and KVM make themselves.
        let host = try Samples.fingerprint("sapphire-rapids.cpuid")
        let difference = CPUDifference(from: print, to: host)
        let lost = difference.lost.filter { !$0.name.hasPrefix("kvm") }.map(\.name)
        #expect(lost == ["mwait-extensions", "mwait-interrupt-break"])
    }

    @Test func targetsThatAreWrittenDownAreWhatTheProbeGuestSaw() throws {
        for (version, sample) in [
            (QEMUVersion(7, 2), "qemu-7.2-tcg-max.probe"), (QEMUVersion(10, 0), "qemu-10.0-tcg-max.probe"),
        ] {
            let recorded = try #require(TargetProfile.tcg(version: version, machineTypes: []).features)
            let measured = try Samples.fingerprint(sample)
            #expect(contradictions(recorded, measured) == [])
            #expect(recorded.physicalBits == measured.physicalBits)
            for component in [UInt32(2), 3, 4, 9] {
                #expect(recorded.leaf(0xd, subleaf: component) == measured.leaf(0xd, subleaf: component))
            }
        }
    }

    @Test func answersOfQEMUAreRead() throws {
        let expansion = try Samples.fingerprint("expansion-haswell.json")
        #expect(expansion.source.kind == .expansion && expansion.source.cpu?.hasPrefix("Haswell-noTSX") == true)
        #expect(expansion["avx2"] == true && expansion["avx512f"] == false && expansion.vendor == "GenuineIntel")
        #expect(expansion.signature?.model == 60)
        let missing = try Samples.fingerprint("definitions-tcg.json", model: "Haswell-noTSX")
        #expect(missing["pcid"] == false && missing["tsc-deadline"] == false && missing["avx2"] == nil)
        #expect(throws: CPUModelError.self) { try Samples.fingerprint("definitions-tcg.json") }
        #expect(throws: CPUModelError.self) { try Samples.fingerprint("definitions-tcg.json", model: "Z80") }
    }

    @Test func libvirtDescribesTheTranslator() throws {
        let libvirt = try Samples.fingerprint("libvirt-domain-capabilities-tcg.xml")
        let probe = try Samples.fingerprint("qemu-7.2-tcg-max.probe")
        #expect(contradictions(libvirt, probe) == [])
        #expect(libvirt["la57"] == true && libvirt["xsavec"] == false)
    }

    @Test func aDomainSaysWhatItAddsToAModel() throws {
        let xml = """
            <domain type='kvm'><name>x</name><cpu mode='custom' match='exact' check='full'>
              <model fallback='forbid'>Haswell-noTSX</model><vendor>Intel</vendor>
              <feature policy='require' name='pclmuldq'/><feature policy='require' name='avx512f'/>
              <feature policy='disable' name='pcid'/><feature policy='optional' name='rdpid'/>
            </cpu></domain>
            """
        let print = try FingerprintText(xml, name: "d.xml").fingerprint { name throws(CPUModelError) in
            try LibvirtCPUMap().fingerprint(of: name)
        }
        #expect(print.source.kind == .domain)
        #expect(print["pclmulqdq"] == true && print["avx512f"] == true && print["avx2"] == true)
        #expect(print["pcid"] == false && print["rdpid"] == false)
        // Without the model's definition only what the XML itself says is known.
        let poor = try FingerprintText(xml, name: "d.xml").fingerprint { _ throws(CPUModelError) in nil }
        #expect(poor["avx512f"] == true && poor["avx2"] == nil)
        #expect(poor.source.detail.contains("Haswell-noTSX"))
    }

    @Test func ownJSONComesBackAsItWas() throws {
        for name in [
            "sapphire-rapids.cpuid", "sapphire-rapids.cpuinfo", "qemu-7.2-tcg-max.probe", "expansion-haswell.json",
        ] {
            let print = try Samples.fingerprint(name)
            let again = try FingerprintText(print.json, name: "x").fingerprint { _ throws(CPUModelError) in nil }
            #expect(again == print, "\(name)")
        }
    }

    @Test(arguments: [
        "", "hello", "{", "{}", "[]", "[1]", "<", "<domain/>", "<domain><cpu mode='x'/>", "<a>&b;</a>",
        "c 00000000 00000000 x",
        "c 00000000 00000000 0000000D 68747541 444D4163 69746E65\n", "vendor_id : x\n",
        "CPU:\n   0x00000000 0x00: eax=1",
        "{\"format\":1,\"source\":{\"kind\":\"probe-guest\",\"detail\":\"\"},\"cpuid\":{\"x\":{\"eax\":\"1\"}}}",
        "{\"format\":9,\"source\":{\"kind\":\"probe-guest\",\"detail\":\"\"},\"cpuid\":{}}",
    ])
    func whatIsNoCPUIsAClearError(_ text: String) {
        let error = #expect(throws: CPUModelError.self) {
            try FingerprintText(text, name: "file").fingerprint { _ throws(CPUModelError) in nil }
        }
        #expect(error?.message.isEmpty == false)
    }

    @Test func damagedTextsNeverTrap() throws {
        let samples = [
            "sapphire-rapids.cpuid", "sapphire-rapids.cpuinfo", "libvirt-capabilities.xml", "qemu-7.2-tcg-max.probe",
            "definitions-tcg.json",
        ]
        var state: UInt64 = 1
        func random(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % max(1, limit)
        }
        var read = 0
        for name in samples {
            let bytes = Array(try Samples.text(name).utf8)
            for _ in 0..<60 {
                var damaged = bytes
                for _ in 0..<(1 + random(8)) { damaged[random(damaged.count)] = UInt8(truncatingIfNeeded: random(256)) }
                if random(3) == 0 { damaged.removeLast(random(damaged.count)) }
                let text = FingerprintText(String(decoding: damaged, as: UTF8.self), name: name, model: "qemu64")
                if (try? text.fingerprint { _ throws(CPUModelError) in nil }) != nil { read += 1 }
            }
        }
        #expect(read > 0 && read < 300)
    }
}

import CPUModel
import Testing

@Suite struct FeatureTableTests {
    @Test func everyFeatureOfLibvirtIsKnownAtItsBit() throws {
        let map = try LibvirtCPUMap()
        #expect(map.features.count > 200)
        for feature in map.features.values {
            for name in [feature.name] + feature.aliases {
                let places = FeatureTable.standard.features(named: name).map(\.bit)
                #expect(!places.isEmpty, "\(name)")
                #expect(Set(feature.bits).isSubset(of: places), "\(name): libvirt \(feature.bits), here \(places)")
            }
            #expect(FeatureTable.standard.libvirt(feature.name).map(\.bit) == feature.bits, "\(feature.name)")
        }
    }

    @Test func noBitHasTwoNamesAndFewNamesHaveTwoBits() {
        let table = FeatureTable.standard
        #expect(table.features.count > 450)
        #expect(Set(table.features.map(\.bit)).count == table.features.count)
        #expect(Set(table.features.map(\.name)).count == table.features.count)
        let names = table.features.flatMap(\.qemu)
        let twice = Set(Dictionary(grouping: names, by: { $0 }).filter { $0.value.count > 1 }.keys)
        // QEMU itself uses each of these for two bits.
        #expect(twice == ["kvmclock", "vmx-invept-single-context"])
    }

    @Test func wordsAndBitsAreReadAsTheyAreWritten() throws {
        for text in ["1.ecx", "7.0.ebx", "7.2.edx", "80000001.edx", "d.1.eax", "msr.10a"] {
            #expect(FeatureWord(text)?.description == text)
            let bit = try #require(FeatureBit(text + ".3"))
            #expect(bit.description == text + ".3")
        }
        for text in ["", "1", "1.efx", "g.ecx", "1.2.3.4", "msr.", "7.0.ebx.32", "1.ecx.-1", "msr.10a.64"] {
            #expect(FeatureBit(text) == nil && (FeatureWord(text) == nil || text.contains("ebx.")), "\(text)")
        }
        #expect(FeatureWord("0x7.ebx") == FeatureWord("7.0.ebx"))
    }

    @Test func modelsOfLibvirtInheritFromEachOther() throws {
        let map = try LibvirtCPUMap()
        let haswell = try #require(map.fingerprint(of: "Haswell-noTSX"))
        #expect(haswell.vendor == "GenuineIntel")
        #expect(haswell["avx2"] == true && haswell["rtm"] == false && haswell["sse2"] == true)
        #expect(map.fingerprint(of: "no-such-model") == nil)
    }
}

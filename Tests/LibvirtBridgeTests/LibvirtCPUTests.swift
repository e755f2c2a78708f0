import CPUModel
import Hypervisor
import LibvirtBridge
import Testing

@Suite struct LibvirtCPUTests {
    @Test func cpusAreTranslatedBothWays() async throws {
        let catalog = try await QEMUInstallation.find().modelCatalog()
        let map = try LibvirtCPUMap()
        for text in [
            "Haswell-noTSX,-pcid,-invpcid,-x2apic,-tsc-deadline", "EPYC-v1,-svm", "qemu64", "Skylake-Server-v4,-mpx",
        ] {
            let wanted = try #require(catalog.fingerprint(of: CPUArgument(text)))
            let cpu = try LibvirtCPU(nearestTo: wanted, map: map)
            let argument = try cpu.argument(map: map, catalog: catalog)
            let back = try #require(catalog.fingerprint(of: argument))
            for feature in FeatureTable.standard.features where map.features[feature.libvirt.first ?? ""] != nil {
                #expect(back[feature.bit] == wanted[feature.bit], "\(text): \(feature.name) by \(argument)")
            }
        }
    }

    @Test func modesStandForTheHost() throws {
        let catalog = QEMUModelCatalog(models: [], featureNames: [], aliases: [:])
        for (xml, model) in [
            ("<cpu mode='host-passthrough'/>", "host"), ("<cpu mode='host-model'/>", "host"),
            ("<cpu mode='maximum'/>", "max"),
            ("<cpu/>", "qemu64"),
        ] {
            #expect(try LibvirtCPU(xml: xml).argument(map: nil, catalog: catalog).description == model)
        }
        let error = #expect(throws: CPUModelError.self) {
            try LibvirtCPU(model: "PowerPC").argument(map: nil, catalog: catalog)
        }
        #expect(error?.message.contains("--cpu") == true)
    }
}

import CPUModel
import Foundation
import Hypervisor
import LibvirtBridge
import Testing

/// With libvirt's test driver, and with its real QEMU driver, which is loaded into this process: no daemon is needed.
@Suite(.serialized) struct LibvirtConnectionTests {
    /// The embedded driver knows one directory in the life of a process.
    private static let root = FileManager.default.temporaryDirectory
        .appendingPathComponent("libvirt-\(UUID().uuidString.prefix(8))").path

    private func embedded(_ body: (borrowing LibvirtConnection) async throws -> Void) async throws {
        // Guests run as whoever runs the tests. As the account that libvirt prefers for root, they might not reach /dev/kvm, and libvirt
        // would look at QEMU anew for each question.
        let directory = "\(Self.root)/etc"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let user = NSUserName()
        try "user = \"\(user)\"\ngroup = \"+\(getgid())\"\n".write(
            toFile: "\(directory)/qemu.conf", atomically: false, encoding: .utf8)
        let connection = try LibvirtConnection(uri: "qemu:///embed?root=\(Self.root)")
        try await body(connection)
    }

    @Test func theTestDriversDomainIsRead() throws {
        let connection = try LibvirtConnection(uri: "test:///default")
        let found = try connection.domain(named: "test")
        #expect(found.isActive)
        let domain = try LibvirtDomain(xml: found.xml)
        #expect(domain.type == "test" && domain.memoryMiB == 8192 && domain.cpus == 2)
        #expect(domain.disks.map(\.path) == ["/guest/diskimage1"])
    }

    @Test func whatIsNotThereIsNamed() throws {
        let error = #expect(throws: LibvirtError.self) { _ = try LibvirtConnection(uri: "nowhere:///x") }
        #expect(error?.code == .unreachable)
        let connection = try LibvirtConnection(uri: "test:///default")
        let missing = #expect(throws: LibvirtError.self) { try connection.domain(named: "none") }
        #expect(missing?.code == .noDomain && missing?.message.contains("none") == true)
        // The test driver has no CPUs to compare with.
        let unsupported = #expect(throws: LibvirtError.self) {
            try connection.baselineHypervisorCPU(xml: ["<cpu><model>qemu64</model></cpu>"], virtualization: "qemu")
        }
        #expect(unsupported?.code == .unsupported)
    }

    @Test func aDomainIsDefinedAndReadBack() async throws {
        try await embedded { connection in
            var domain = LibvirtDomain(
                name: "made-here", type: "qemu", machine: "pc-i440fx-7.2", memoryMiB: 128, cpus: 2,
                disks: [.init(path: "/nowhere/disk.qcow2", format: "qcow2", slot: 4)], kernel: nil, initialRamdisk: nil,
                commandLine: nil)
            domain.cpu = LibvirtCPU(model: "Haswell-noTSX", disabled: ["pcid", "invpcid"])
            try connection.define(xml: domain.xml)
            let isThere = connection.hasDomain(named: "made-here")
            #expect(isThere)
            let found = try connection.domain(named: "made-here")
            #expect(!found.isActive)
            let again = try LibvirtDomain(xml: found.xml)
            #expect(again.machine == domain.machine && again.disks == domain.disks && again.memoryMiB == 128)
            #expect(again.cpu?.model == "Haswell-noTSX")
            #expect(again.cpu.map { Set($0.disabled).isSuperset(of: ["pcid", "invpcid"]) } == true)
        }
    }

    /// libvirt and this module agree on whether the translator provides a CPU.
    ///
    /// They may differ for a model whose features libvirt knows otherwise than QEMU: libvirt compares its own definition.
    @Test func comparisonsAgreeWithLibvirt() async throws {
        let installation = try QEMUInstallation.find()
        let max = try await installation.capabilities(of: .tcg)
        let map = try LibvirtCPUMap()
        try await embedded { connection in
            var provided = 0
            for (model, disabled) in [
                ("qemu64", []), ("Westmere", []), ("Haswell-noTSX", []), ("Nehalem", []), ("Penryn", []),
                ("Haswell-noTSX", ["pcid", "invpcid", "x2apic", "tsc-deadline"]), ("EPYC", []), ("Skylake-Client", []),
                ("Opteron_G2", []), ("SandyBridge", ["x2apic", "tsc-deadline"]), ("Conroe", []),
            ] as [(String, [String])] {
                let cpu = LibvirtCPU(model: model, disabled: disabled)
                let theirs = try connection.compareHypervisorCPU(
                    xml: cpu.xml.joined(separator: "\n"), virtualization: "qemu")
                let print = try CPUFingerprint(libvirt: cpu, source: FingerprintSource(.domain)) {
                    name throws(CPUModelError) in map.fingerprint(of: name)
                }
                // What libvirt's driver does not count: models of the other vendor are compared by features.
                let missing = CPUDifference(from: print, to: max).lost.map(\.name)
                switch theirs {
                case .incompatible(let text):
                    #expect(!missing.isEmpty, "\(model): libvirt says '\(text)'")
                    for name in missing {
                        let words = FeatureTable.standard.features(named: name).flatMap(\.libvirt)
                        #expect(words.contains { text.contains($0) }, "\(model): \(name) is not in '\(text)'")
                    }
                case .identical, .superset:
                    #expect(missing == [], "\(model)")
                    provided += 1
                }
            }
            #expect(provided >= 3)
        }
    }

    /// The baseline of libvirt and ours have the same features, but for one that libvirt should have left out.
    @Test func baselinesAgreeWithLibvirt() async throws {
        let installation = try QEMUInstallation.find()
        let catalog = try await installation.modelCatalog()
        let max = try await installation.capabilities(of: .tcg)
        let map = try LibvirtCPUMap()
        try await embedded { connection in
            for models in [["Haswell-noTSX", "Skylake-Client"], ["EPYC", "EPYC-Rome"], ["Westmere", "Broadwell"]] {
                let cpus = models.map { LibvirtCPU(model: $0) }
                let text = try connection.baselineHypervisorCPU(
                    xml: cpus.map { $0.xml.joined(separator: "\n") }, virtualization: "qemu")
                let theirs = try CPUFingerprint(
                    libvirt: LibvirtCPU(xml: text), source: FingerprintSource(.domain)
                ) { name throws(CPUModelError) in map.fingerprint(of: name) }
                let prints = models.compactMap { map.fingerprint(of: $0) }
                let ours = try CPUBaseline(of: prints + [max], catalog: catalog).fingerprint
                var differences: [String] = []
                for feature in FeatureTable.standard.features {
                    if let left = ours[feature.bit], let right = theirs[feature.bit], left != right {
                        differences.append(feature.name)
                    }
                }
                // libvirt leaves VME of its EPYC in, although the translator does not provide it.
                #expect(differences == (models.contains("EPYC") ? ["vme"] : []), "\(models): \(text)")
                #expect(max["vme"] == false && ours["vme"] == false)
            }
        }
    }
}

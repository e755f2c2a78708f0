import Foundation
import Testing

/// VMs that go to libvirt and come back: with its test driver, and with its real QEMU driver, loaded without a daemon.
@Suite(.serialized) struct LibvirtTests {
    private struct VM: Decodable {
        struct Machine: Decodable {
            let machine: String
            let cpu: String
            let memoryMiB: Int
            let cpus: Int
        }
        struct Disk: Decodable {
            let slot: Int
            let digest: String?
        }
        let machine: Machine
        let disks: [Disk]
    }
    private struct Report: Decodable {
        let vm: VM
        let leftOut: [String]
    }

    private func decode<Value: Decodable>(_ output: Output) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(output.standardOutput.utf8))
    }

    @Test func aVMGoesToLibvirtAndComesBack() async throws {
        let home = try await MiniGuest.shared.home()
        let uri = "qemu:///embed?root=\(home.path)/libvirt"
        let exported = try await home.stemma("vm", "export", "Mini", home.path + "/files", "--libvirt", uri)
        #expect(exported.standardOutput.contains("domain 'Mini'"))
        try await home.stemma("vm", "export", "Mini", home.path + "/again", "--libvirt", uri, expecting: 64)
        let report: Report = try decode(
            try await home.stemma("vm", "import", "Mini", "--libvirt", uri, "--name", "Back", "--json"))
        #expect(report.leftOut.isEmpty)
        let original: VM = try decode(try await home.stemma("vm", "show", "Mini", "--json"))
        let back = report.vm
        #expect(
            back.machine.machine == original.machine.machine && back.machine.memoryMiB == original.machine.memoryMiB)
        #expect(back.disks.map(\.slot) == original.disks.map(\.slot))
        #expect(back.disks.map(\.digest) == original.disks.map(\.digest))
        // The guest boots from what came back.
        try await home.stemma("run", "Back", "prep", "--headless", "--until", "READY")
        try await home.stemma("vm", "import", "Mini", "--libvirt", uri, "--name", "Back", expecting: 73)
        try await home.stemma("vm", "import", "Nobody", "--libvirt", uri, expecting: 66)
    }

    @Test func theTestDriverHasADomainWhoseDiskIsNowhere() async throws {
        let home = try TestHome()
        let output = try await home.stemma("vm", "import", "test", "--libvirt", "test:///default", expecting: 66)
        #expect(output.standardError.contains("/guest/diskimage1"))
        try await home.stemma("vm", "import", "x", "--libvirt", "nowhere:///", expecting: 69)
        try await home.stemma("vm", "import", "x", expecting: 64)
        #expect(try await home.stemma("vm", "list").standardOutput.isEmpty)
    }
}

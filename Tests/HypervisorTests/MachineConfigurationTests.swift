import Foundation
import Hypervisor
import Testing

@Suite struct MachineConfigurationTests {
    @Test func jsonIsStable() throws {
        let configuration = MachineConfiguration(
            machine: "pc-i440fx-7.2", cpu: "qemu64", memoryMiB: 128, cpus: 2, diskCount: 2,
            boot: .init(hasInitialRamdisk: true, commandLine: "quiet"), extraArguments: ["-no-reboot"])
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = String(decoding: try encoder.encode(configuration), as: UTF8.self)
        #expect(
            text
                == #"{"boot":{"commandLine":"quiet","hasInitialRamdisk":true},"cpu":"qemu64","cpus":2,"#
                + #""disks":[{"id":"disk0","slot":4},{"id":"disk1","slot":5}],"extraArguments":["-no-reboot"],"#
                + #""machine":"pc-i440fx-7.2","memoryMiB":128}"#)
        #expect(try JSONDecoder().decode(MachineConfiguration.self, from: Data(text.utf8)) == configuration)
        #expect(configuration.snapshotNodes == ["vmstate", "disk0", "disk1"])
    }

    @Test func diskNamesAndSlotsAreChecked() async throws {
        for disks: [MachineConfiguration.Disk] in [
            [.init(id: "vmstate", slot: 4)], [.init(id: "0", slot: 4)], [.init(id: "a b", slot: 4)],
            [.init(id: "a", slot: 3)], [.init(id: "a", slot: 4), .init(id: "b", slot: 4)],
            [.init(id: "a", slot: 4), .init(id: "a", slot: 5)],
        ] {
            var configuration = MachineConfiguration(machine: "pc", cpu: "qemu64", memoryMiB: 32)
            configuration.disks = disks
            let broken = configuration
            let error = try await hypervisorError { try broken.validate() }
            #expect(error.code == .invalidConfiguration)
        }
    }
}

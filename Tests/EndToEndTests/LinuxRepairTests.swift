import Foundation
import Testing

/// Linux-aware repairs on real KVM snapshots: guests that would hang or die go on under QEMU's translator.
@Suite(.serialized) struct LinuxRepairTests {
    private static let policy = Tool.path("policies/linux-repairs.yaml")

    @Test(arguments: [
        ("deadline", ["linux-lapic-oneshot", "linux-xapic"]), ("smp-pv-ipi", ["linux-native-ipi"]),
        ("x2apic", ["linux-xapic"]),
    ])
    func aRepairedGuestTicks(name: String, repairs: [String]) async throws {
        let directory = try await LabTests.Lab.shared.directory()
        let home = try await MiniGuest.shared.home()
        try await home.stemma(
            "snapshot", "import", "\(directory)/\(name).stream", "--vm", "Mini", "--name", "booted")
        let check = try await home.stemma("check", "Mini:booted", "--policy", Self.policy, expecting: 1)
        for repair in repairs { #expect(check.standardOutput.contains(repair)) }

        let convert = try await home.stemma("convert", "Mini:booted", "--as", "repaired", "--policy", Self.policy)
        for repair in repairs { #expect(convert.standardOutput.contains("(\(repair))")) }
        // The default policy has nothing to say against the result: the causes are gone.
        try await home.stemma("check", "Mini:repaired")

        let resumed = try await home.stemma("run", "Mini:repaired", "prep", "--headless", "--until", "tick ")
        #expect(!resumed.standardOutput.contains("Linux version"))
        let number = try #require(resumed.standardOutput.matches(of: /tick (\d+)/).compactMap { Int($0.1) }.first)
        try await home.stemma("run", "Mini:repaired", "prep", "--headless", "--until", "tick \(number + 5)")
        // The original is what it was.
        try await home.stemma("check", "Mini:booted", expecting: 2)
    }
}

import Foundation
import Testing

/// Linux-aware repairs on real KVM snapshots: guests that would hang or die go on under QEMU's translator.
@Suite(.serialized) struct LinuxRepairTests {
    private static let policy = Tool.path("policies/linux-repairs.yaml")

    @Test(arguments: [
        ("deadline", ["linux-lapic-oneshot", "linux-xapic", "linux-native-clock"]),
        ("smp-pv-ipi", ["linux-native-ipi"]), ("x2apic", ["linux-xapic", "linux-native-clock"]),
    ])
    func aRepairedGuestTicks(name: String, repairs: [String]) async throws {
        let directory = try await LabTests.Lab.shared.directory()
        try await resumeRepaired("\(directory)/\(name).stream", repairs)
    }

    /// Snapshots of the newer kernel take long to make: those that the lab's table has left on this machine.
    @Test(
        .enabled(if: !Newer.all.isEmpty, "no snapshots of the newer kernel: Tests/lab/table makes them"),
        arguments: Newer.all)
    fileprivate func aRepairedGuestOfTheNewerKernelTicks(_ snapshot: Newer) async throws {
        try await resumeRepaired(
            snapshot.stream, snapshot.repairs, isDiskless: snapshot.isDiskless, isFatal: snapshot.isFatal)
    }

    /// Checks, converts and resumes a snapshot.
    private func resumeRepaired(
        _ stream: String, _ repairs: [String], isDiskless: Bool = false, isFatal: Bool = true
    ) async throws {
        let home = try await MiniGuest.shared.home()
        if isDiskless { try await home.stemma("vm", "disk", "remove", "Mini", "disk0") }
        try await home.stemma("snapshot", "import", stream, "--vm", "Mini", "--name", "booted")
        let check = try await home.stemma("check", "Mini:booted", "--policy", Self.policy, expecting: 1)
        for repair in repairs { #expect(check.standardOutput.contains(repair)) }

        let convert = try await home.stemma("convert", "Mini:booted", "--as", "repaired", "--policy", Self.policy)
        for repair in repairs { #expect(convert.standardOutput.contains("(\(repair))")) }
        // The default policy has nothing to say against the result: the causes are gone.
        try await home.stemma("check", "Mini:repaired")
        // None keeps time by what KVM filled, and none would have its clock changed again.
        let after = try await home.stemma("check", "Mini:repaired", "--policy", Self.policy)
        #expect(!after.standardOutput.contains("kvm-clock"))

        let resumed = try await home.stemma("run", "Mini:repaired", "prep", "--headless", "--until", "tick ")
        #expect(!resumed.standardOutput.contains("Linux version"))
        let number = try #require(resumed.standardOutput.matches(of: /tick (\d+)/).compactMap { Int($0.1) }.first)
        try await home.stemma("run", "Mini:repaired", "prep", "--headless", "--until", "tick \(number + 5)")
        // The original is what it was.
        try await home.stemma("check", "Mini:booted", expecting: isFatal ? 2 : 1)
    }
}

/// A snapshot of the newer kernel in the lab's cache.
private struct Newer: Sendable, CustomTestStringConvertible {
    let name: String
    let stream: String
    let repairs: [String]

    var isDiskless: Bool { name == "new-smp-pv-ipi" }
    /// Without a repair it does not go on. The two CPUs of the other one call KVM only when they wait for a lock.
    var isFatal: Bool { name != "new-smp-pv-ipi" }
    var testDescription: String { name }

    private static let names = [
        "new-smp-pv-ipi": ["linux-native-ipi"],
        "new-deadline": ["linux-lapic-oneshot", "linux-xapic", "linux-native-clock"],
    ]

    /// Those that are there, the latest of each name.
    static let all: [Newer] = {
        let environment = ProcessInfo.processInfo.environment
        let cache = environment["XDG_CACHE_HOME"] ?? (environment["HOME"] ?? "/root") + "/.cache"
        let lab = cache + "/stemma/lab"
        let files = FileManager.default
        func date(_ path: String) -> Date {
            (try? files.attributesOfItem(atPath: path)[.modificationDate] as? Date) ?? .distantPast
        }
        return names.sorted { $0.key < $1.key }.compactMap { name, repairs in
            let keys = (try? files.contentsOfDirectory(atPath: lab)) ?? []
            // The description appears last.
            let found = keys.map { "\(lab)/\($0)/\(name)" }.filter { files.fileExists(atPath: $0 + ".json") }
            let latest = found.max { date($0 + ".json") < date($1 + ".json") }
            return latest.map { Newer(name: name, stream: $0 + ".stream", repairs: repairs) }
        }
    }()
}

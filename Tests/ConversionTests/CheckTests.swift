import CPUModel
import Conversion
import Foundation
import GuestInspection
import Testing
import VMState

/// Each check on a snapshot that has what it looks for, and on one that does not.
@Suite struct CheckTests {
    private let converter = SnapshotConverter()

    private func report(
        _ stream: MigrationStream, target: TargetProfile = KVMLikeStream.target, origin: SnapshotOrigin? = nil,
        log: [KernelLogEvidence]? = []
    ) throws -> CheckReport {
        try converter.check(
            KVMLikeStream.context(stream, target: target, origin: origin, log: log), policy: .standard)
    }

    @Test(arguments: [FixtureCase.pc, .q35FourCPUs, .pcSavevm])
    func snapshotsOfTCGAreFine(_ kind: FixtureCase) throws {
        let result = try report(kind.fixture().parsed().stream)
        #expect(result.verdict == .ok)
        #expect(result.exitCode == 0)
        #expect(result.origin == .tcg)
        #expect(Set(result.findings.map(\.check)) == Set(SnapshotChecks.all.map(\.id)))
        #expect(result.findings.map(\.check) == result.findings.map(\.check).sorted())
        // All but the identity that clones share.
        #expect(result.findings.allSatisfy { ($0.severity == .ok || $0.check == "C40") && !$0.title.isEmpty })
    }

    @Test func c01FindsUnknownMachines() throws {
        var (stream, _) = try KVMLikeStream.make(.pc)
        stream.configuration?.machine = "pc-i440fx-9.2"
        let unknown = try report(stream)
        #expect(unknown.severity(of: "C01") == .fatal)
        #expect(unknown.exitCode == 2)
        #expect(unknown.findings(of: "C01").first?.remedy.contains("pc-i440fx-7.2") == true)
        stream.configuration?.machine = "microvm"
        #expect(try report(stream).severity(of: "C01") == .warning)
        stream.configuration = nil
        #expect(try report(stream).severity(of: "C01") == .fatal)
    }

    @Test func c02FindsSectionsOfKVM() throws {
        let (stream, _) = try KVMLikeStream.make(.pc)
        let result = try report(stream)
        #expect(result.origin == .kvm)
        #expect(result.severity(of: "C02") == .fixable)
        #expect(result.findings(of: "C02").first?.evidence.first?.section == "kvmclock#0")
        #expect(result.findings(of: "C02").first?.fix == "remove-kvm-sections")
        #expect(result.exitCode == 1)
    }

    @Test func c05FindsMissingFlags() throws {
        var (stream, _) = try FixtureCase.pcTwoCPUs.fixture().parsed()
        var cpu = try #require(try stream.cpus().last)
        cpu.cr4 |= 1 << 18 | 1 << 21 | 1 << 11
        cpu.xcr0 = 7
        try stream.replace(cpu)
        let finding = try #require(try report(stream).findings(of: "C05").first)
        #expect(finding.severity == .fixable)
        #expect(finding.evidence.map(\.section) == ["cpu#1"])
        #expect(finding.title.contains("AVX_EN"))
        #expect(finding.title.contains("SMAP"))
        #expect(finding.title.contains("UMIP"))

        // Without OSXSAVE, XCR0 does not matter; EFER.SVME is a bit of its own.
        cpu.cr4 = 0
        cpu.efer |= 1 << 12
        try stream.replace(cpu)
        let other = try #require(try report(stream).findings(of: "C05").first)
        #expect(other.title.hasSuffix(": SVME"))
        // A bit too much is found as well.
        cpu.efer = 0
        cpu.hflags |= 1 << 28
        try stream.replace(cpu)
        #expect(try report(stream).findings(of: "C05").first?.evidence.first?.value.contains("surplus AVX_EN") == true)
    }

    @Test func c06FindsJumpsOfTheCounter() throws {
        var (stream, _) = try KVMLikeStream.make(.pcTwoCPUs)
        let finding = try #require(try report(stream).findings(of: "C06").first)
        #expect(finding.severity == .fixable)
        #expect(finding.effect.contains("backwards"))
        // Reading skew is no difference, hence the CPUs' offsets are right as they are.
        #expect(finding.evidence.map(\.section) == ["timer#0"])

        // A CPU that is really apart.
        var second = try #require(try stream.cpus().last)
        second.tsc = 5
        try stream.replace(second)
        #expect(try report(stream).findings(of: "C06").first?.evidence.map(\.section) == ["timer#0", "cpu#1"])

        // TCG's own snapshots keep stale values of a KVM run: they mean nothing.
        try stream.remove("kvmclock")
        #expect(try report(stream).severity(of: "C06") == .ok)
        #expect(try report(stream, origin: .kvm).severity(of: "C06") == .fixable)
        // In old machines nothing says who wrote them.
        stream.configuration?.machine = "pc-i440fx-5.1"
        let unknown = try report(stream)
        #expect(unknown.origin == .unknown)
        #expect(unknown.severity(of: "C06") == .warning)
        #expect(unknown.exitCode == 0)
    }

    @Test func c09FindsTheDeadlineTimer() throws {
        var (stream, _) = try KVMLikeStream.make(.pcTwoCPUs)
        try stream.edit("apic", 1) { apic throws(VMStateError) in try apic.set("lvt[0]", to: 0x400ec) }
        let result = try report(stream)
        #expect(result.severity(of: "C09") == .fatal)
        #expect(result.exitCode == 2)
        #expect(result.findings(of: "C09").first?.evidence.first?.section == "apic#1")
        #expect(result.findings(of: "C09").first?.remedy.contains("-tsc-deadline") == true)
        // Periodic and one-shot modes are fine.
        for mode: UInt64 in [0x200ec, 0xec, 0x10000] {
            try stream.edit("apic", 1) { apic throws(VMStateError) in try apic.set("lvt[0]", to: mode) }
            #expect(try report(stream).severity(of: "C09") == .ok)
        }
    }

    @Test func c10DependsOnTheTarget() throws {
        var (stream, _) = try KVMLikeStream.make(.pc)
        try stream.edit("apic") { apic throws(VMStateError) in try apic.set("apicbase", to: 0xfee0_0d00) }
        #expect(try report(stream).severity(of: "C10") == .fatal)
        let newer = TargetProfile.tcg(version: QEMUVersion(10, 0), machineTypes: KVMLikeStream.target.machineTypes)
        let result = try report(stream, target: newer)
        #expect(result.severity(of: "C10") == .note)
        #expect(result.exitCode == 1)
    }

    @Test func c21NeedsProofAndSeveralCPUs() throws {
        let (one, _) = try KVMLikeStream.make(.pc)
        let (two, _) = try KVMLikeStream.make(.pcTwoCPUs)
        func log(_ kind: KernelLogEvidence.Kind, _ message: KernelMessage = .hypercallIPIs) -> [KernelLogEvidence] {
            [KernelLogEvidence(message: message, kind: kind, address: 0x1234, text: "kvm-guest: setup PV IPIs")]
        }
        #expect(try report(two, log: log(.record)).severity(of: "C21") == .fatal)
        #expect(try report(two, log: log(.record)).exitCode == 2)
        #expect(try report(two, log: log(.record, .hypercallSpinlocks)).severity(of: "C21") == .fatal)
        #expect(try report(one, log: log(.record)).severity(of: "C21") == .warning)
        #expect(try report(two, log: log(.copy)).severity(of: "C21") == .warning)
        #expect(try report(two, log: log(.record, .hypercallYield)).severity(of: "C21") == .warning)
        #expect(try report(two, log: log(.formatString)).severity(of: "C21") == .ok)
        #expect(try report(two, log: nil).severity(of: "C21") == .warning)
        #expect(try report(one, log: nil).severity(of: "C21") == .ok)
        var paravirtual = two
        var cpu = try #require(try paravirtual.cpus().first)
        cpu.systemTimeMSR = 0x1001
        try paravirtual.replace(cpu)
        #expect(try report(paravirtual).severity(of: "C21") == .note)
    }

    @Test func damagedSectionsAreErrors() throws {
        var (stream, _) = try FixtureCase.pc.fixture().parsed()
        try stream.remove("cpu")
        #expect(throws: VMStateError.self) { try KVMLikeStream.context(stream) }
    }

    @Test func reportsAreJSON() throws {
        var (stream, _) = try KVMLikeStream.make(.pc)
        stream.configuration?.machine = "pc-i440fx-9.2"
        let report = try report(stream)
        let text = try report.json()
        let decoded = try JSONDecoder().decode(CheckReport.self, from: Data(text.utf8))
        #expect(decoded == report)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(
            Set(object.keys)
                == ["schema", "machine", "cpus", "origin", "target", "verdict", "exitCode", "findings"])
        #expect(object["schema"] as? String == "stemma.check/1")
        #expect(object["verdict"] as? String == "fatal")
        let finding = try #require((object["findings"] as? [[String: Any]])?.first)
        #expect(
            Set(finding.keys).isSubset(of: [
                "check", "title", "severity", "evidence", "effect", "remedy", "fix", "reason",
            ]))
    }
}

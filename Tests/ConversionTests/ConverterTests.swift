import CPUModel
import Conversion
import GuestInspection
import Testing
import VMState

/// Conversions, up to a real TCG that loads the result.
@Suite struct ConverterTests {
    private let converter = SnapshotConverter()

    private func write(
        _ stream: MigrationStream, _ pages: RAMPageTable, to path: String
    ) throws {
        var provider = pages
        var output = try FileByteOutput(path: path)
        try MigrationStreamWriter().write(stream, pages: &provider, to: &output)
        try output.synchronize()
    }

    @Test(arguments: [FixtureCase.pc, .pcTwoCPUs, .q35FourCPUs])
    func refusedByQEMUBeforeAndLoadedAfter(_ kind: FixtureCase) throws {
        let fixture = try kind.fixture()
        var (stream, pages) = try KVMLikeStream.make(kind)
        for var cpu in try stream.cpus() {
            cpu.cr4 |= 1 << 18
            cpu.xcr0 = 7
            try stream.replace(cpu)
        }
        let directory = try TemporaryDirectory()
        let arguments = fixture.arguments + ["-S", "-cpu", "max", "-incoming"]

        try write(stream, pages, to: directory["kvm"])
        let refusal = #expect(throws: QEMU.Failure.self) {
            let qemu = try QEMU(arguments + ["exec:cat \(directory["kvm"])"])
            _ = try qemu.incomingStatus()
        }
        #expect(refusal?.description.contains("kvmclock") == true, "\(String(describing: refusal))")

        let context = try KVMLikeStream.context(stream)
        let result = try converter.convert(context, policy: .standard)
        #expect(result.before.exitCode == 1)
        #expect(result.after.exitCode == 0)
        #expect(result.fixes.map(\.fix) == ["remove-kvm-sections", "recompute-hflags", "continue-tsc"])
        #expect(result.fixes.map(\.check) == ["C02", "C05", "C06"])
        #expect(result.stream.device("kvmclock") == nil)
        #expect(result.stream.devices.count == stream.devices.count - 1)
        // The original is as it was.
        #expect(context.stream.device("kvmclock") != nil)

        try write(result.stream, pages, to: directory["tcg"])
        let qemu = try QEMU(arguments + ["exec:cat \(directory["tcg"])"])
        let status = try qemu.incomingStatus()
        #expect(["paused", "prelaunch", "postmigrate"].contains(status), "\(status)")
        // What TCG itself has now: saved again without having run.
        try qemu.migrate(to: directory["again"])
        qemu.quit()
        var sink = DiscardingPageSink()
        let again = try MigrationStreamReader(try FileByteSource(path: directory["again"])).read(pages: &sink)
        #expect(try again.device("timer")?.unsigned("cpu_ticks_offset") == 0x2b7_2efd_7f36)
        for cpu in try again.cpus() {
            #expect(cpu.hflags & 1 << 28 != 0)
            #expect(cpu.tscOffset == 0)
        }
        pages = RAMPageTable()
    }

    @Test func changesNothingElse() throws {
        let (stream, _) = try KVMLikeStream.make(.pcTwoCPUs)
        let result = try converter.convert(KVMLikeStream.context(stream), policy: .standard)
        var expected = stream
        try expected.remove("kvmclock")
        try expected.edit("timer") { timer throws(VMStateError) in
            try timer.set("cpu_ticks_offset", to: 0x2b7_2efd_7f36)
        }
        #expect(result.stream == expected)
        let again = try converter.convert(KVMLikeStream.context(result.stream), policy: .standard)
        #expect(again.fixes.isEmpty)
        #expect(again.stream == result.stream)
    }

    @Test func distantCountersKeepTheirDistance() throws {
        var (stream, _) = try KVMLikeStream.make(.pcTwoCPUs)
        var cpu = try #require(try stream.cpus().last)
        cpu.tsc = 0x2b7_2efd_7f36 - 7_000_000_000
        try stream.replace(cpu)
        let result = try converter.convert(KVMLikeStream.context(stream), policy: .standard)
        #expect(try result.stream.cpus().map(\.tscOffset) == [0, 0 &- 7_000_000_000])
    }

    @Test func refusesFatalFindingsByName() throws {
        var (stream, _) = try KVMLikeStream.make(.pcTwoCPUs)
        try stream.edit("apic") { apic throws(VMStateError) in
            try apic.set("lvt[0]", to: 0x400ec)
            try apic.set("apicbase", to: 0xfee0_0d00)
        }
        let record = KernelLogEvidence(
            message: .hypercallIPIs, kind: .record, address: 0x1000, text: "kvm-guest: setup PV IPIs")
        let context = try KVMLikeStream.context(stream, log: [record])
        let error = #expect(throws: ConversionError.self) { try converter.convert(context, policy: .standard) }
        #expect(error?.code == .refused)
        #expect(error?.findings.map(\.check) == ["C09", "C10", "C21"])
        for check in ["C09", "C10", "C21"] { #expect(error?.description.contains(check) == true) }

        // Whoever takes the risk can.
        var policy = ConversionPolicy.standard
        for check in ["C09", "C10", "C21"] { policy.rules[check] = ConversionPolicy.Rule(severity: .warning) }
        #expect(try converter.convert(context, policy: policy).stream.device("kvmclock") == nil)
    }

    @Test func forbiddenFixesStopTheConversion() throws {
        let (stream, _) = try KVMLikeStream.make(.pc)
        let policy = ConversionPolicy(rules: ["C06": ConversionPolicy.Rule(allowsFix: false)])
        let error = #expect(throws: ConversionError.self) {
            try converter.convert(KVMLikeStream.context(stream), policy: policy)
        }
        #expect(error?.findings.map(\.check) == ["C06"])
    }
}

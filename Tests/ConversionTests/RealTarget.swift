import Conversion
import Testing
import VMState

/// A converted snapshot in the QEMU that shall resume it.
struct RealTarget {
    /// The snapshot as QEMU saves it again without having run it.
    let again: MigrationStream

    /// Loads a stream, with the fixture's machine, and saves it again.
    ///
    /// - Parameter run: let the guest run for a while first.
    init(
        _ stream: MigrationStream, _ pages: RAMPageTable, of kind: FixtureCase, cpu: String = "max",
        changedPages: [UInt64: [UInt8]] = [:], run milliseconds: UInt32 = 0
    ) throws {
        let directory = try TemporaryDirectory()
        var provider = pages
        // The fixtures have less than 2 GiB of RAM, where a page's number is that of its block.
        for (page, bytes) in changedPages { provider.set("pc.ram", page: page, to: bytes) }
        var output = try FileByteOutput(path: directory["stream"])
        try MigrationStreamWriter().write(stream, pages: &provider, to: &output)
        try output.synchronize()
        let qemu = try QEMU(
            kind.fixture().arguments + ["-S", "-cpu", cpu, "-incoming", "exec:cat \(directory["stream"])"])
        let status = try qemu.incomingStatus()
        #expect(["paused", "prelaunch", "postmigrate"].contains(status), "\(status)")
        if milliseconds > 0 {
            try qemu.execute("cont")
            qemu.run(milliseconds: milliseconds)
            try qemu.execute("stop")
        }
        try qemu.migrate(to: directory["again"])
        qemu.quit()
        var sink = DiscardingPageSink()
        again = try MigrationStreamReader(try FileByteSource(path: directory["again"])).read(pages: &sink)
    }
}

extension SnapshotConverter {
    /// Converts, and expects that a check needed a fix and got it.
    func convert(
        _ context: CheckContext, expecting fix: String, for check: String, policy: ConversionPolicy = .standard,
        at place: SourceLocation = #_sourceLocation
    ) throws -> Result {
        let before = try self.check(context, policy: policy)
        #expect(before.severity(of: check) == .fixable, "\(before.findings(of: check))", sourceLocation: place)
        #expect(before.findings(of: check).contains { $0.fix == fix }, sourceLocation: place)
        let result = try convert(context, policy: policy)
        let applied = try #require(
            result.fixes.first { $0.fix == fix }, "\(result.fixes.map(\.fix))", sourceLocation: place)
        #expect(!applied.changes.isEmpty || !applied.memory.isEmpty, sourceLocation: place)
        let after = result.after.severity(of: check) ?? .ok
        #expect(after < .fixable, sourceLocation: place)
        return result
    }
}

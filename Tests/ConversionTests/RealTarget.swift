import Conversion
import Testing
import VMState

/// A converted snapshot in the QEMU that shall resume it.
struct RealTarget {
    /// The snapshot as QEMU saves it again without having run it.
    let again: MigrationStream

    /// Loads a stream, with the fixture's machine, and saves it again.
    ///
    /// - Parameters:
    ///   - run: let the guest run for a while first.
    ///   - isDone: let it run until it has come to a state, which a loaded machine may take long for.
    init(
        _ stream: MigrationStream, _ pages: RAMPageTable, of kind: FixtureCase, cpu: String = "max",
        changedPages: [UInt64: [UInt8]] = [:], run milliseconds: UInt32 = 0,
        until isDone: ((MigrationStream) throws -> Bool)? = nil
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
        func saved() throws -> MigrationStream {
            try qemu.migrate(to: directory["again"])
            var sink = DiscardingPageSink()
            return try MigrationStreamReader(try FileByteSource(path: directory["again"])).read(pages: &sink)
        }
        var state = try saved()
        if let isDone {
            for _ in 0..<200 {
                if try isDone(state) { break }
                try qemu.execute("cont")
                qemu.run(milliseconds: 50)
                try qemu.execute("stop")
                state = try saved()
            }
        }
        qemu.quit()
        again = state
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

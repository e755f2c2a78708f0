import Foundation
import Testing
import VMState

/// The QEMU of Debian's backports (10.0), where this machine can fetch it.
enum NewerQEMU {
    /// The directory of its programs, or why there is none.
    static let found: Result<String, QEMU.Failure> = {
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("lab/newer-qemu").path
        do {
            let text = try run(
                "sh", "-c", "'\(script)' 2> /tmp/newer-qemu.\(getpid()) || cat /tmp/newer-qemu.\(getpid()) >&2")
            unlink("/tmp/newer-qemu.\(getpid())")
            let last = text.split(separator: "\n").last.map(String.init) ?? ""
            guard last.hasPrefix("/"), FileManager.default.isExecutableFile(atPath: last + "/qemu-system-x86_64") else {
                throw QEMU.Failure(description: text)
            }
            return .success(last)
        } catch let failure as QEMU.Failure {
            print("NOT TESTED: streams of a newer QEMU, because it cannot be fetched: \(failure)")
            return .failure(failure)
        } catch {
            return .failure(QEMU.Failure(description: "\(error)"))
        }
    }()

    static var isAvailable: Bool { if case .success = found { true } else { false } }
}

/// Streams of QEMU 10.0, and from one version to the other in both directions that QEMU supports.
@Suite(
    .serialized,
    .enabled(if: NewerQEMU.isAvailable, "Debian's backports cannot be reached, so there is no newer QEMU to test with"))
struct NewerQEMUTests {
    private let machine = ["-M", "pc-i440fx-7.2", "-m", "16"]

    private func newer(_ arguments: [String]) throws -> QEMU {
        try QEMU(arguments, program: NewerQEMU.found.get() + "/qemu-system-x86_64")
    }

    private func capability(_ qemu: QEMU, _ name: String) throws {
        try qemu.execute("migrate-set-capabilities", ["capabilities": [["capability": name, "state": true]]])
    }

    private func read(_ path: String) throws -> (MigrationStream, RAMPageTable) {
        var pages = RAMPageTable()
        return (try MigrationStreamReader(SnapshotSource(path: path)).read(pages: &pages), pages)
    }

    /// Writes a stream again from the model.
    private func rewrite(_ stream: MigrationStream, _ pages: RAMPageTable, to path: String) throws {
        var pages = pages
        var output = try FileByteOutput(path: path)
        try MigrationStreamWriter().write(stream, pages: &pages, to: &output)
        try output.synchronize()
    }

    /// Loads a stream and gives the registers.
    private func load(_ path: String, into qemu: QEMU) throws -> String {
        #expect(try qemu.incomingStatus() == "paused")
        let registers = try qemu.monitor("info registers")
        qemu.quit()
        return registers
    }

    // Its own machine type, which 7.2 does not know, and one that both have.
    @Test(arguments: ["pc-i440fx-7.2", "pc-q35-7.2", "pc-i440fx-10.0"])
    func streamsOf10AreReadEditedAndLoaded(_ name: String) throws {
        let directory = try TemporaryDirectory()
        let arguments = ["-M", name, "-m", "16", "-smp", "2"]
        let source = try newer(arguments)
        source.run(milliseconds: 300)
        try source.execute("stop")
        let registers = try source.monitor("info registers")
        try source.migrate(to: directory["stream"])
        source.quit()
        let (stream, pages) = try read(directory["stream"])
        #expect(stream.machineName == name)
        #expect(stream.cpuCount == 2)
        #expect(try stream.cpus().count == 2)
        try rewrite(stream, pages, to: directory["again"])
        let incoming = ["-S", "-incoming", "exec:cat \(directory["again"])"]
        #expect(try load(directory["again"], into: newer(arguments + incoming)) == registers)
        if name.hasSuffix("7.2") {
            // Back to the older one.
            #expect(try load(directory["again"], into: QEMU(arguments + incoming)) == registers)
        }
    }

    @Test func streamsOf7LoadInto10() throws {
        let fixture = try FixtureCase.pc.fixture()
        let directory = try TemporaryDirectory()
        let (stream, pages) = try fixture.parsed()
        try rewrite(stream, pages, to: directory["stream"])
        let incoming = ["-S", "-incoming", "exec:cat \(directory["stream"])"]
        #expect(try load(directory["stream"], into: newer(fixture.arguments + incoming)) == fixture.registers)
    }

    @Test(arguments: [0, 69_632]) func mappedRAMIsReadAndLoadsIntoBoth(offset: Int) throws {
        let directory = try TemporaryDirectory()
        let source = try newer(machine)
        source.run(milliseconds: 300)
        try source.execute("stop")
        let registers = try source.monitor("info registers")
        try source.migrate(to: directory["ordinary"])
        source.quit()
        // Once more, in the other form: a guest that was saved by `migrate` cannot be saved again before it has run.
        let second = try newer(machine + ["-S", "-incoming", "exec:cat \(directory["ordinary"])"])
        #expect(try second.incomingStatus() == "paused")
        try capability(second, "mapped-ram")
        // Behind other bytes, as in a file of libvirt.
        try Data(count: offset).write(to: URL(fileURLWithPath: directory["whole"]))
        try second.migrate(uri: "file:\(directory["whole"]),offset=\(offset)")
        second.quit()
        let file = try Data(contentsOf: URL(fileURLWithPath: directory["whole"])).dropFirst(offset)
        try Data(file).write(to: URL(fileURLWithPath: directory["mapped"]))

        let (ordinary, ordinaryPages) = try read(directory["ordinary"])
        let (mapped, mappedPages) = try read(directory["mapped"])
        #expect(mapped.configuration == ordinary.configuration)
        #expect(mapped.ram.blocks == ordinary.ram.blocks)
        #expect(mappedPages.nonZero == ordinaryPages.nonZero)
        #expect(mapped.devices.map(\.name) == ordinary.devices.map(\.name))
        // As an ordinary stream, the older one takes it as well.
        try rewrite(mapped, mappedPages, to: directory["again"])
        let incoming = ["-S", "-incoming", "exec:cat \(directory["again"])"]
        #expect(try load(directory["again"], into: newer(machine + incoming)) == registers)
        #expect(try load(directory["again"], into: QEMU(machine + incoming)) == registers)
    }
}

import Foundation
import Testing
import VMState

/// Streams of a real QEMU, read and written again.
@Suite struct RoundTripTests {
    @Test(arguments: FixtureCase.allCases)
    func repeatsTheStreamByteForByte(_ kind: FixtureCase) throws {
        let fixture = try kind.fixture()
        var reader = MigrationStreamReader(ArrayByteSource(fixture.stream))
        reader.keepsRecordLog = true
        var sink = RecordingSink()
        let stream = try reader.read(pages: &sink)
        let log = try #require(stream.recordLog)

        // XBZRLE records are in the log, their pages are in the sink's list too: step over those.
        var pages = log.isDelta.makeIterator()
        var next = 0
        var output = ArrayByteOutput()
        try MigrationStreamWriter().replay(stream, to: &output) { _, _, buffer in
            while pages.next() == true { next += 1 }
            buffer.copyBytes(from: sink.records[next])
            next += 1
        }
        #expect(output.bytes.count == fixture.stream.count)
        #expect(output.bytes == fixture.stream)
    }

    @Test(arguments: FixtureCase.allCases)
    func readsTheModel(_ kind: FixtureCase) throws {
        let (stream, _) = try kind.fixture().parsed()
        #expect(stream.machineName == kind.machine)
        #expect(stream.cpuCount == kind.cpuCount)
        #expect(try stream.cpus().map(\.index) == (0..<UInt32(kind.cpuCount)).map { $0 })
        #expect(stream.devices.filter { !$0.isDescribed } == [])
        #expect(stream.devices.first?.idstr == "timer")
        #expect(stream.devices.last?.idstr == "globalstate")
        #expect(stream.hasFooters)
        #expect(stream.earlyDeviceCount == 0)
        let description = try #require(stream.description)
        #expect(description.devices.map(\.name) == stream.devices.map(\.idstr))
        #expect(description.devices.map(\.size) == stream.devices.map(\.payload.count))
        #expect(stream.ram.blocks.contains { $0.idstr == "pc.bios" })
    }

    @Test(arguments: FixtureCase.allCases)
    func writesAStreamThatQEMULoads(_ kind: FixtureCase) throws {
        let fixture = try kind.fixture()
        let (stream, parsedPages) = try fixture.parsed()
        var pages = parsedPages
        let directory = try TemporaryDirectory()
        var output = try FileByteOutput(path: directory["again"])
        try MigrationStreamWriter().write(stream, pages: &pages, to: &output)
        try output.synchronize()

        // Loaded without running, and saved once more: RAM and CPUs have to be the same.
        let qemu = try QEMU(fixture.arguments + ["-S", "-incoming", "exec:cat \(directory["again"])"])
        let status = try qemu.incomingStatus()
        #expect(["paused", "prelaunch", "postmigrate"].contains(status), "\(status)")
        #expect(try qemu.monitor("info registers") == fixture.registers)
        try qemu.migrate(to: directory["third"])
        qemu.quit()
        var secondPages = RAMPageTable()
        let second = try MigrationStreamReader(try FileByteSource(path: directory["third"])).read(pages: &secondPages)
        #expect(second.ram.blocks == stream.ram.blocks)
        #expect(secondPages.nonZero == pages.nonZero)
        #expect(second.devices.map(\.name) == stream.devices.map(\.name))
        for cpu in stream.devices(named: "cpu") {
            #expect(second.device("cpu", cpu.instanceID)?.payload == cpu.payload)
        }
        #expect(second.description?.text == stream.description?.text)
    }

    @Test(arguments: [FixtureCase.pcLiveDirty, .pcLiveXBZRLE])
    func laterPagesOverrideEarlierOnes(_ kind: FixtureCase) throws {
        let fixture = try kind.fixture()
        var reader = MigrationStreamReader(ArrayByteSource(fixture.stream))
        reader.keepsRecordLog = true
        var pages = RAMPageTable()
        let stream = try reader.read(pages: &pages)
        let log = try #require(stream.recordLog)
        #expect(log.isDelta.contains(true) == (kind == .pcLiveXBZRLE))
        #expect(log.recordCount > Int(stream.ram.blocks.reduce(0) { $0 + $1.pageCount }))

        // The guest writes the same counter to each 256th byte of 16 pages, again and again. The contents are right if
        // each page has nothing else, and no more than two neighbouring counts.
        var counts: Set<UInt16> = []
        for page in UInt64(0x20)..<0x30 {
            let bytes = try #require(pages.pages["pc.ram"]?[page])
            for index in bytes.indices where index % 256 > 1 && bytes[index] != 0 { Issue.record("byte \(index)") }
            let words = stride(from: 0, to: 4096, by: 256).map { UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8 }
            counts.formUnion(words)
            #expect(Set(words).count <= 2)
        }
        #expect(counts != [0])
    }

    @Test(arguments: [FixtureCase.pc, .q35FourCPUs])
    func skeletonKeepsAllButRAM(_ kind: FixtureCase) throws {
        let (stream, _) = try kind.fixture().parsed()
        let skeleton = try stream.skeleton()
        let again = try MigrationStream(skeleton: skeleton)
        #expect(again == stream)
        #expect(try again.skeleton() == skeleton)
        #expect(throws: VMStateError.self) { try MigrationStream(skeleton: kind.fixture().stream) }
    }

    @Test func paddingIsAccepted() throws {
        let fixture = try FixtureCase.pc.fixture()
        let padded = fixture.stream + [UInt8](repeating: 0, count: 65536)
        var table = RAMPageTable()
        let stream = try MigrationStreamReader(ArrayByteSource(padded)).read(pages: &table)
        #expect(stream == (try fixture.parsed().stream))
    }

    @Test(arguments: [FixtureCase.pcTwoCPUs, .q35FourCPUs, .pcSavevm])
    func splitsSectionsWithoutDescription(_ kind: FixtureCase) throws {
        let fixture = try kind.fixture()
        let (stream, _) = try fixture.parsed()
        let text = try #require(stream.description?.text)
        let bare = Array(fixture.stream.dropLast(text.count + 5))
        var table = RAMPageTable()
        let second = try MigrationStreamReader(ArrayByteSource(bare)).read(pages: &table)
        #expect(second.description == nil)
        #expect(second.devices.map(\.name) == stream.devices.map(\.name))
        #expect(second.devices.map(\.payload) == stream.devices.map(\.payload))
        #expect(try second.cpus().map(\.rip) == stream.cpus().map(\.rip))
        #expect(try second.device("apic")?.unsigned("apicbase") == stream.device("apic")?.unsigned("apicbase"))
        #expect(try GuestPhysicalMap(second).regions.first == GuestPhysicalMap(stream).regions.first)
    }
}

import Foundation
import Testing
import VMState

/// Streams in files and images.
@Suite struct SnapshotSourceTests {
    @Test func findsTheStreamInAnImage() throws {
        let directory = try TemporaryDirectory()
        let disk = directory["disk.qcow2"]
        try run("qemu-img", "create", "-q", "-f", "qcow2", disk, "16M")
        let none = #expect(throws: VMStateError.self) { try SnapshotSource(path: disk) }
        #expect(none?.description.contains("savevm") == true)
        try run("qemu-img", "snapshot", "-c", "diskonly", disk)

        let qemu = try QEMU(["-M", "pc", "-m", "16", "-S", "-drive", "file=\(disk),if=virtio"])
        try qemu.monitor("savevm first")
        let one = try SnapshotSource(path: disk)
        #expect(one.name.contains("first"))
        try qemu.monitor("savevm second")
        qemu.quit()
        let several = #expect(throws: VMStateError.self) { try SnapshotSource(path: disk) }
        #expect(several?.description.contains("second") == true)
        #expect(throws: VMStateError.self) { try SnapshotSource(path: disk, snapshot: "third") }
        let diskOnly = #expect(throws: VMStateError.self) { try SnapshotSource(path: disk, snapshot: "diskonly") }
        #expect(diskOnly?.description.contains("no machine state") == true)

        for name in ["first", "second"] {
            let source = try SnapshotSource(path: disk, snapshot: name)
            var sink = DiscardingPageSink()
            let stream = try MigrationStreamReader(source).read(pages: &sink)
            #expect(stream.mainRAM?.usedLength == 16 << 20)
            #expect(!stream.devices(ofModel: "virtio-blk").isEmpty)
        }
    }

    @Test func namesWhatItCannotRead() throws {
        let directory = try TemporaryDirectory()
        func write(_ text: String) throws -> String {
            try Data(text.utf8).write(to: URL(fileURLWithPath: directory["file"]))
            return directory["file"]
        }
        let part = try write("LibvirtQemudPart" + String(repeating: "\0", count: 200))
        #expect(throws: VMStateError.self) { try SnapshotSource(path: part) }
        #expect(throws: VMStateError.self) { try SnapshotSource(path: write("")) }
        #expect(throws: VMStateError.self) { try SnapshotSource(path: write("hello")) }
        #expect(throws: VMStateError.self) { try SnapshotSource(path: directory["missing"]) }
        #expect(throws: VMStateError.self) { try SnapshotSource(path: directory.path) }
        #expect(throws: VMStateError.self) { try SnapshotSource(path: write("QEVM"), snapshot: "x") }
    }
}

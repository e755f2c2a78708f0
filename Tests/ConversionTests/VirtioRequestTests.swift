import Conversion
import Testing
import VMState

/// C39 on a snapshot of a machine whose firmware waits for a sector that its disk cannot read.
@Suite struct VirtioRequestTests {
    /// The stream of a machine that boots from a virtio disk, with its RAM.
    private func saved(readable: Bool) throws -> (stream: MigrationStream, pages: RAMPageTable) {
        let directory = try TemporaryDirectory()
        let disk = directory["disk.raw"]
        try run("truncate", "-s", "1M", disk)
        // The first read of the medium fails, and QEMU keeps the request for another try.
        try run("sh", "-c", "printf '[inject-error]\\nevent = \"read_aio\"\\n' > \(directory["fail"])")
        let file =
            "file.driver=blkdebug,file.config=\(directory["fail"]),file.image.driver=file,file.image.filename=\(disk)"
        let backend = readable ? "driver=file,filename=\(disk)" : "driver=raw,\(file)"
        let qemu = try QEMU([
            "-M", "pc-i440fx-7.2", "-m", "16", "-vga", "none", "-blockdev", "\(backend),node-name=disk",
            "-device", "virtio-blk-pci,drive=disk,addr=4,rerror=stop,bootindex=0",
        ])
        for _ in 0..<600 {
            let blocks = try qemu.monitor("info blockstats")
            if try readable ? blocks.contains("rd_operations=1") : qemu.status() == "io-error" { break }
            qemu.run(milliseconds: 50)
        }
        if readable { try qemu.execute("stop") }
        try qemu.migrate(to: directory["stream"])
        qemu.quit()
        var table = RAMPageTable()
        let stream = try MigrationStreamReader(try FileByteSource(path: directory["stream"])).read(pages: &table)
        return (stream, table)
    }

    private func findings(_ stream: MigrationStream, _ pages: RAMPageTable) throws -> [Finding] {
        let memory = try SnapshotMemory(stream) { pages.page(block: $0, page: $1, into: $2) }
        return try SnapshotConverter().check(KVMLikeStream.context(stream, memory: memory), policy: .standard)
            .findings(of: "C39")
    }

    @Test func requestsThatWaitForAnotherTryAreTold() throws {
        let (stream, pages) = try saved(readable: false)
        let kept = try findings(stream, pages)
        #expect(kept.map(\.severity) == [.note])
        #expect(kept.first?.evidence.first?.section == "0000:00:04.0/virtio-blk#0")
    }

    @Test func requestsWithoutAnAnswerAreLost() throws {
        let (idle, idlePages) = try saved(readable: true)
        #expect(try findings(idle, idlePages).map(\.severity) == [.ok])

        // The ring of a real request under way, with the device's own list of requests cut off: a byte 0 ends it.
        var (stream, pages) = try saved(readable: false)
        let name = "0000:00:04.0/virtio-blk"
        var section = try #require(stream.device(name))
        var payload = section.payload
        let end = try #require(idle.device(name)?.payload.firstRange(of: Array("virtio/".utf8))?.lowerBound) - 3
        #expect(payload[end] == 1)
        payload[end] = 0
        let field = try #require(section.fields()?.first?.path)
        try section.set(field, toBytes: payload)
        try stream.replace(section)
        let lost = try findings(stream, pages)
        #expect(lost.map(\.severity) == [.warning])
        #expect(lost.first?.evidence.first?.value == "1 taken and not answered")
    }
}

import Foundation
import Testing
import VMState

/// Streams that leave out main memory, because it is in a file that QEMU shares (capability `x-ignore-shared`).
@Suite struct SharedMemoryTests {
    private let shared: Set<String> = ["pc.ram"]

    /// A machine whose memory is a file.
    private func arguments(_ machine: String, mebibytes: Int, file: String) -> [String] {
        [
            "-M", "\(machine),memory-backend=pc.ram", "-m", "\(mebibytes)", "-object",
            "memory-backend-file,id=pc.ram,size=\(mebibytes)M,mem-path=\(file),share=on,"
                + "x-use-canonical-path-for-ramblock-id=off",
        ]
    }

    private func leaveOut(_ qemu: QEMU, _ value: Bool) throws {
        try qemu.execute(
            "migrate-set-capabilities", ["capabilities": [["capability": "x-ignore-shared", "state": value]]])
    }

    private func read(
        _ path: String, snapshot: String? = nil, shared: Set<String>
    ) throws -> (MigrationStream, RAMPageTable) {
        var pages = RAMPageTable()
        var reader = MigrationStreamReader(try SnapshotSource(path: path, snapshot: snapshot))
        reader.sharedBlocks = shared
        return (try reader.read(pages: &pages), pages)
    }

    // The machine types up to 4.0 name memory by its path, unless they are told not to.
    @Test(arguments: ["pc-i440fx-7.2", "pc-q35-7.2", "pc-i440fx-3.1"])
    func theStateIsThatOfAnOrdinaryStream(_ machine: String) throws {
        let directory = try TemporaryDirectory()
        let image = directory["states.qcow2"]
        try run("qemu-img", "create", "-q", "-f", "qcow2", image, "1M")
        let qemu = try QEMU(
            arguments(machine, mebibytes: 32, file: directory["ram"]) + [
                "-blockdev", "driver=file,filename=\(image),node-name=file",
                "-blockdev", "driver=qcow2,file=file,node-name=states",
            ])
        qemu.run(milliseconds: 400)
        try qemu.execute("stop")
        let registers = try qemu.monitor("info registers")
        #expect(try qemu.monitor("savevm whole") == "")
        try leaveOut(qemu, true)
        #expect(try qemu.monitor("savevm part") == "")
        qemu.quit()

        let (whole, wholePages) = try read(image, snapshot: "whole", shared: [])
        let (part, partPages) = try read(image, snapshot: "part", shared: shared)
        #expect(part.configuration == whole.configuration)
        #expect(part.ram == whole.ram)
        #expect(part == whole)
        #expect(try part.skeleton() == whole.skeleton())
        var pages = wholePages.nonZero
        let removed = pages.removeValue(forKey: "pc.ram")
        let memory = try #require(removed)
        #expect(partPages.nonZero == pages)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: directory["ram"]))
        #expect(bytes.count == 32 << 20)
        for page in 0..<UInt64(bytes.count / 4096) {
            let range = Int(page) * 4096..<(Int(page) + 1) * 4096
            #expect(Array(bytes[range]) == memory[page] ?? [UInt8](repeating: 0, count: 4096), "page \(page)")
        }

        // Written again without main memory, into a machine that has it already.
        var output = try FileByteOutput(path: directory["again"])
        var provider = partPages
        try MigrationStreamWriter().write(part, pages: &provider, leavingOut: shared, to: &output)
        try output.synchronize()
        let second = try QEMU(
            arguments(machine, mebibytes: 32, file: directory["ram"]) + ["-S", "-incoming", "defer"])
        try leaveOut(second, true)
        try second.execute("migrate-incoming", ["uri": "exec:cat \(directory["again"])"])
        #expect(["paused", "prelaunch", "postmigrate"].contains(try second.incomingStatus()))
        #expect(try second.monitor("info registers") == registers)
        #expect(try Data(contentsOf: URL(fileURLWithPath: directory["ram"])) == bytes)
        second.quit()
    }

    @Test(arguments: ["pc-i440fx-7.2", "pc-q35-7.2"])
    func memoryAboveFourGiBIsOneBlock(_ machine: String) throws {
        let directory = try TemporaryDirectory()
        let qemu = try QEMU(arguments(machine, mebibytes: 5120, file: directory["ram"]) + ["-S"])
        try leaveOut(qemu, true)
        try qemu.migrate(to: directory["part"])
        qemu.quit()
        let (part, pages) = try read(directory["part"], shared: shared)
        #expect(part.mainRAM == RAMBlock(idstr: "pc.ram", usedLength: 5120 << 20))
        #expect(pages.pages["pc.ram"] == nil)
        #expect(pages.pages["pc.bios"] != nil)
        #expect(try GuestPhysicalMap(part).regions.contains { $0.base == 4 << 30 })
    }

    @Test func aStreamThatLeavesOutMemoryIsRefusedWhereNobodyHasIt() throws {
        let directory = try TemporaryDirectory()
        let qemu = try QEMU(arguments("pc-i440fx-7.2", mebibytes: 16, file: directory["ram"]) + ["-S"])
        try leaveOut(qemu, true)
        try qemu.migrate(to: directory["part"])
        qemu.quit()
        let error = #expect(throws: VMStateError.self) { _ = try read(directory["part"], shared: []) }
        #expect(error?.code == .unsupported)
        #expect(error?.description.contains("x-ignore-shared") == true)
        let source = try FileByteSource(path: directory["part"])
        let bytes = try source.bytes(at: 0, length: Int(source.count))

        // And the other way round: a whole stream where a part was expected, and a shared block with pages.
        let whole = try FixtureCase.pc.fixture().stream
        for (stream, blocks) in [(whole, shared), (bytes, Set(["pc.bios"]))] {
            var reader = MigrationStreamReader(ArrayByteSource(stream))
            reader.sharedBlocks = blocks
            var pages = RAMPageTable()
            let error = #expect(throws: VMStateError.self) { try reader.read(pages: &pages) }
            #expect(error?.code == .inconsistent)
        }

        // Damage never traps.
        var generator = SplitMix64(state: 7)
        for _ in 0..<500 {
            var copy = bytes
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                copy[Int.random(in: 0..<600, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            var reader = MigrationStreamReader(ArrayByteSource(copy))
            reader.sharedBlocks = shared
            var pages = RAMPageTable()
            _ = try? reader.read(pages: &pages)
        }
    }
}

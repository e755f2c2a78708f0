import DiskImage
import Foundation
import Testing

/// Internal snapshots of the writer: QEMU lists them, goes back to them, deletes them and resumes their machines.
@Suite struct Qcow2WriterSnapshotTests {
    /// A disk that boots: it counts at address 0x7e00 for ever.
    ///
    /// `cli; xor ax, ax; mov ds, ax; loop: inc dword [0x7e00]; jmp loop`
    private static func bootDisk(size: Int) -> [UInt8] {
        var disk: [UInt8] = [0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x66, 0xff, 0x06, 0x00, 0x7e, 0xeb, 0xf9]
        disk += [UInt8](repeating: 0, count: 510 - disk.count) + [0x55, 0xaa]
        var random = SeededGenerator(seed: 1)
        disk += random.bytes(900_000)
        return disk + [UInt8](repeating: 0, count: size - disk.count)
    }

    /// Feeds a snapshot's VM state from one file to another.
    private func copy(_ state: Qcow2VMState, to sink: Qcow2VMStateSink) throws {
        var offset: UInt64 = 0
        // No multiple of anything.
        var buffer = [UInt8](repeating: 0, count: 1_000_003)
        while offset < state.size {
            let count = Int(min(UInt64(buffer.count), state.size - offset))
            try buffer.withUnsafeMutableBytes { bytes in
                let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
                try state.read(at: offset, into: part)
                try sink.write(UnsafeRawBufferPointer(part))
            }
            offset += UInt64(count)
        }
    }

    @Test(arguments: [
        (Qcow2WriteOptions.Compression.none, 65_536), (.zlib(), 65_536), (.zstd(), 65_536), (.none, 512),
        (.zlib(), 4096),
    ])
    func savedMachineRunsOnFromTheNewFile(_ compression: Qcow2WriteOptions.Compression, _ clusterSize: Int) throws {
        let directory = try TemporaryDirectory()
        let disk = directory("disk.qcow2")
        let raw = try directory.write(Self.bootDisk(size: 3 << 20), to: "disk.raw")
        try Tool.qemuImg("convert", "-f", "raw", "-O", "qcow2", raw, disk)
        let machine = try StoppedMachine(disk: disk)
        try machine.monitor("cont")
        while try machine.word(at: 0x7e00) < 1000 { usleep(10_000) }
        try machine.monitor("stop")
        let count = try machine.word(at: 0x7e00)
        try machine.monitor("savevm ready")
        try machine.quit()

        let image = try Qcow2Image(path: disk)
        let snapshot = try image.snapshot("ready")
        let view = try image.view(of: snapshot)
        let new = directory("new.qcow2")
        var options = Qcow2WriteOptions()
        options.compression = compression
        options.clusterSize = clusterSize
        var writer = try Qcow2Writer(path: new, virtualSize: view.virtualSize, options: options)
        try writer.write(view)
        var description = Qcow2NewSnapshot(name: "ready-é")
        description.dateSeconds = snapshot.dateSeconds
        description.vmClockNanoseconds = snapshot.vmClockNanoseconds
        try writer.addSnapshot(description) { sink in try copy(image.vmState(of: snapshot), to: sink) }
        _ = try writer.finish()

        try Tool.run("qemu-img", ["check", new])
        try Tool.run("qemu-img", ["compare", "-f", "raw", "-F", "qcow2", raw, new])
        let list = try Tool.run("qemu-img", ["snapshot", "-l", new])
        #expect(list.contains("ready-é"))
        let written = try Qcow2Image(path: new).snapshot("ready-é")
        #expect(written.id == "1" && written.vmStateSize == snapshot.vmStateSize && written.icount == nil)
        #expect(written.vmClockNanoseconds == snapshot.vmClockNanoseconds && written.diskSize == snapshot.diskSize)

        // The machine is there at once, where it stopped, and goes on.
        let resumed = try StoppedMachine(disk: new, ["-loadvm", "ready-é"])
        #expect(try resumed.word(at: 0x7e00) == count)
        try resumed.monitor("cont")
        while try resumed.word(at: 0x7e00) < count &+ 1000 { usleep(10_000) }
        // QEMU writes to the file: its reference counts have to be right for that.
        try resumed.monitor("qemu-io ide0-hd0 \\\"write -P 3 0 2M\\\"")
        try resumed.monitor("savevm later")
        try resumed.monitor("delvm \(written.name)")
        try resumed.quit()
        try Tool.run("qemu-img", ["check", new])
        #expect(try Tool.contents(of: new, snapshot: "later").prefix(2 << 20).allSatisfy { $0 == 3 })
    }

    @Test(arguments: [Qcow2WriteOptions.Compression.none, .zlib(level: 1)])
    func severalSnapshotsShareWhatDidNotChange(_ compression: Qcow2WriteOptions.Compression) throws {
        let directory = try TemporaryDirectory()
        let path = directory("new.qcow2")
        let size = 6 << 20
        var options = Qcow2WriteOptions()
        options.compression = compression
        var random = SeededGenerator(seed: 12)
        var contents = [UInt8](repeating: 0, count: size)
        var expected: [[UInt8]] = []
        var states: [[UInt8]] = []
        var writer = try Qcow2Writer(path: path, virtualSize: UInt64(size), options: options)
        for index in 0..<5 {
            let layer = MemoryImage(
                seed: UInt64(index), size: size, unit: 65_536,
                kinds: index == 0 ? [.data] : [.data, .zero, .unallocated, .unallocated, .unallocated, .unallocated])
            contents = layer.over(contents)
            try writer.write(layer)
            if index == 4 { break }
            expected.append(contents)
            states.append(index == 2 ? [] : random.bytes(300_000 * index + 70_000))
            try writer.addSnapshot(Qcow2NewSnapshot(name: "step \(index)")) { sink in
                try states[index].withUnsafeBytes { try sink.write($0) }
            }
        }
        let error = #expect(throws: DiskImageError.self) {
            try writer.addSnapshot(Qcow2NewSnapshot(name: "step 1"))
        }
        #expect(error?.code == .exists)
        _ = try writer.finish()

        try Tool.run("qemu-img", ["check", path])
        #expect(try isEqual(Tool.contents(of: path), contents))
        let image = try Qcow2Image(path: path)
        #expect(image.snapshots.map(\.name) == ["step 0", "step 1", "step 2", "step 3"])
        for (index, snapshot) in image.snapshots.enumerated() {
            #expect(try isEqual(Tool.contents(of: path, snapshot: snapshot.name), expected[index]))
            try expectContents(of: image.layer(of: snapshot), equal: expected[index])
            let state = try image.vmState(of: snapshot)
            var bytes = [UInt8](repeating: 1, count: Int(state.size))
            try bytes.withUnsafeMutableBytes { try state.read(at: 0, into: $0) }
            #expect(bytes == states[index])
        }
        // QEMU goes back and forth between them, and takes them away.
        for name in ["step 3", "step 0", "step 2"] {
            try Tool.qemuImg("snapshot", "-a", name, path)
            try Tool.qemuIO(path, ["write -P 7 100k 1M"])
            try Tool.run("qemu-img", ["check", path])
        }
        for name in ["step 1", "step 0", "step 3", "step 2"] { try Tool.qemuImg("snapshot", "-d", name, path) }
        try Tool.run("qemu-img", ["check", path])
    }
}

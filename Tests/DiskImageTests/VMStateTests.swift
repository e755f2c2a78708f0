import DiskImage
import Foundation
import Glibc
import Testing

/// The VM state of real machines, and reading while QEMU goes on writing.
@Suite struct VMStateTests {
    /// A migration stream begins with this magic and version 3.
    static let streamHead: [UInt8] = [0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 3]

    private func bytes(of state: Qcow2VMState, from offset: UInt64 = 0, count: Int? = nil) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xee, count: count ?? Int(state.size - offset))
        try bytes.withUnsafeMutableBytes { try state.read(at: offset, into: $0) }
        return bytes
    }

    /// What QEMU reads from the VM state area after going back to a snapshot, on a copy of the image.
    private func stateReadByQEMU(
        _ directory: TemporaryDirectory, _ snapshot: Qcow2Snapshot
    ) throws -> [UInt8] {
        let copy = directory("copy.qcow2")
        try? FileManager.default.removeItem(atPath: copy)
        try FileManager.default.copyItem(atPath: directory("disk.qcow2"), toPath: copy)
        try Tool.qemuImg("snapshot", "-a", snapshot.id, copy)
        let dump = try Tool.run(
            "qemu-io", ["-f", "qcow2", "-c", "read -b -v 0 \((snapshot.vmStateSize + 511) / 512 * 512)", copy])
        // "00000010:  51 45 56 ...  text"
        var bytes: [UInt8] = []
        for line in dump.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":"), line.distance(from: line.startIndex, to: colon) == 8 else {
                continue
            }
            let digits = line[line.index(colon, offsetBy: 3)...].prefix(48).split(separator: " ").prefix(16)
            bytes += digits.compactMap { UInt8($0, radix: 16) }
        }
        return Array(bytes.prefix(Int(snapshot.vmStateSize)))
    }

    @Test(arguments: SnapshotTests.options) func savedStateIsExact(_ options: String) throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk.qcow2")
        try Tool.qemuImg("create", "-q", "-f", "qcow2", "-o", options, path, "3M")
        try Tool.qemuIO(path, ["write -P 7 100k 1M"])
        let machine = try StoppedMachine(disk: path)
        try machine.monitor("savevm one")
        try machine.monitor("savevm two")
        try machine.quit()
        let image = try Qcow2Image(path: path)
        #expect(image.snapshots.map(\.name) == ["one", "two"])
        for snapshot in image.snapshots {
            let state = try image.vmState(of: snapshot)
            #expect(state.size == snapshot.vmStateSize && state.size > 100_000)
            let whole = try bytes(of: state)
            #expect(whole.starts(with: Self.streamHead))
            // The stream ends with its description in JSON.
            #expect(whole.last == UInt8(ascii: "}"))
            #expect(try whole == stateReadByQEMU(directory, snapshot))
            for offset in [1, state.size / 2, state.size - 3] {
                let count = Int(min(5000, state.size - offset))
                let part = whole[Int(offset)..<Int(offset) + count]
                #expect(try bytes(of: state, from: offset, count: count)[...] == part)
            }
            #expect(throws: DiskImageError.self) { try bytes(of: state, from: state.size - 1, count: 2) }
            #expect(throws: DiskImageError.self) { try bytes(of: state, from: .max, count: 2) }
            try expectContents(of: image.layer(of: snapshot), equal: Tool.contents(of: path, snapshot: snapshot.id))
        }
    }

    @Test func stateMovesWithTheDiskSize() throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk.qcow2")
        // With clusters of 512 bytes an L1 entry covers 32 KiB, so that each size has another place for the state.
        try Tool.qemuImg("create", "-q", "-f", "qcow2", "-o", "cluster_size=512", path, "1M")
        for (name, size) in [("small", "1M"), ("large", "4M"), ("odd", "2500k")] {
            try Tool.qemuImg("resize", "-q", "--shrink", path, size)
            let machine = try StoppedMachine(disk: path)
            try machine.monitor("savevm \(name)")
            try machine.quit()
        }
        let image = try Qcow2Image(path: path)
        let sizes: [UInt64] = [1 << 20, 4 << 20, 2500 << 10]
        #expect(image.snapshots.map(\.diskSize) == sizes)
        for snapshot in image.snapshots {
            let whole = try bytes(of: image.vmState(of: snapshot))
            #expect(whole.starts(with: Self.streamHead) && whole.last == UInt8(ascii: "}"))
            #expect(try whole == stateReadByQEMU(directory, snapshot))
        }
    }

    @Test func snapshotsAreReadWhileQEMURuns() throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk.qcow2")
        try Tool.qemuImg("create", "-q", "-f", "qcow2", path, "8M")
        try Tool.qemuIO(path, ["write -P 7 0 1M"])
        let machine = try StoppedMachine(disk: path)
        var image = try Qcow2Image(path: path)
        #expect(image.snapshots.isEmpty)
        var states: [[UInt8]] = []
        for index in 1...4 {
            try machine.monitor("savevm live\(index)")
            image = try image.refreshed()
            #expect(image.snapshots.count == index)
            let snapshot = try image.snapshot("live\(index)")
            states.append(try bytes(of: image.vmState(of: snapshot)))
            #expect(states.last?.starts(with: Self.streamHead) == true)
            // The guest's disk goes on changing under the snapshot.
            try machine.monitor("qemu-io ide0-hd0 \\\"write -P \(index) 0 2M\\\"")
            var expected = [UInt8](repeating: index == 1 ? 7 : UInt8(index - 1), count: index == 1 ? 1 << 20 : 2 << 20)
            expected += [UInt8](repeating: 0, count: (8 << 20) - expected.count)
            try expectContents(of: image.layer(of: snapshot), equal: expected)
        }
        try machine.monitor("delvm live2")
        image = try image.refreshed()
        #expect(image.snapshots.map(\.name) == ["live1", "live3", "live4"])
        try machine.quit()
        let final = try Qcow2Image(path: path)
        for snapshot in final.snapshots {
            let index = try #require(snapshot.name.last.flatMap { Int(String($0)) })
            #expect(try bytes(of: final.vmState(of: snapshot)) == states[index - 1])
        }
    }

    /// As a run has it: an overlay whose base is served over NBD, saved by the monitor, ingested layer by layer.
    @Test func overlayOnAnNBDBaseIsReadWithoutTheBase() throws {
        let directory = try TemporaryDirectory()
        let base = directory("base.raw")
        let address = "nbd+unix:///?socket=\(directory("base.sock"))"
        try Tool.run("truncate", ["-s", "64M", base])
        let server = Process()
        server.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        server.arguments = ["qemu-nbd", "-r", "-t", "-f", "raw", "-k", directory("base.sock"), base]
        server.standardOutput = FileHandle.nullDevice
        server.standardError = FileHandle.nullDevice
        try server.run()
        // The test runner blocks SIGTERM, and its children inherit that.
        defer { kill(server.processIdentifier, SIGKILL) }
        while server.isRunning, !FileManager.default.fileExists(atPath: directory("base.sock")) { usleep(10_000) }
        let path = directory("overlay.qcow2")
        try Tool.qemuImg("create", "-q", "-u", "-f", "qcow2", "-b", address, "-F", "raw", path, "64M")
        let machine = try StoppedMachine(disk: path)
        try machine.monitor("qemu-io ide0-hd0 \\\"write -P 5 1M 100k\\\"")
        try machine.monitor("savevm ready")
        let image = try Qcow2Image(path: path)
        let snapshot = try image.snapshot("ready")
        #expect(image.backingFile == address && image.backingFormat == "raw")
        let state = try bytes(of: image.vmState(of: snapshot))
        #expect(state.starts(with: Self.streamHead) && state.last == UInt8(ascii: "}"))
        let layer = try image.layer(of: snapshot)
        let data = try layer.extents(from: 0, length: layer.virtualSize).filter { $0.kind == .data }
        #expect(data == [DiskExtent(offset: 1 << 20, length: 128 << 10, kind: .data)])
        #expect(try layer.bytes(at: (1 << 20) + 1000, count: 2) == [5, 5])
        try machine.quit()
        #expect(throws: DiskImageError.self) { try Qcow2Image(path: path).view(of: snapshot) }
    }
}

import DiskImage
import Testing

/// Internal snapshots: their list, their disks, and that they hold still while the disk changes.
@Suite struct SnapshotTests {
    static let options = [
        "compat=0.10,cluster_size=512", "compat=1.1,cluster_size=65536", "compat=1.1,extended_l2=on,cluster_size=16384",
        "compat=1.1,cluster_size=4096,compression_type=zstd",
    ]

    @Test(arguments: options) func snapshotsKeepTheirContents(_ options: String) throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk.qcow2")
        let size = 3 << 20
        try Tool.qemuImg("create", "-q", "-f", "qcow2", "-o", options, path, "\(size)")
        for seed in UInt64(1)...3 {
            let script = WriteScript(seed: seed, size: size, clusterSize: 65_536, count: 20, compresses: seed == 1)
            try Tool.qemuIO(path, script.commands)
            try Tool.qemuImg("snapshot", "-c", "step \(seed) é", path)
        }
        try Tool.qemuIO(path, WriteScript(seed: 4, size: size, clusterSize: 65_536, compresses: false).commands)
        let image = try Qcow2Image(path: path)
        #expect(image.snapshots.map(\.id) == ["1", "2", "3"])
        #expect(image.snapshots.map(\.name) == ["step 1 é", "step 2 é", "step 3 é"])
        for snapshot in image.snapshots {
            #expect(snapshot.vmStateSize == 0 && snapshot.diskSize == UInt64(size))
            #expect(snapshot.dateSeconds > 1_600_000_000)
            try expectContents(of: image.layer(of: snapshot), equal: Tool.contents(of: path, snapshot: snapshot.name))
            #expect(try image.vmState(of: snapshot).size == 0)
        }
        try expectContents(of: image.activeLayer(), equal: Tool.contents(of: path))
        #expect(try image.snapshot("2").name == "step 2 é")
        #expect(try image.snapshot("step 3 é").id == "3")
        let error = #expect(throws: DiskImageError.self) { try image.snapshot("4") }
        #expect(error?.code == .noSuchSnapshot)
        #expect(error?.message.contains("step 1 é") == true)
    }

    @Test func snapshotOfAnotherDiskSizeHasItsOwnSize() throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk.qcow2")
        try Tool.qemuImg("create", "-q", "-f", "qcow2", "-o", "cluster_size=512", path, "1M")
        try Tool.qemuIO(path, ["write -P 1 0 1M"])
        try Tool.qemuImg("snapshot", "-c", "small", path)
        try Tool.qemuImg("resize", "-q", path, "3M")
        try Tool.qemuIO(path, ["write -P 2 512k 2M"])
        try Tool.qemuImg("snapshot", "-c", "large", path)
        try Tool.qemuImg("resize", "-q", "--shrink", path, "512k")
        let image = try Qcow2Image(path: path)
        #expect(image.snapshots.map(\.diskSize) == [1 << 20, 3 << 20])
        let ones = [UInt8](repeating: 1, count: 1 << 20)
        let twos = [UInt8](repeating: 2, count: 2 << 20)
        try expectContents(of: image.layer(of: image.snapshots[0]), equal: ones)
        try expectContents(
            of: image.layer(of: image.snapshots[1]),
            equal: ones[..<(512 << 10)] + twos + [UInt8](repeating: 0, count: 512 << 10))
        try expectContents(of: image.activeLayer(), equal: Array(ones[..<(512 << 10)]))
    }

    @Test func viewOfASnapshotHasTheBackingFileUnderIt() throws {
        let directory = try TemporaryDirectory()
        _ = try directory.write([UInt8](repeating: 1, count: 1 << 20), to: "base.raw")
        let path = directory("top.qcow2")
        try Tool.qemuImg("create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", path, "2M")
        try Tool.qemuIO(path, ["write -P 2 64k 64k", "write -z 128k 64k"])
        try Tool.qemuImg("snapshot", "-c", "first", path)
        try Tool.qemuIO(path, ["write -P 3 0 2M"])
        let image = try Qcow2Image(path: path)
        let expected = try Tool.contents(of: path, snapshot: "first")
        try expectContents(of: image.view(of: image.snapshots[0]), equal: expected)
        let layer = try image.layer(of: image.snapshots[0]).extents(from: 0, length: 2 << 20)
        #expect(layer.map(\.kind) == [.unallocated, .data, .zero, .unallocated])
    }
}

import DiskImage
import Foundation
import Testing

/// Damaged files: every read succeeds or throws, nothing traps, hangs or takes memory by a number from the file.
@Suite struct MutationTests {
    /// Opens a file and touches everything that can be read.
    ///
    /// - Returns: How many steps succeeded.
    private static func exercise(_ path: String) -> Int {
        var successes = 0
        func attempt(_ body: () throws -> Void) { if (try? body()) != nil { successes += 1 } }
        func walk(_ image: any DiskImage) throws {
            attempt { _ = try image.extents(from: 0, length: min(image.virtualSize, 64 << 20)) }
            for start in [0, image.virtualSize / 3, image.virtualSize - min(image.virtualSize, 9000)] {
                attempt { _ = try image.bytes(at: start, count: Int(min(9000, image.virtualSize - start))) }
            }
        }
        attempt { try walk(DiskImages.open(path: path, format: .qcow2)) }
        attempt {
            let image = try Qcow2Image(path: path)
            for snapshot in image.snapshots.prefix(8) {
                attempt { try walk(image.layer(of: snapshot)) }
                attempt {
                    let state = try image.vmState(of: snapshot)
                    var buffer = [UInt8](repeating: 0, count: Int(min(state.size, 20_000)))
                    try buffer.withUnsafeMutableBytes { try state.read(at: state.size - UInt64($0.count), into: $0) }
                }
            }
        }
        return successes
    }

    private static func sample(_ options: String, in directory: TemporaryDirectory) throws -> [UInt8] {
        let path = directory("sample.qcow2")
        try? FileManager.default.removeItem(atPath: path)
        try Tool.qemuImg("create", "-q", "-f", "qcow2", "-o", options, path, "96k")
        try Tool.qemuIO(path, ["write -c -P 1 16k 16k", "write -P 2 0 4k", "write -z 8k 4k", "write -b -P 9 0 20k"])
        try Tool.qemuImg("snapshot", "-c", "one", path)
        try Tool.qemuIO(path, ["write -P 3 40k 9k"])
        try Tool.qemuImg("snapshot", "-c", "two", path)
        return try directory.read("sample.qcow2")
    }

    @Test(arguments: [
        "compat=0.10,cluster_size=512", "compat=1.1,cluster_size=512,compression_type=zstd",
        "compat=1.1,cluster_size=16384,extended_l2=on", "compat=1.1,cluster_size=4096",
    ])
    func mutatedImagesNeverTrap(_ options: String) throws {
        let directory = try TemporaryDirectory()
        let sample = try Self.sample(options, in: directory)
        var random = SeededGenerator(seed: 20)
        let interesting: [UInt64] = [
            0, 1, 0x1ff, 0x7fff_ffff, 0xffff_ffff, .max, 1 << 62, 1 << 63, 0x8000_0000_0000_0001,
        ]
        // Tables lie anywhere in such small files; the header is hit on purpose.
        var outcomes: Set<Int> = []
        for _ in 0..<1500 {
            var bytes = sample
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let inHeader = Int.random(in: 0..<3, using: &random) == 0
                let at = Int.random(in: 0..<(inHeader ? 120 : bytes.count - 8), using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 1: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 2:
                    let word = interesting.randomElement(using: &random) ?? 0
                    withUnsafeBytes(of: word.bigEndian) { bytes.replaceSubrange(at / 8 * 8..<at / 8 * 8 + 8, with: $0) }
                default:
                    // One table entry over another one.
                    let from = Int.random(in: 0..<bytes.count / 8, using: &random) * 8
                    bytes.replaceSubrange(at / 8 * 8..<at / 8 * 8 + 8, with: Array(bytes[from..<from + 8]))
                }
            }
            outcomes.insert(Self.exercise(try directory.write(bytes, to: "mutated.qcow2")))
        }
        #expect(outcomes.count > 3)
    }

    @Test(arguments: ["compat=0.10,cluster_size=512", "compat=1.1,cluster_size=4096"])
    func truncatedImagesThrow(_ options: String) throws {
        let directory = try TemporaryDirectory()
        let sample = try Self.sample(options, in: directory)
        let complete = Self.exercise(try directory.write(sample, to: "cut.qcow2"))
        for length in Array(0...150) + Array(stride(from: 151, to: sample.count - 512, by: 97)) {
            let path = try directory.write(Array(sample[..<length]), to: "cut.qcow2")
            #expect(Self.exercise(path) <= complete)
            if length < 104 {
                let error = #expect(throws: DiskImageError.self) { try Qcow2Image(path: path) }
                #expect(error?.code == .truncated)
            }
        }
    }

    @Test func dataBeyondTheEndIsAnErrorThatNamesTheOffset() throws {
        let directory = try TemporaryDirectory()
        let path = directory("disk.qcow2")
        try Tool.qemuImg("create", "-q", "-f", "qcow2", path, "1M")
        try Tool.qemuIO(path, ["write -P 1 0 1M"])
        let bytes = try directory.read("disk.qcow2")
        let image = try DiskImages.open(path: directory.write(Array(bytes.dropLast(100_000)), to: "cut.qcow2"))
        #expect(try image.bytes(at: 0, count: 65_536).allSatisfy { $0 == 1 })
        let error = #expect(throws: DiskImageError.self) { try image.bytes(at: 15 * 65_536, count: 65_536) }
        #expect(error?.code == .truncated)
        #expect(error?.message.contains("byte \(bytes.count - 65_536)") == true)
    }
}

import DiskImage
import Foundation
import Testing

/// The fuzzer's entry.
@Suite struct Qcow2WalkTests {
    private func sample(_ compression: Qcow2WriteOptions.Compression, clusterSize: Int) throws -> [UInt8] {
        let directory = try TemporaryDirectory()
        var options = Qcow2WriteOptions()
        options.compression = compression
        options.clusterSize = clusterSize
        let image = MemoryImage(seed: 3, size: 96 << 10, unit: 4096)
        var writer = try Qcow2Writer(path: directory("a"), virtualSize: image.virtualSize, options: options)
        try writer.write(image)
        for name in ["one", "two"] {
            try writer.addSnapshot(Qcow2NewSnapshot(name: name)) { sink in
                try [UInt8](repeating: 7, count: 30_000).withUnsafeBytes { try sink.write($0) }
            }
            try writer.write(MemoryImage(seed: 4, size: 96 << 10, unit: 4096))
        }
        _ = try writer.finish()
        return try directory.read("a")
    }

    @Test(arguments: [(Qcow2WriteOptions.Compression.none, 512), (.zlib(), 4096), (.zstd(), 512)])
    func walksEverything(_ compression: Qcow2WriteOptions.Compression, _ clusterSize: Int) throws {
        let bytes = try sample(compression, clusterSize: clusterSize)
        let walk = bytes.withUnsafeBytes { Qcow2Walk($0) }
        #expect(walk.failures == 0 && walk.successes > 15 && walk.extents > 10 && walk.bytesRead > 100_000)
        #expect(bytes.withUnsafeBytes { Qcow2Walk($0) } == walk)
        let little = bytes.withUnsafeBytes { Qcow2Walk($0, budget: 1000) }
        #expect(little.bytesRead == 1000 && little.failures == 0)

        var random = SeededGenerator(seed: 77)
        var outcomes: Set<Qcow2Walk> = []
        for _ in 0..<2000 {
            var mutated = bytes
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let inHeader = Int.random(in: 0..<4, using: &random) == 0
                let at = Int.random(in: 0..<(inHeader ? 112 : mutated.count - 8), using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: mutated[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 1: mutated[at] = UInt8.random(in: 0...255, using: &random)
                case 2: for index in at / 8 * 8..<at / 8 * 8 + 8 { mutated[index] = 0xff }
                default:
                    let from = Int.random(in: 0..<mutated.count / 8, using: &random) * 8
                    for index in 0..<8 { mutated[at / 8 * 8 + index] = mutated[from + index] }
                }
            }
            if Int.random(in: 0..<8, using: &random) == 0 {
                mutated.removeLast(Int.random(in: 0..<mutated.count, using: &random))
            }
            outcomes.insert(mutated.withUnsafeBytes { Qcow2Walk($0) })
        }
        #expect(outcomes.count > 10)
    }

    @Test func inputsThatAreNoImages() {
        for count in [0, 1, 4, 71, 72, 104, 1000] {
            let bytes = [UInt8](repeating: 0x51, count: count)
            let walk = bytes.withUnsafeBytes { Qcow2Walk($0) }
            #expect(walk.successes == 0 && walk.failures == 1)
        }
    }
}

/// A seeded list of qemu-io commands that uses every kind of cluster.
struct WriteScript {
    var commands: [String] = []

    /// - Parameters:
    ///   - size: Disk size in bytes.
    ///   - clusterSize: Size of a compressed write.
    ///   - compresses: Begins with compressed writes; QEMU takes them only for clusters that are not allocated yet.
    init(seed: UInt64, size: Int, clusterSize: Int, count: Int = 40, compresses: Bool) {
        var random = SeededGenerator(seed: seed)
        if compresses {
            for cluster in (0..<size / clusterSize).shuffled(using: &random).prefix(max(2, count / 4)) {
                let pattern = Int.random(in: 1...255, using: &random)
                commands.append("write -c -P \(pattern) \(cluster * clusterSize) \(clusterSize)")
            }
        }
        for _ in 0..<count {
            let pattern = Int.random(in: 1...255, using: &random)
            let start = Int.random(in: 0..<size / 512, using: &random) * 512
            let length = min(Int.random(in: 1...max(1, clusterSize * 3 / 512), using: &random) * 512, size - start)
            switch Int.random(in: 0..<7, using: &random) {
            case 0...3: commands.append("write -P \(pattern) \(start) \(length)")
            case 4: commands.append("write -z \(start) \(length)")
            case 5: commands.append("write -z -u \(start) \(length)")
            default: commands.append("discard \(start) \(length)")
            }
        }
    }
}

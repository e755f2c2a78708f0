import Synchronization

/// Reads the data of a tree on several threads, in the order of the packs.
///
/// The tree is taken in windows of some 131 072 leaves, which bounds the memory. For each window all threads first read the nodes of
/// level 0 and look up their leaves; then the leaves are put together by the region of a pack that holds them, and all threads take
/// regions, read each in one go, and decode every frame once, whichever places of the window need it.
struct BulkReader<Sink: BulkSink>: Sendable {
    let store: ContentStore
    let tree: TreeRoot
    let shape: TreeShape
    let range: Range<UInt64>
    let sink: Sink
    let options: BulkReadOptions
    let progress = Progress()

    /// What the threads have in common.
    final class Progress: Sendable {
        let bytes = Atomic<UInt64>(0)
        let isFailed = Atomic<Bool>(false)
        let failure = Mutex<(any Error)?>(nil)
        let statistics = Mutex(BulkReadStatistics())
    }

    /// A part of the tree with its nodes of level 0.
    enum Item {
        case node(Digest, first: UInt64)
        /// A range of bytes.
        case zeros(Range<UInt64>)
    }

    /// One leaf to be delivered.
    struct Wanted {
        /// Where its frame is: number of the index, number of the pack there, offset. Frames of one pack are neighbours in this order.
        var place: UInt64
        var size: Int
        var leaf: UInt64
        var digest: Digest

        /// The place of what no index knows.
        static var nowhere: UInt64 { UInt64.max }
    }

    /// How many leaves a window has at most.
    private static var windowLeaves: Int { 1 << 17 }
    /// The longest piece that is made zero at once.
    private static var zeroPiece: UInt64 { 8 << 20 }

    /// Reads everything; throws what went wrong first.
    func run() throws -> BulkReadStatistics {
        let cursor = TreeCursor(store: store, tree: tree, shape: shape)
        let perWindow = BulkReader.windowLeaves / shape.fanOut
        var items: [Item] = []
        var nodes = 0
        var leaf = range.lowerBound >> shape.leafBits
        let end = shape.leafCount(range.upperBound)
        while leaf < end {
            let (digest, zeroLeaves) = try cursor.digestOfNode(leaf)
            if let digest {
                let first = leaf & ~(UInt64(shape.fanOut) - 1)
                items.append(.node(digest, first: first))
                nodes += 1
                leaf = first + UInt64(shape.fanOut)
            } else {
                let next = zeroLeaves < end - leaf ? leaf + zeroLeaves : end
                if sink.wantsZeros { addZeros(leaf..<next, to: &items) }
                leaf = next
            }
            if nodes == perWindow || items.count >= 4 * perWindow {
                try readWindow(items)
                items.removeAll(keepingCapacity: true)
                nodes = 0
            }
        }
        if !items.isEmpty { try readWindow(items) }
        return progress.statistics.withLock { $0 }
    }

    private func addZeros(_ leaves: Range<UInt64>, to items: inout [Item]) {
        var position = max(leaves.lowerBound << shape.leafBits, range.lowerBound)
        // The last leaf may reach beyond the range; there is no overflow, because trees are at most 2^62 bytes long.
        let end = min(leaves.upperBound << shape.leafBits, range.upperBound)
        while position < end {
            let next = min(end, position + BulkReader.zeroPiece)
            items.append(.zeros(position..<next))
            position = next
        }
    }

    private func readWindow(_ items: [Item]) throws {
        let wanted = try lookUp(items)
        let regions = Regions(wanted)
        guard regions.count > 0 else { return }
        let next = Atomic<Int>(0)
        let catalog = try store.keeper.catalog()
        perform(regions.count) { scratch, statistics in
            let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard number < regions.count else { return false }
            let before = statistics.bytes
            try readRegion(regions[number, of: wanted], catalog, scratch, &statistics)
            let delivered = statistics.bytes - before
            let total = progress.bytes.wrappingAdd(delivered, ordering: .relaxed).newValue
            options.progress?(total)
            return true
        }
        try throwFailure()
    }

    /// Runs `step` on all threads until it returns false or one of them fails.
    private func perform(
        _ most: Int, _ step: (ReadScratch, inout BulkReadStatistics) throws -> Bool
    ) {
        let threads = max(1, min(options.threads ?? Parallel.cores, most))
        Parallel.perform(threads) { _ in
            store.scratches.with { scratch in
                var statistics = BulkReadStatistics()
                do {
                    while !progress.isFailed.load(ordering: .relaxed), try step(scratch, &statistics) {}
                } catch {
                    progress.failure.withLock { if $0 == nil { $0 = error } }
                    progress.isFailed.store(true, ordering: .relaxed)
                }
                progress.statistics.withLock { $0.add(statistics) }
            }
        }
    }

    private func throwFailure() throws {
        if let failure = progress.failure.withLock({ $0 }) { throw failure }
    }

    // MARK: Looking up

    /// The leaves of a window, in the order of the tree.
    private func lookUp(_ items: [Item]) throws -> [Wanted] {
        let catalog = try store.keeper.catalog()
        var found = [[Wanted]](repeating: [], count: items.count)
        let next = Atomic<Int>(0)
        found.withUnsafeMutableBufferPointer { found in
            // Unsafe: each element is written by the one thread that took its number, and nothing runs any more when this returns.
            nonisolated(unsafe) let found = found
            perform(items.count) { _, _ in
                let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard number < items.count else { return false }
                switch items[number] {
                case .zeros(let bytes): try sink.zero(bytes.lowerBound, bytes.upperBound - bytes.lowerBound)
                case .node(let digest, let first):
                    found[number] = try lookUp(store.node(digest, shape: shape, level: 0), first, catalog)
                }
                return true
            }
        }
        try throwFailure()
        return Array(found.joined())
    }

    private func lookUp(_ node: TreeNode, _ first: UInt64, _ catalog: Catalog) throws -> [Wanted] {
        var wanted: [Wanted] = []
        wanted.reserveCapacity(node.count)
        let from = range.lowerBound >> shape.leafBits
        let end = shape.leafCount(range.upperBound)
        for slot in 0..<shape.fanOut {
            let leaf = first + UInt64(slot)
            guard leaf >= from, leaf < end else { continue }
            guard let digest = node.child(slot) else {
                if sink.wantsZeros { try zero(leaf) }
                continue
            }
            guard let (index, entry) = catalog.firstEntry(of: digest) else {
                wanted.append(Wanted(place: Wanted.nowhere, size: 0, leaf: leaf, digest: digest))
                continue
            }
            let place = UInt64(index) << 48 | UInt64(entry.pack) << 32 | UInt64(entry.offset)
            wanted.append(Wanted(place: place, size: Int(entry.units) * 64, leaf: leaf, digest: digest))
        }
        return wanted
    }

    private func zero(_ leaf: UInt64) throws {
        let start = max(leaf << shape.leafBits, range.lowerBound)
        let end = min((leaf + 1) << shape.leafBits, range.upperBound)
        try sink.zero(start, end - start)
    }

    /// The leaves of a window, put together by regions of packs.
    struct Regions {
        /// Numbers of leaves, region after region.
        private var numbers: [UInt32]
        private var starts: [Int]
        /// log2 of the size of a region: its bytes stay in the cache of a core from being read to being decoded.
        private static var bits: UInt64 { 18 }

        var count: Int { starts.count - 1 }

        init(_ wanted: [Wanted]) {
            var names: [UInt64: UInt32] = [:]
            var sizes: [Int] = []
            var keys: [UInt64] = []
            var last: (key: UInt64, region: UInt32)?
            // Neighbours are mostly of one region.
            let regions = wanted.map { leaf -> UInt32 in
                let key = leaf.place >> Regions.bits
                if let last, last.key == key {
                    sizes[Int(last.region)] += 1
                    return last.region
                }
                let region: UInt32
                if let known = names[key] {
                    region = known
                } else {
                    region = UInt32(sizes.count)
                    names[key] = region
                    sizes.append(0)
                    keys.append(key)
                }
                sizes[Int(region)] += 1
                last = (key, region)
                return region
            }
            // In the order of packs and offsets.
            let order = keys.indices.sorted { keys[$0] < keys[$1] }
            starts = [0]
            var positions = [Int](repeating: 0, count: sizes.count)
            for region in order {
                let start = starts[starts.count - 1]
                positions[region] = start
                starts.append(start + sizes[region])
            }
            numbers = [UInt32](repeating: 0, count: wanted.count)
            for (number, region) in regions.enumerated() {
                numbers[positions[Int(region)]] = UInt32(number)
                positions[Int(region)] += 1
            }
        }

        /// The leaves of a region, by frame and by place in the tree.
        subscript(_ region: Int, of wanted: [Wanted]) -> [Wanted] {
            var leaves = numbers[starts[region]..<starts[region + 1]].map { wanted[Int($0)] }
            // They are in the order of the tree, and after an import nearly in that of the pack.
            leaves.sort { ($0.place, $0.leaf) < ($1.place, $1.leaf) }
            return leaves
        }
    }
}

extension Repair {
    /// Looks in the sources for what refs need and is not there, until nothing more is found.
    ///
    /// What is below a lost node is known only when the node was found, so there may be several rounds; no tree is higher than 7.
    mutating func fillIn(_ sources: [RepairSource]) throws(StoreError) {
        guard !sources.isEmpty else { return }
        var failed: Set<Int> = []
        for _ in 0..<16 {
            var missing = try missingObjects()
            let before = missing.count
            if before == 0 { return }
            for (index, source) in sources.enumerated() where !missing.isEmpty && !failed.contains(index) {
                do throws(StoreError) {
                    switch source {
                    case .store(let other): try take(&missing, from: other)
                    case .bundle(let path): try take(&missing, fromBundle: path)
                    case .image(let image): try take(&missing, from: image)
                    }
                } catch {
                    // The store's own failures end the repair; those of a source only end its use.
                    if case .closed = error.code { throw error }
                    if error.code == .noSpace { throw error }
                    failed.insert(index)
                    report.sourceErrors.append(error.description)
                }
            }
            if missing.count == before { return }
        }
    }

    /// What the commits of all refs need, and neither a pack that is left nor what was rescued has.
    private func missingObjects() throws(StoreError) -> Set<Digest> {
        try ingest.stage()
        var missing: Set<Digest> = []
        var walk = ClosureWalk(ingest, ObjectNumbers(catalog, own: ingest.own.indexes))
        walk.isTolerant = true
        walk.onMissing = { missing.insert($0) }
        for name in try store.refNames() {
            // A damaged ref was reported, and nobody knows what it needs.
            guard let digest = try? store.ref(name) else { continue }
            _ = try walk.add(digest) { _ in }
        }
        return missing
    }

    /// Adds an object that has its digest, if it is missing.
    private mutating func add(
        _ bytes: UnsafeRawBufferPointer, _ digest: Digest, _ missing: inout Set<Digest>, isIndirect: Bool = false
    ) throws(StoreError) {
        guard missing.remove(digest) != nil else { return }
        let record = ObjectRecord(digest: digest, length: bytes.count, isIndirect: isIndirect)
        try ingest.guarded { () throws(StoreError) in
            if !ingest.contains(digest) { try ingest.addObject(bytes, record) }
        }
        report.repairedObjects += 1
    }

    // MARK: Another store

    private mutating func take(_ missing: inout Set<Digest>, from other: ContentStore) throws(StoreError) {
        for digest in missing.sorted() {
            do throws(StoreError) {
                let object = try other.object(digest)
                if object.isIndirect {
                    // The parts first: the list is of no use without them.
                    try other.forEachPart(of: digest, object.bytes) { part throws(StoreError) in
                        var wanted: Set<Digest> = [Digest(of: part)]
                        guard let digest = wanted.first, !ingest.contains(digest) else { return }
                        try part.withBytes { bytes throws(StoreError) in try add(bytes, digest, &wanted) }
                    }
                } else if Digest(of: object.bytes) != digest {
                    continue
                }
                try object.bytes.withBytes { bytes throws(StoreError) in
                    try add(bytes, digest, &missing, isIndirect: object.isIndirect)
                }
            } catch {
                // The other store has not got it whole either.
                guard error.code == .notFound || error.code == .damaged else { throw error }
            }
        }
    }

    // MARK: A bundle

    private mutating func take(_ missing: inout Set<Digest>, fromBundle path: String) throws(StoreError) {
        var lists = try read(path, &missing)
        lists.removeAll { ingest.contains($0.digest) }
        // What parts a lost blob has is known now: they come before its list, so they are looked for in a second reading.
        var parts: Set<Digest> = []
        for list in lists {
            for part in PartList(parsing: list.bytes.span.bytes)?.parts ?? [] where !ingest.contains(part) {
                parts.insert(part)
            }
        }
        if !parts.isEmpty { _ = try read(path, &parts) }
        for list in lists where PartList(parsing: list.bytes.span.bytes)?.parts.allSatisfy(ingest.contains) == true {
            guard (try? ingest.forEachPart(of: list.digest, list.bytes) { _ in }) != nil else { continue }
            try list.bytes.withBytes { bytes throws(StoreError) in
                try add(bytes, list.digest, &missing, isIndirect: true)
            }
        }
    }

    /// Reads a bundle from start to end, and keeps what is missing; returns the missing lists of parts.
    private mutating func read(
        _ path: String, _ missing: inout Set<Digest>
    ) throws(StoreError) -> [(digest: Digest, bytes: [UInt8])] {
        var lists: [(digest: Digest, bytes: [UInt8])] = []
        try store.withBundle(path) { reader throws(StoreError) in
            _ = try reader.manifest()
            while case .frame(let header, let bytes) = try reader.next() {
                guard header.records.contains(where: { missing.contains($0.digest) }),
                    let stored = StoredFrame(checking: bytes, header: header), let frame = CheckedFrame(stored)
                else { continue }
                for (index, record) in frame.records.enumerated()
                where frame.isSound[index] && missing.contains(record.digest) {
                    if record.isIndirect {
                        lists.append((record.digest, Array(frame.plain[frame.range(index)])))
                        continue
                    }
                    try frame.withObject(index) { bytes throws(StoreError) in
                        try add(bytes, record.digest, &missing)
                    }
                }
            }
        }
        return lists
    }

    // MARK: An image

    /// Hashes an image as an ingest would, nodes too, and keeps what is missing.
    private mutating func take(_ missing: inout Set<Digest>, from image: RepairImage) throws(StoreError) {
        guard image.length <= TreeShape.maximumLength else {
            throw StoreError(.invalid, "an image of \(image.length) bytes is too large")
        }
        let shape = TreeShape(image.kind)
        let leaves = shape.leafCount(image.length)
        let perBatch = UInt64(LeafBatch.size / shape.leafSize)
        // For each level: the children of the node that is being put together.
        var open = [[Digest?]](repeating: [], count: shape.topLevel(image.length) + 1)
        var start: UInt64 = 0
        let buffer = ByteBuffer(count: LeafBatch.size)
        while start < leaves {
            let count = Int(min(perBatch, leaves - start))
            let offset = start << shape.leafBits
            let room = buffer.bytes.part(0, count * shape.leafSize)
            let used = Int(min(UInt64(room.count), image.length - offset))
            room.part(used, room.count - used).initializeMemory(as: UInt8.self, repeating: 0)
            do {
                try image.read(offset, room.part(0, used))
            } catch {
                throw StoreError(.io, "the image cannot be read at \(offset)", cause: "\(error)")
            }
            let bytes = UnsafeRawBufferPointer(room)
            for (index, digest) in Repair.leafDigests(bytes, shape).enumerated() {
                if let digest {
                    try add(bytes.part(index * shape.leafSize, shape.leafSize), digest, &missing)
                }
                try close(digest, shape, &open, 0, &missing)
            }
            start += UInt64(count)
        }
        // The nodes that are not full.
        for level in open.indices where !open[level].isEmpty {
            let digest = try node(&open, level, shape, &missing)
            if level + 1 < open.count { open[level + 1].append(digest) }
        }
    }

    /// The digests of leaves, nil for those of zeros; on all cores.
    private static func leafDigests(_ bytes: UnsafeRawBufferPointer, _ shape: TreeShape) -> [Digest?] {
        let count = bytes.count / shape.leafSize
        let pieces = min(count, LeafBatch.pieces)
        // Unsafe: each piece initializes elements of its own, and nothing runs any more when this returns.
        return [Digest?](unsafeUninitializedCapacity: count) { digests, initialized in
            Parallel.perform(pieces) { piece in
                for index in piece * count / pieces..<(piece + 1) * count / pieces {
                    let leaf = bytes.part(index * shape.leafSize, shape.leafSize)
                    digests.baseAddress.unsafelyUnwrapped.advanced(by: index).initialize(
                        to: leaf.isZero ? nil : Digest(of: leaf))
                }
            }
            initialized = count
        }
    }

    /// Adds a child to the node of a level, and closes the node when it is full.
    private mutating func close(
        _ child: Digest?, _ shape: TreeShape, _ open: inout [[Digest?]], _ level: Int, _ missing: inout Set<Digest>
    ) throws(StoreError) {
        open[level].append(child)
        guard open[level].count == shape.fanOut, level + 1 < open.count else { return }
        let digest = try node(&open, level, shape, &missing)
        try close(digest, shape, &open, level + 1, &missing)
    }

    private mutating func node(
        _ open: inout [[Digest?]], _ level: Int, _ shape: TreeShape, _ missing: inout Set<Digest>
    ) throws(StoreError) -> Digest? {
        let bytes = TreeNode.bytes(open[level], shape: shape, level: level)
        open[level].removeAll(keepingCapacity: true)
        guard let bytes else { return nil }
        let digest = Digest(of: bytes)
        try bytes.withBytes { bytes throws(StoreError) in try add(bytes, digest, &missing) }
        return digest
    }
}

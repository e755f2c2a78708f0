extension TreeEditor {
    /// Writes a whole leaf; fewer bytes than a leaf has are followed by zeros.
    func writeWhole(_ leaf: UInt64, _ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        dropOpenLeaf(leaf)
        if bytes.isZero {
            ingest.leavesZero += 1
            try setZero(leaf)
        } else {
            try addToBatch(leaf, bytes)
        }
    }

    /// Adds a leaf to the batch, and hands the batch over when it is full.
    private func addToBatch(_ leaf: UInt64, _ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        let size = shape.leafSize
        // A batch ends between blocks that share a frame, where it can.
        let block = kind == .disk ? UInt64(ingest.options.chunksPerFrame) : 1
        let nearlyFull = LeafBatch.size / size - Int(block)
        if batch.leaves.count > nearlyFull, let last = batch.leaves.last, last / block != leaf / block {
            try handOverBatch()
        }
        let slot = batchBuffer.bytes.part(batch.leaves.count * size, size)
        slot.copyMemory(from: bytes)
        if bytes.count < size {
            slot.part(bytes.count, size - bytes.count).initializeMemory(as: UInt8.self, repeating: 0)
        }
        batch.append(leaf)
        if batch.leaves.count * size == LeafBatch.size { try handOverBatch() }
    }

    /// Lets other threads store the batch, and goes on with an empty one.
    private func handOverBatch() throws(StoreError) {
        try finishInFlight()
        guard !batch.leaves.isEmpty else { return }
        let (job, next) = try ingest.beginLeaves(batchBuffer, batch.leaves, kind: kind)
        inFlight = (batch, job)
        batchBuffer = next
        batch = PendingLeaves()
    }

    /// Waits for the leaves that are being stored, and puts their digests into their nodes.
    private func finishInFlight() throws(StoreError) {
        guard let (pending, job) = inFlight else { return }
        let result = job.wait()
        inFlight = nil
        ingest.settle()
        let digests = try result.get()
        // In the order of writing: a leaf that was written twice gets its last digest.
        for (leaf, digest) in zip(pending.leaves, digests) { try setChild(level: 0, leaf, digest) }
    }

    /// Stores all leaves and puts their digests into their nodes.
    func storeBatches() throws(StoreError) {
        try handOverBatch()
        try finishInFlight()
    }

    private func isInBatch(_ leaf: UInt64) -> Bool {
        batch.contains(leaf) || inFlight?.leaves.contains(leaf) == true
    }

    private func setZero(_ leaf: UInt64) throws(StoreError) {
        if isInBatch(leaf) { try storeBatches() }
        if try child(level: 0, leaf) != nil { try setChild(level: 0, leaf, nil) }
    }

    // MARK: Leaves written in part

    /// The bytes of a leaf, to be changed. They are stored when the leaf is closed.
    func openLeaf(_ leaf: UInt64) throws(StoreError) -> UnsafeMutableRawBufferPointer {
        if let index = openLeaves.lastIndex(where: { $0.leaf == leaf }) {
            if index != openLeaves.count - 1 { openLeaves.append(openLeaves.remove(at: index)) }
        } else {
            while openLeaves.count >= TreeEditor.maximumOpenLeaves { try closeLeaf(at: 0) }
            let buffer = ByteBuffer(count: shape.leafSize)
            try readLeaf(leaf, into: buffer.bytes.part(0, shape.leafSize))
            openLeaves.append(OpenLeaf(leaf: leaf, buffer: buffer))
        }
        return openLeaves[openLeaves.count - 1].buffer.bytes.part(0, shape.leafSize)
    }

    /// Stores an open leaf.
    func closeLeaf(at index: Int) throws(StoreError) {
        let open = openLeaves.remove(at: index)
        try writeWhole(open.leaf, UnsafeRawBufferPointer(open.buffer.bytes.part(0, shape.leafSize)))
    }

    private func dropOpenLeaf(_ leaf: UInt64) {
        openLeaves.removeAll { $0.leaf == leaf }
    }

    /// The present bytes of a leaf that is not open.
    private func readLeaf(_ leaf: UInt64, into target: UnsafeMutableRawBufferPointer) throws(StoreError) {
        if isInBatch(leaf) { try storeBatches() }
        guard let digest = try child(level: 0, leaf) else {
            target.initializeMemory(as: UInt8.self, repeating: 0)
            return
        }
        try ingest.readLeaf(digest, leafSize: shape.leafSize, into: target)
    }

    // MARK: Zeros

    /// Makes bytes zero. `end` may be the end of the last leaf, beyond the length of the tree.
    func clear(from start: UInt64, to end: UInt64) throws(StoreError) {
        let size = UInt64(shape.leafSize)
        let firstWhole = (start + size - 1) >> shape.leafBits
        // A range that reaches the end of the tree covers its last leaf, of which the rest is zero anyway.
        let endWhole = end == length ? shape.leafCount(length) : end >> shape.leafBits
        guard firstWhole <= endWhole else {
            return try clearPart(start, end)
        }
        let wholeStart = firstWhole << shape.leafBits
        if start < wholeStart { try clearPart(start, min(wholeStart, end)) }
        if firstWhole < endWhole { try clearLeaves(firstWhole..<endWhole) }
        let wholeEnd = endWhole << shape.leafBits
        if wholeEnd < end { try clearPart(max(wholeEnd, start), end) }
    }

    /// Makes part of one leaf zero.
    private func clearPart(_ start: UInt64, _ end: UInt64) throws(StoreError) {
        guard start < end else { return }
        let leaf = start >> shape.leafBits
        let isOpen = openLeaves.contains { $0.leaf == leaf }
        if !isOpen {
            if isInBatch(leaf) { try storeBatches() }
            if try child(level: 0, leaf) == nil { return }
        }
        let offset = Int(start & (1 << shape.leafBits - 1))
        try openLeaf(leaf).part(offset, Int(end - start)).initializeMemory(as: UInt8.self, repeating: 0)
    }

    private func clearLeaves(_ leaves: Range<UInt64>) throws(StoreError) {
        openLeaves.removeAll { leaves.contains($0.leaf) }
        if batch.leaves.contains(where: leaves.contains)
            || inFlight?.leaves.leaves.contains(where: leaves.contains) == true
        {
            try storeBatches()
        }
        try clearLeaves(leaves, level: topLevel, 0)
    }
}

import Glibc

extension OverlaySource {
    /// Puts one layer in the place of those below the top. They do not change, so clients notice nothing.
    ///
    /// The caller holds `restacking`.
    func mergeFrozen(_ stack: Stack) throws {
        let count = stack.layers.count - 1
        let merged = try stack.merged(count, in: path)
        do {
            try writing.withLock { _ in
                // Closed meanwhile, perhaps.
                _ = try self.stack()
                // From this moment on it is the lowest layer; those below it are litter.
                try merged.takeName()
                try synchronizeDirectory()
                replace(with: Stack(base: stack.base, name: stack.name, layers: [merged] + stack.layers[count...]))
            }
        } catch {
            unlink(merged.file.path + ".new")
            throw error
        }
        for layer in stack.layers[..<(count - 1)] { unlink(OverlayLayer.path(layer.number, in: path)) }
    }
}

extension OverlaySource.Stack {
    /// A layer in place of the lowest ones, durable but without its name.
    ///
    /// - Parameter count: How many of them, at least one; all frozen.
    fileprivate func merged(_ count: Int, in directory: String) throws -> OverlayLayer {
        let highest = layers[count - 1]
        let header = OverlayHeader(diskSize: highest.header.diskSize, base: name)
        let merged = try OverlayLayer.begin(highest.number, in: directory, header)
        do {
            try merged.fill(from: FrozenOverlay(self, count: count, size: header.diskSize))
            try merged.flush()
        } catch {
            unlink(merged.file.path + ".new")
            throw error
        }
        return merged
    }
}

extension OverlayLayer {
    /// Bytes that are copied at a time.
    private static let copyBytes: UInt64 = 1 << 20

    /// Takes over what was written to a disk.
    fileprivate func fill(from frozen: FrozenOverlay) throws {
        let block = UInt64(OverlayHeader.blockSize)
        let memory = Memory(count: Int(Self.copyBytes))
        // They begin at blocks, and end at blocks or with the disk.
        for change in frozen.changes() {
            if change.isZero {
                mark(.zero, change.range.lowerBound / block..<(change.range.upperBound + block - 1) / block)
                continue
            }
            var offset = change.range.lowerBound
            while offset < change.range.upperBound {
                let end = min(change.range.upperBound, offset + Self.copyBytes)
                let part = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<Int(end - offset)])
                try frozen.read(at: offset, into: part)
                try write(
                    [UnsafeRawBufferPointer(part)], at: offset,
                    blocks: offset / block..<(end + block - 1) / block)
                offset = end
            }
        }
    }
}

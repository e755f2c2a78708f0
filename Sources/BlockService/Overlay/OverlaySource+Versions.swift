import Glibc

/// A range of a disk that was written, zeroed or trimmed.
package struct OverlayChange: Sendable, Hashable {
    package var range: Range<UInt64>
    /// Zero now; else it is to be read.
    package var isZero: Bool

    package init(range: Range<UInt64>, isZero: Bool) {
        self.range = range
        self.isZero = isZero
    }
}

/// The disk as it was when an overlay was frozen, and what changed since its base. Stays valid while clients write on.
package final class FrozenOverlay: BlockSource {
    let stack: OverlaySource.Stack
    /// How many layers of the stack are frozen.
    let count: Int
    package let size: UInt64

    init(_ stack: OverlaySource.Stack, count: Int, size: UInt64) {
        self.stack = stack
        self.count = count
        self.size = size
    }

    /// What was written, in order, as long ranges as may be, on boundaries of 4 KiB (or the end of the disk).
    package func changes() -> [OverlayChange] {
        let sectors = stack.layers[..<count].reduce(into: Set<Int>()) { $0.formUnion($1.touchedSectors) }
        let length = UInt64(OverlayMap.wordsPerSector) << OverlayMap.chunkBits
        var changes: [OverlayChange] = []
        for sector in sectors.sorted() {
            let start = UInt64(sector) * length
            stack.forEachPart(from: start, to: min(size, start + length), layers: count) { from, to, place in
                let isZero: Bool
                switch place {
                case .base: return true
                case .layer: isZero = false
                case .zero: isZero = true
                }
                if let last = changes.last, last.range.upperBound == from, last.isZero == isZero {
                    changes[changes.count - 1].range = last.range.lowerBound..<to
                } else {
                    changes.append(OverlayChange(range: from..<to, isZero: isZero))
                }
                return true
            }
        }
        return changes
    }

    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        try checkRange(offset, UInt64(buffer.count))
        try stack.read(at: offset, into: buffer, layers: count)
    }

    package func extents(from offset: UInt64, length: UInt64) throws -> [BlockExtent] {
        try checkRange(offset, length)
        return try stack.extents(from: offset, length: length, layers: count)
    }

    private func checkRange(_ offset: UInt64, _ length: UInt64) throws(BlockServiceError) {
        guard offset <= size, length <= size - offset else {
            throw BlockServiceError(
                .invalid, "\(length) bytes at offset \(offset) are outside of a disk of \(size) bytes")
        }
    }
}

extension OverlaySource {
    /// Most layers. Each is one more that became no new base, because a commit failed or made another disk.
    private static let maximumLayers = 16

    /// What was written since the base, frozen or not; ranges as in ``FrozenOverlay/changes()``.
    package func changes() throws(BlockServiceError) -> [OverlayChange] {
        let stack = try stack()
        return FrozenOverlay(stack, count: stack.layers.count, size: size).changes()
    }

    /// Flushes, and fixes what was written until now; clients go on writing into a new layer.
    ///
    /// Writes wait while the last of them are flushed. A frozen overlay that does not become a version is part of the next one. When there are
    /// many of these, their layers are merged into one, which takes as long as copying what was written.
    package func freeze() throws -> FrozenOverlay {
        try restacking.withLock { _ in
            // Most of it while clients write, so that they wait only for the rest.
            try flush()
            let stack = try stack()
            if stack.layers.count >= Self.maximumLayers, stack.layers.last?.isEmpty == false { try mergeFrozen(stack) }
            return try freezeTop()
        }
    }

    private func freezeTop() throws -> FrozenOverlay {
        try writing.withLock { _ in
            let stack = try stack()
            guard let top = stack.layers.last else { throw BlockServiceError(.closed, "the overlay has no layers") }
            if top.isEmpty {
                // Nothing new: the frozen layers are those below.
                return FrozenOverlay(stack, count: stack.layers.count - 1, size: size)
            }
            try top.flush()
            let next = try OverlayLayer.create(top.number + 1, in: path, OverlayHeader(diskSize: size, base: ""))
            try synchronizeDirectory()
            let grown = Stack(base: stack.base, name: stack.name, layers: stack.layers + [next])
            replace(with: grown)
            return FrozenOverlay(grown, count: stack.layers.count, size: size)
        }
    }

    /// Drops the layers of a frozen overlay, which are part of the new base now. Clients notice nothing but that writes wait as in
    /// ``freeze()``.
    ///
    /// - Parameters:
    ///   - frozen: What became the new base; the last that was frozen of this overlay, and not rebased before.
    ///   - base: A disk with exactly the bytes of `frozen`. It is to be durable.
    ///   - name: Its name, as in ``open(at:base:name:)``.
    package func rebase(_ frozen: FrozenOverlay, onto base: any BlockSource, name: String) throws {
        guard base.size == size, !name.isEmpty, name.utf8.count <= OverlayHeader.longestBase else {
            throw BlockServiceError(.invalid, "the new base \"\(name)\" has \(base.size) bytes, the overlay \(size)")
        }
        try restacking.withLock { _ in
            // While clients write, so that they do not wait for all that they wrote before.
            try flush()
            try writing.withLock { _ in try dropLayers(of: frozen, for: base, name) }
        }
    }

    /// The caller holds both locks.
    private func dropLayers(of frozen: FrozenOverlay, for base: any BlockSource, _ name: String) throws {
        let stack = try stack()
        let dropped = stack.layers.prefix(frozen.count)
        guard dropped.count == frozen.count, stack.layers.count > frozen.count,
            zip(dropped, frozen.stack.layers).allSatisfy({ $0 === $1 })
        else {
            throw BlockServiceError(
                .invalid, "what was frozen is not at the bottom of the overlay \(path) any more; freeze it again")
        }
        let kept = Array(stack.layers[frozen.count...])
        // From this moment on the overlay lies on the new base; the layers below it are litter.
        try kept.first?.rebase(onto: name)
        replace(with: Stack(base: base, name: name, layers: kept))
        for layer in dropped { unlink(OverlayLayer.path(layer.number, in: path)) }
        try synchronizeDirectory()
    }
}

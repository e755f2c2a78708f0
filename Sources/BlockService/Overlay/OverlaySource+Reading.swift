import Glibc

/// Where the bytes of a range come from.
enum OverlayPlace {
    case layer(OverlayLayer)
    case zero
    case base
}

extension OverlaySource.Stack {
    /// Calls `body` with each part of a range and where it is from, in order and without gaps, until it answers false.
    ///
    /// - Parameter count: How many layers count, from the lowest on.
    /// - Returns: false when `body` did.
    @discardableResult
    func forEachPart(
        from start: UInt64, to end: UInt64, layers count: Int, _ body: (UInt64, UInt64, OverlayPlace) throws -> Bool
    ) rethrows -> Bool {
        guard count > 0 else { return try body(start, end, .base) }
        let layer = layers[count - 1]
        var goesOn = true
        try layer.map.forEachRun(from: start, to: end) { from, to, state in
            switch state {
            case .data: goesOn = try body(from, to, .layer(layer))
            case .zero: goesOn = try body(from, to, .zero)
            case .below: goesOn = try forEachPart(from: from, to: to, layers: count - 1, body)
            }
            return goesOn
        }
        return goesOn
    }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer, layers count: Int) throws {
        try forEachPart(from: offset, to: offset + UInt64(buffer.count), layers: count) { from, to, place in
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[Int(from - offset)..<Int(to - offset)])
            switch place {
            case .layer(let layer): try layer.read(into: part, at: from)
            case .zero: part.clear()
            case .base: try base.read(at: from, into: part)
            }
            return true
        }
    }

    func extents(from offset: UInt64, length: UInt64, layers count: Int) throws -> [BlockExtent] {
        var extents: [BlockExtent] = []
        try forEachPart(from: offset, to: offset + length, layers: count) { from, to, place in
            switch place {
            case .layer: extents.append(joining: BlockExtent(offset: from, length: to - from, isZero: false))
            case .zero: extents.append(joining: BlockExtent(offset: from, length: to - from, isZero: true))
            case .base:
                for extent in try base.extents(from: from, length: to - from) { extents.append(joining: extent) }
            }
            return true
        }
        return extents
    }
}

extension OverlaySource {
    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        try checkRange(offset, UInt64(buffer.count))
        let stack = try stack()
        try stack.read(at: offset, into: buffer, layers: stack.layers.count)
    }

    package func extents(from offset: UInt64, length: UInt64) throws -> [BlockExtent] {
        try checkRange(offset, length)
        let stack = try stack()
        return try stack.extents(from: offset, length: length, layers: stack.layers.count)
    }

    package func readIfReady(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Bool {
        try checkRange(offset, UInt64(buffer.count))
        let stack = try stack()
        let end = offset + UInt64(buffer.count)
        return try stack.forEachPart(from: offset, to: end, layers: stack.layers.count) { from, to, place in
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[Int(from - offset)..<Int(to - offset)])
            switch place {
            case .layer(let layer): return layer.readIfReady(into: part, at: from)
            case .zero: part.clear()
            case .base: return try stack.base.readIfReady(at: from, into: part)
            }
            return true
        }
    }

    package func prepare(from offset: UInt64, length: UInt64) throws {
        try checkRange(offset, length)
        let stack = try stack()
        try stack.forEachPart(from: offset, to: offset + length, layers: stack.layers.count) { from, to, place in
            if case .base = place { try stack.base.prepare(from: from, length: to - from) }
            return true
        }
    }

    func checkRange(_ offset: UInt64, _ length: UInt64) throws(BlockServiceError) {
        guard offset <= size, length <= size - offset else {
            throw BlockServiceError(
                .invalid, "\(length) bytes at offset \(offset) are outside of a disk of \(size) bytes")
        }
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Makes all bytes zero.
    ///
    /// Not inlined: Swift 6.3.1 turns a memset at the end of a throwing function into a jump that can leave a stray value in the register
    /// of the thrown error.
    @inline(never) func clear() {
        if let baseAddress { memset(baseAddress, 0, count) }
    }
}

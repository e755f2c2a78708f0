import Synchronization

/// What a new raw file is like.
package struct RawWriteOptions: Sendable {
    /// An existing file of the name is replaced.
    package var replaces = false
    /// How many threads read and write, at most; there are never more than processors.
    package var threads = ProcessorCount.online
    /// The system calls that make the file.
    package var calls: any OutputFileCalls = SystemFileCalls()

    package init() {}
}

/// Writes a new raw file: sparse, and without a name until it is whole.
///
/// ``write(_:at:)`` may be called on several threads at once, for ranges that do not overlap.
package final class RawWriter: Sendable {
    /// What is skipped when it holds zeros: the block of most file systems.
    private static let block = 4096
    /// Bytes that a thread works on at a time.
    private static let batchBytes: UInt64 = 2 << 20
    /// Batches that are planned before they are done by all threads.
    private static let plannedBatches = 128

    /// Size of the disk in bytes.
    package let virtualSize: UInt64
    private let file: NewFile
    private let written = Atomic<UInt64>(0)

    /// Begins a file of `virtualSize` bytes that reads as zeros.
    ///
    /// - Throws: `.exists`, `.cannotCreate`, `.noSpace`.
    package init(path: String, virtualSize: UInt64, options: RawWriteOptions = RawWriteOptions()) throws(DiskImageError)
    {
        file = try NewFile(path: path, replaces: options.replaces, calls: options.calls)
        self.virtualSize = virtualSize
        try file.resize(to: virtualSize)
    }

    /// Writes an image as a new raw file.
    ///
    /// - Parameter progress: Called with the bytes of the disk that are done; what it throws ends the work.
    /// - Returns: Bytes written; the rest of the file is holes.
    @discardableResult
    package static func write(
        _ image: any DiskImage, to path: String, options: RawWriteOptions = RawWriteOptions(),
        progress: (UInt64) throws -> Void = { _ in }
    ) throws -> UInt64 {
        let writer = try RawWriter(path: path, virtualSize: image.virtualSize, options: options)
        var planned: [(offset: UInt64, length: Int)] = []
        try image.forEachExtent { extent in
            guard extent.kind == .data else { return }
            var offset = extent.offset
            while offset < extent.end {
                let end = min(extent.end, (offset / batchBytes + 1) * batchBytes)
                planned.append((offset, Int(end - offset)))
                offset = end
                if planned.count < plannedBatches { continue }
                try writer.copy(planned, from: image, threads: options.threads)
                planned.removeAll(keepingCapacity: true)
                try progress(end)
            }
        }
        try writer.copy(planned, from: image, threads: options.threads)
        try progress(image.virtualSize)
        return try writer.finish()
    }

    private func copy(_ batches: [(offset: UInt64, length: Int)], from image: any DiskImage, threads: Int) throws {
        try OrderedWork.perform(batches.count, threads: threads) { work in
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(Self.batchBytes), alignment: 4096)
            defer { buffer.deallocate() }
            while let index = work.claim() {
                let part = buffer.slice(0, batches[index].length)
                try image.read(at: batches[index].offset, into: part)
                try write(UnsafeRawBufferPointer(part), at: batches[index].offset)
            }
        }
    }

    /// Writes bytes of the disk; blocks of zeros are left out, so a range is written once at most.
    ///
    /// - Throws: `.outOfRange`, `.noSpace`, `.io`.
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(DiskImageError) {
        guard offset <= virtualSize, UInt64(bytes.count) <= virtualSize - offset else {
            throw DiskImageError(
                .outOfRange, "bytes \(offset) to \(offset)+\(bytes.count) are not on a disk of \(virtualSize) bytes")
        }
        // Blocks of the file, whatever the range begins with.
        var start = 0
        var position = 0
        while position < bytes.count {
            let inBlock = Int((offset + UInt64(position)) % UInt64(Self.block))
            let end = min(bytes.count, position + Self.block - inBlock)
            if UnsafeRawBufferPointer(rebasing: bytes[position..<end]).isZero {
                try put(bytes, start..<position, at: offset)
                start = end
            }
            position = end
        }
        try put(bytes, start..<position, at: offset)
    }

    private func put(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, at offset: UInt64) throws(DiskImageError) {
        if range.isEmpty { return }
        try file.write(UnsafeRawBufferPointer(rebasing: bytes[range]), at: offset + UInt64(range.lowerBound))
        written.add(UInt64(range.count), ordering: .relaxed)
    }

    /// Brings the file onto the disk and gives it its name.
    ///
    /// - Returns: Bytes written; the rest of the file is holes.
    /// - Throws: `.noSpace`, `.io`; `.exists` when the name was taken meanwhile.
    @discardableResult
    package func finish() throws(DiskImageError) -> UInt64 {
        try file.synchronize()
        try file.publish()
        return written.load(ordering: .relaxed)
    }
}

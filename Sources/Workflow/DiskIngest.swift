import ContentStore
import DiskImage

/// Takes disks into the store.
package struct DiskIngest {
    let ingest: Ingest

    package init(ingest: Ingest) { self.ingest = ingest }

    /// Bytes copied at a time; a multiple of the size of the blocks of a disk tree that share a frame.
    private static let window: UInt64 = 4 << 20

    /// The whole of `image` as a tree.
    ///
    /// - Parameter report: told the place on the disk that was reached, every few MiB.
    func whole(_ image: any DiskImage, report: (UInt64) -> Void = { _ in }) throws -> TreeRoot {
        try apply(image, to: nil, report: report)
    }

    /// `base` with what `layer` allocates written over it. The cost grows with the layer, not with the disk.
    ///
    /// - Throws: `CancellationError` when the task is cancelled; what was read is forgotten.
    package func apply(
        _ layer: any DiskImage, to base: TreeRoot?, report: (UInt64) -> Void = { _ in }
    ) throws -> TreeRoot {
        let size = layer.virtualSize
        let editor = try ingest.edit(base, kind: .disk, length: size)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(Self.window), alignment: 4096)
        defer { buffer.deallocate() }
        try layer.forEachExtent(from: 0, length: size) { extent in
            switch extent.kind {
            case .unallocated: return
            case .zero: try editor.zero(at: extent.offset, length: extent.length)
            case .data:
                var offset = extent.offset
                while offset < extent.end {
                    try Task.checkCancellation()
                    report(offset)
                    // Up to a multiple of the window: no chunk inside of an extent is written in two parts, which would put it out of
                    // the order in which chunks share frames.
                    let count = Int(min(Self.window - offset % Self.window, extent.end - offset))
                    let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
                    try layer.read(at: offset, into: part)
                    try editor.write(UnsafeRawBufferPointer(part), at: offset)
                    offset += UInt64(count)
                }
            }
        }
        report(size)
        return try editor.finish()
    }
}

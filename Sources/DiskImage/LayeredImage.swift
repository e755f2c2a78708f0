/// A layer with the image below it: what the layer does not allocate is the backing image's.
///
/// The disk has the layer's size. Behind the end of a shorter backing image nothing is allocated.
package struct LayeredImage: DiskImage {
    private let layer: any DiskImage
    private let backing: any DiskImage

    package init(_ layer: any DiskImage, over backing: any DiskImage) {
        self.layer = layer
        self.backing = backing
    }

    package var virtualSize: UInt64 { layer.virtualSize }

    package func extents(from offset: UInt64, length: UInt64) throws(DiskImageError) -> [DiskExtent] {
        var merged: [DiskExtent] = []
        for extent in try layer.extents(from: offset, length: length) {
            guard extent.kind == .unallocated else {
                try merged.append(merging: extent)
                continue
            }
            let shared = extent.sharedLength(with: backing)
            if shared > 0 {
                for below in try backing.extents(from: extent.offset, length: shared) {
                    try merged.append(merging: below)
                }
            }
            try merged.append(
                merging: DiskExtent(
                    offset: extent.offset + shared, length: extent.length - shared, kind: .unallocated))
        }
        return merged
    }

    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskImageError) {
        for extent in try layer.extents(from: offset, length: UInt64(buffer.count)) {
            let part = buffer.slice(Int(extent.offset - offset), Int(extent.length))
            switch extent.kind {
            case .data: try layer.read(at: extent.offset, into: part)
            case .zero: part.zero()
            case .unallocated:
                let shared = Int(extent.sharedLength(with: backing))
                if shared > 0 { try backing.read(at: extent.offset, into: part.slice(0, shared)) }
                part.slice(shared, part.count - shared).zero()
            }
        }
    }
}

extension DiskExtent {
    /// How much of the extent lies on a disk that may be shorter.
    fileprivate func sharedLength(with image: any DiskImage) -> UInt64 {
        offset < image.virtualSize ? min(length, image.virtualSize - offset) : 0
    }
}

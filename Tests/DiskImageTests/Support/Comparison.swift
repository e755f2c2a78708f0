import DiskImage
import Glibc
import Testing

/// Whether arrays, or a part of one, are alike; memcmp because the tests compare tens of megabytes in debug builds.
func isEqual(_ bytes: [UInt8], _ other: [UInt8], at offset: Int = 0) -> Bool {
    guard bytes.count <= other.count - offset else { return false }
    return bytes.withUnsafeBytes { one in
        other.withUnsafeBytes { two in
            guard let one = one.baseAddress, let two = two.baseAddress else { return true }
            return memcmp(one, two + offset, bytes.count) == 0
        }
    }
}

/// Whether all bytes of a range are zero.
func isZero(_ bytes: [UInt8], in range: Range<Int>) -> Bool {
    guard let first = range.first else { return true }
    return bytes.withUnsafeBytes { buffer in
        guard let base = buffer.baseAddress else { return true }
        return buffer[first] == 0 && memcmp(base + first, base + first + 1, range.count - 1) == 0
    }
}

/// Compares every byte and every extent of an image with the expected contents.
func expectContents(
    of image: any DiskImage, equal expected: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
) throws {
    try #require(image.virtualSize == UInt64(expected.count), sourceLocation: sourceLocation)
    // A prime step crosses clusters, subclusters and sectors everywhere.
    let step = expected.count > 1 << 20 ? 130_531 : 7_919
    var position = 0
    while position < expected.count {
        let count = min(step, expected.count - position)
        let bytes = try image.bytes(at: UInt64(position), count: count)
        if !isEqual(bytes, expected, at: position) {
            let first = bytes.indices.first { bytes[$0] != expected[position + $0] } ?? 0
            Issue.record("byte \(position + first) differs", sourceLocation: sourceLocation)
            return
        }
        position += count
    }
    var end: UInt64 = 0
    var previous: DiskExtent.Kind?
    for extent in try image.extents(from: 0, length: image.virtualSize) {
        #expect(extent.offset == end, sourceLocation: sourceLocation)
        #expect(extent.length > 0 && extent.kind != previous, sourceLocation: sourceLocation)
        if extent.kind != .data {
            #expect(isZero(expected, in: Int(extent.offset)..<Int(extent.end)), sourceLocation: sourceLocation)
        }
        previous = extent.kind
        end = extent.end
    }
    #expect(end == image.virtualSize, sourceLocation: sourceLocation)
}

/// The ranges of data extents, joined where they touch.
func dataRanges(of image: any DiskImage) throws -> [Range<UInt64>] {
    joined(
        try image.extents(from: 0, length: image.virtualSize).filter { $0.kind == .data }.map { $0.offset..<$0.end })
}

/// Touching ranges as one.
func joined(_ ranges: [Range<UInt64>]) -> [Range<UInt64>] {
    ranges.reduce(into: []) { result, range in
        if let last = result.last, last.upperBound == range.lowerBound {
            result[result.count - 1] = last.lowerBound..<range.upperBound
        } else {
            result.append(range)
        }
    }
}

import ContentStore

/// Takes the bytes of bundles and packs apart, and makes their checksums right again: for tests that forge them.
enum BundleBytes {
    static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> Int {
        (0..<count).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
    }

    static func put(_ value: UInt32, _ bytes: inout [UInt8], _ offset: Int) {
        for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index)) }
    }

    /// Where the frames of a sound bundle are.
    static func frames(_ bundle: [UInt8]) -> [Range<Int>] {
        frames(bundle, 20 + number(bundle, 12, 4)..<bundle.count - 56)
    }

    /// Where the frames of a sound pack are.
    static func frames(ofPack pack: [UInt8]) -> [Range<Int>] {
        frames(pack, 16..<number(pack, pack.count - 24, 8))
    }

    private static func frames(_ bytes: [UInt8], _ area: Range<Int>) -> [Range<Int>] {
        var frames: [Range<Int>] = []
        var position = area.lowerBound
        while position < area.upperBound {
            let size = 24 + 36 * number(bytes, position + 6, 2) + number(bytes, position + 12, 4)
            frames.append(position..<position + size)
            position += size
        }
        return frames
    }

    /// Where the stored bytes of a frame begin.
    static func storedStart(_ bytes: [UInt8], _ frame: Range<Int>) -> Int {
        frame.lowerBound + 24 + 36 * number(bytes, frame.lowerBound + 6, 2)
    }

    /// Makes the checksums of frames right again.
    static func resealFrames(_ bytes: inout [UInt8], _ frames: [Range<Int>]) {
        for frame in frames {
            let headerEnd = storedStart(bytes, frame)
            guard headerEnd <= frame.upperBound else { continue }
            let stored = number(bytes, frame.lowerBound + 12, 4)
            if headerEnd + stored <= frame.upperBound {
                put(CRC32C.checksum(Array(bytes[headerEnd..<headerEnd + stored])), &bytes, frame.lowerBound + 16)
            }
            let first = CRC32C.checksum(Array(bytes[frame.lowerBound..<frame.lowerBound + 20]))
            put(
                CRC32C.checksum(Array(bytes[frame.lowerBound + 24..<headerEnd]), continuing: first), &bytes,
                frame.lowerBound + 20)
        }
    }

    /// Makes all checksums of a bundle right again, with the sizes that the sound bundle had.
    static func reseal(_ bundle: inout [UInt8], _ frames: [Range<Int>]) {
        let start = frames.first?.lowerBound ?? bundle.count - 56
        put(CRC32C.checksum(Array(bundle[..<(start - 4)])), &bundle, start - 4)
        resealFrames(&bundle, frames)
        sealEnd(&bundle)
    }

    /// Makes the digest at the end of a bundle right again.
    static func sealEnd(_ bundle: inout [UInt8]) {
        bundle.replaceSubrange(bundle.count - 32..<bundle.count, with: Digest(of: Array(bundle.dropLast(32))).bytes)
    }
}

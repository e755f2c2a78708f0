import DiskImage

/// A disk in memory with extents of any kind, to be written by the writers.
struct MemoryImage: DiskImage {
    var bytes: [UInt8]
    /// Kinds of units of `unit` bytes.
    var kinds: [DiskExtent.Kind]
    var unit: Int

    var virtualSize: UInt64 { UInt64(bytes.count) }

    /// A disk whose units are data, zeros and nothing in a seeded order; some data is zeros, and some of it compresses.
    init(seed: UInt64, size: Int, unit: Int, kinds choice: [DiskExtent.Kind] = [.data, .zero, .unallocated]) {
        var random = SeededGenerator(seed: seed)
        self.unit = unit
        bytes = [UInt8](repeating: 0, count: size)
        kinds = []
        var run = 0
        var kind = DiskExtent.Kind.zero
        var style = 0
        for start in stride(from: 0, to: size, by: unit) {
            if run == 0 {
                run = Int.random(in: 1...6, using: &random)
                kind = choice.randomElement(using: &random) ?? .data
                style = Int.random(in: 0..<4, using: &random)
            }
            run -= 1
            kinds.append(kind)
            guard kind == .data else { continue }
            let end = min(size, start + unit)
            switch style {
            case 0: break
            case 1: bytes.replaceSubrange(start..<end, with: random.bytes(end - start))
            default:
                // Text-like: few different bytes.
                let word = random.bytes(16).map { $0 & 0x0f }
                for index in start..<end { bytes[index] = word[(index + index >> 7) & 15] | UInt8(index >> 12 & 0x30) }
            }
        }
    }

    func extents(from offset: UInt64, length: UInt64) throws(DiskImageError) -> [DiskExtent] {
        var extents: [DiskExtent] = []
        var position = Int(offset)
        let end = Int(offset + length)
        while position < end {
            let next = min(end, (position / unit + 1) * unit)
            let kind = kinds[position / unit]
            if let last = extents.last, last.kind == kind {
                extents[extents.count - 1].length += UInt64(next - position)
            } else {
                extents.append(DiskExtent(offset: UInt64(position), length: UInt64(next - position), kind: kind))
            }
            position = next
        }
        return extents
    }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskImageError) {
        copy(from: Int(offset), into: buffer)
    }

    /// Apart, because a throwing function must not end in a copy (`Tests/check-machine-code`).
    @inline(never)
    private func copy(from offset: Int, into buffer: UnsafeMutableRawBufferPointer) {
        bytes.withUnsafeBytes { source in
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[offset..<offset + buffer.count]))
        }
    }

    /// What is on a disk after this was written over it.
    func over(_ below: [UInt8]) -> [UInt8] {
        var result = below
        for (index, kind) in kinds.enumerated() where kind != .unallocated {
            let range = index * unit..<min(bytes.count, (index + 1) * unit)
            result.replaceSubrange(range, with: bytes[range])
        }
        return result
    }
}

/// Where the components of extended state lie in an XSAVE area (Intel SDM volume 1, 13.4): from CPUID leaf 0DH.
struct ExtendedLayout {
    struct Component {
        var number: Int
        /// Offset in the standard format.
        var offset: UInt64
        var byteCount: Int
        /// Begins at a multiple of 64 bytes in the compacted format.
        var isAligned: Bool
    }

    /// Legacy region and header.
    static let headerEnd: UInt64 = 576

    /// Components 2 to 62 that the processor has.
    let components: [Component]

    /// Larger components than this are taken for a mistake in the table: AMX's tiles, the largest, have 8192 bytes.
    private static let limit: UInt32 = 1 << 14

    init(_ model: ProcessorModel) {
        // What QEMU's models have; used where the table has no leaf 0DH.
        let usual: [(number: Int, offset: UInt64, byteCount: Int)] = [
            (2, 0x240, 256), (3, 0x3C0, 64), (4, 0x400, 64), (5, 0x440, 64), (6, 0x480, 512), (7, 0x680, 1024),
            (9, 0xA80, 8),
        ]
        let hasTable = model.leaf(0xD, subleaf: 0) != CPUIDLeaf()
        guard hasTable else {
            components = usual.map {
                Component(number: $0.number, offset: $0.offset, byteCount: $0.byteCount, isAligned: false)
            }
            return
        }
        components = (2..<63).compactMap { number in
            let leaf = model.leaf(0xD, subleaf: UInt32(number))
            guard leaf.eax != 0, leaf.eax <= Self.limit else { return nil }
            return Component(
                number: number, offset: UInt64(leaf.ebx), byteCount: Int(leaf.eax), isAligned: leaf.ecx & 2 != 0)
        }
    }

    /// The chosen components at their offsets of the standard format, or packed in the order of their numbers.
    func placed(_ mask: UInt64, isCompacted: Bool) -> [Component] {
        var next = Self.headerEnd
        return components.filter { mask >> UInt64($0.number) & 1 != 0 }.map { component in
            guard isCompacted else { return component }
            var result = component
            if component.isAligned { next = (next &+ 63) & ~63 }
            result.offset = next
            next &+= UInt64(component.byteCount)
            return result
        }
    }

    /// Every component of the mask is known.
    func covers(_ mask: UInt64) -> Bool {
        let known = components.reduce(UInt64(3)) { $0 | 1 << UInt64($1.number) }
        return mask & ~known == 0
    }
}

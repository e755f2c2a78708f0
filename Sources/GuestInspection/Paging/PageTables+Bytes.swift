extension PageTables {
    /// Where a run of virtual bytes lies in physical memory, in pieces that do not cross a 4 KiB page.
    ///
    /// - Throws: `notMapped` for the first byte that is not mapped.
    package func pieces(
        at address: UInt64, count: Int
    ) throws(GuestMemoryError) -> [(physical: UInt64, count: Int)] {
        var result: [(physical: UInt64, count: Int)] = []
        var position = address
        var left = count
        while left > 0 {
            guard let mapping = try translate(position) else { throw GuestMemoryError(.notMapped, address: position) }
            let part = min(left, Int(4096 - position % 4096))
            result.append((mapping.address, part))
            left -= part
            position &+= UInt64(part)
        }
        return result
    }

    /// Bytes at a virtual address.
    package func bytes(at address: UInt64, count: Int) throws(GuestMemoryError) -> [UInt8] {
        var result: [UInt8] = []
        for piece in try pieces(at: address, count: count) {
            result += try memory.bytes(at: piece.physical, count: piece.count)
        }
        return result
    }

    /// A little-endian integer at a virtual address.
    package func integer<Value: FixedWidthInteger & UnsignedInteger>(
        at address: UInt64, as type: Value.Type = Value.self
    ) throws(GuestMemoryError) -> Value {
        try bytes(at: address, count: MemoryLayout<Value>.size).reversed().reduce(0) { $0 << 8 | Value($1) }
    }
}

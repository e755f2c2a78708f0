import PCDevices

/// 128 MiB of memory from address 0 on, zero where nothing was written.
struct PCITestMemory: PhysicalMemory {
    static let byteCount: UInt64 = 128 << 20
    private var pages: [UInt64: [UInt8]] = [:]

    func read(_ address: UInt64, into target: UnsafeMutableRawBufferPointer) -> Bool {
        guard isInside(address, target.count) else { return false }
        for index in 0..<target.count {
            let place = address + UInt64(index)
            target[index] = pages[place >> 12]?[Int(place & 0xFFF)] ?? 0
        }
        return true
    }

    mutating func write(_ address: UInt64, from source: UnsafeRawBufferPointer) -> Bool {
        guard isInside(address, source.count) else { return false }
        for index in 0..<source.count {
            let place = address + UInt64(index)
            pages[place >> 12, default: [UInt8](repeating: 0, count: 4096)][Int(place & 0xFFF)] = source[index]
        }
        return true
    }

    private func isInside(_ address: UInt64, _ count: Int) -> Bool {
        address <= Self.byteCount && UInt64(count) <= Self.byteCount - address
    }

    mutating func put(_ bytes: [UInt8], at address: UInt64) { _ = bytes.withUnsafeBytes { write(address, from: $0) } }

    func bytes(_ count: Int, at address: UInt64) -> [UInt8] {
        var list = [UInt8](repeating: 0, count: count)
        _ = list.withUnsafeMutableBytes { read(address, into: $0) }
        return list
    }
}

/// A disk whose sector n begins with n and then repeats the byte n.
struct PatternStorage: BlockStorage {
    var byteCount: UInt64 = 1 << 20

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        for index in 0..<buffer.count { buffer[index] = Self.byte(offset + UInt64(index)) }
    }

    static func byte(_ offset: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: offset / 512 &* 7 &+ 1) }

    static func bytes(_ range: Range<UInt64>) -> [UInt8] { range.map(byte) }
}

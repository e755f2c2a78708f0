import CISAL

/// CRC32C (Castagnoli, RFC 3720 appendix B.4), by the system's ISA-L: some 12 GB/s and core where the CPU has the instruction.
package enum CRC32C {
    /// The checksum of bytes, going on from the checksum of those before them.
    package static func checksum(_ bytes: UnsafeRawBufferPointer, continuing previous: UInt32 = 0) -> UInt32 {
        guard let start = bytes.baseAddress else { return previous }
        // The library counts with a C `int`, leaves both inversions to its caller, and does not write to the bytes.
        var position = 0
        var crc = ~previous
        while position < bytes.count {
            let count = min(bytes.count - position, 1 << 30)
            let piece = UnsafeMutableRawPointer(mutating: start + position).assumingMemoryBound(to: UInt8.self)
            crc = crc32_iscsi(piece, Int32(count), crc)
            position += count
        }
        return ~crc
    }

    package static func checksum(_ bytes: [UInt8], continuing previous: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBytes { checksum($0, continuing: previous) }
    }
}

/// CRC32C (Castagnoli), by tables.
///
/// Long inputs run in three lanes of 1 KiB at once, so that the loads of one lane fill the waits of the others; the lanes are
/// joined by tables that advance a checksum over 1 KiB of zeros. About 3 GB/s and core, against 1.5 with one lane.
package struct CRC32C: Sendable {
    private static let lane = 1024

    /// Eight tables of 256: table k advances a byte by k further zero bytes. Then four of 256: they advance the bytes of a
    /// checksum over one lane of zeros.
    private let tables: [UInt32]

    static let shared = CRC32C()

    private init() {
        var tables = [UInt32](repeating: 0, count: 12 * 256)
        for byte in 0..<256 {
            var value = UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
            tables[byte] = value
        }
        for table in 1..<8 {
            for byte in 0..<256 {
                let value = tables[(table - 1) * 256 + byte]
                tables[table * 256 + byte] = value >> 8 ^ tables[Int(value & 255)]
            }
        }
        // The advance is linear: that of each single bit first, then of each byte as the sum of its bits.
        var advanced = (0..<32).map { bit -> UInt32 in
            var value = UInt32(1) << UInt32(bit)
            for _ in 0..<CRC32C.lane { value = value >> 8 ^ tables[Int(value & 255)] }
            return value
        }
        for byte in 0..<4 {
            for value in 0..<256 {
                var sum: UInt32 = 0
                for bit in 0..<8 where value >> bit & 1 == 1 { sum ^= advanced[8 * byte + bit] }
                tables[(8 + byte) * 256 + value] = sum
            }
        }
        advanced.removeAll()
        self.tables = tables
    }

    /// The checksum of bytes, going on from the checksum of those before them.
    package static func checksum(_ bytes: UnsafeRawBufferPointer, continuing previous: UInt32 = 0) -> UInt32 {
        shared.checksum(bytes, continuing: previous)
    }

    package static func checksum(_ bytes: [UInt8], continuing previous: UInt32 = 0) -> UInt32 {
        bytes.withUnsafeBytes { shared.checksum($0, continuing: previous) }
    }

    private func checksum(_ bytes: UnsafeRawBufferPointer, continuing previous: UInt32) -> UInt32 {
        guard let start = bytes.baseAddress else { return previous }
        // Unsafe: every index into a table is below 256 (or a table's start), and every load lies within `bytes`.
        return tables.withUnsafeBufferPointer { tables in
            guard let table = tables.baseAddress else { return previous }
            let lane = CRC32C.lane
            var crc = ~previous
            var position = 0
            while bytes.count - position >= 3 * lane {
                var second: UInt32 = 0
                var third: UInt32 = 0
                let end = position + lane
                while position < end {
                    crc = CRC32C.step(crc, start + position, table)
                    second = CRC32C.step(second, start + position + lane, table)
                    third = CRC32C.step(third, start + position + 2 * lane, table)
                    position += 8
                }
                crc = CRC32C.advance(CRC32C.advance(crc, table) ^ second, table) ^ third
                position += 2 * lane
            }
            while bytes.count - position >= 8 {
                crc = CRC32C.step(crc, start + position, table)
                position += 8
            }
            while position < bytes.count {
                crc = crc >> 8 ^ table[Int((crc ^ UInt32(start.load(fromByteOffset: position, as: UInt8.self))) & 255)]
                position += 1
            }
            return ~crc
        }
    }

    @inline(__always)
    private static func step(_ crc: UInt32, _ bytes: UnsafeRawPointer, _ table: UnsafePointer<UInt32>) -> UInt32 {
        let word = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self)) ^ UInt64(crc)
        let first = table[7 * 256 + Int(word & 255)] ^ table[6 * 256 + Int(word >> 8 & 255)]
        let second = table[5 * 256 + Int(word >> 16 & 255)] ^ table[4 * 256 + Int(word >> 24 & 255)]
        let third = table[3 * 256 + Int(word >> 32 & 255)] ^ table[2 * 256 + Int(word >> 40 & 255)]
        let fourth = table[256 + Int(word >> 48 & 255)] ^ table[Int(word >> 56)]
        return first ^ second ^ third ^ fourth
    }

    /// The checksum after one lane of zeros.
    @inline(__always)
    private static func advance(_ crc: UInt32, _ table: UnsafePointer<UInt32>) -> UInt32 {
        table[8 * 256 + Int(crc & 255)] ^ table[9 * 256 + Int(crc >> 8 & 255)]
            ^ table[10 * 256 + Int(crc >> 16 & 255)] ^ table[11 * 256 + Int(crc >> 24)]
    }
}

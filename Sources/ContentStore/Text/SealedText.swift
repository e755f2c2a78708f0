/// A small text file whose last line is the CRC of what is before it: `crc32c <8 hex digits>`.
enum SealedText {
    /// The largest such file that is read.
    static let limit = 16 << 20

    /// - Parameter context: what the CRC covers besides the text, such as the name of the file.
    static func seal(_ text: [UInt8], context: [UInt8] = []) -> [UInt8] {
        let line = text + [UInt8(ascii: "\n")]
        return line + Array("crc32c \(crc(line, context))\n".utf8)
    }

    /// The text without its seal; nil when the seal is not right.
    static func open(_ bytes: [UInt8], context: [UInt8] = []) -> [UInt8]? {
        // "crc32c ", 8 digits, line feed
        let sealSize = 16
        guard bytes.count > sealSize else { return nil }
        let line = Array(bytes.dropLast(sealSize))
        guard line.last == UInt8(ascii: "\n"), Array("crc32c \(crc(line, context))\n".utf8) == bytes.suffix(sealSize)
        else { return nil }
        return line.dropLast()
    }

    private static func crc(_ line: [UInt8], _ context: [UInt8]) -> String {
        let hex = String(CRC32C.checksum(line, continuing: CRC32C.checksum(context)), radix: 16)
        return String(repeating: "0", count: 8 - hex.count) + hex
    }
}

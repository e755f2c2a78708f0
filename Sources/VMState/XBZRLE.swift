/// QEMU's difference of two pages: runs of unchanged bytes (a length) and of changed bytes (a length and the bytes).
///
/// The lengths are LEB128 of at most two bytes.
enum XBZRLE {
    /// Applies a difference to the page as it was; false if the difference is damaged.
    static func apply(_ encoded: [UInt8], to page: inout [UInt8]) -> Bool {
        var input = 0
        var output = 0
        func length() -> Int? {
            guard input < encoded.count else { return nil }
            let low = Int(encoded[input])
            input += 1
            if low < 0x80 { return low }
            guard input < encoded.count, encoded[input] < 0x80 else { return nil }
            input += 1
            return low & 0x7f | Int(encoded[input - 1]) << 7
        }
        while input < encoded.count {
            guard let unchanged = length(), unchanged <= page.count - output else { return false }
            output += unchanged
            // The last run of unchanged bytes may end the record.
            if input == encoded.count { return true }
            guard let changed = length(), changed > 0, changed <= page.count - output,
                changed <= encoded.count - input
            else { return false }
            page.replaceSubrange(output..<output + changed, with: encoded[input..<input + changed])
            output += changed
            input += changed
        }
        return true
    }
}

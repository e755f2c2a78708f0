/// Collects bytes in one buffer and passes them on when it is full.
struct StreamEncoder {
    /// Size at which the buffer is passed on.
    private static let threshold = 1 << 20

    private var buffer: [UInt8]
    private var used = 0

    init() {
        // Room for one more page record after the threshold: u64, length byte, name, page.
        buffer = [UInt8](repeating: 0, count: Self.threshold + 8 + 256 + StreamFormat.pageSize)
    }

    mutating func byte(_ value: UInt8) {
        buffer[used] = value
        used += 1
    }

    mutating func integer<Value: FixedWidthInteger>(_ value: Value) {
        let size = MemoryLayout<Value>.size
        for index in 0..<size {
            buffer[used + index] = UInt8(truncatingIfNeeded: value >> Value(8 * (size - 1 - index)))
        }
        used += size
    }

    /// A name with its length before it.
    mutating func shortString(_ text: String) throws(VMStateError) {
        let bytes = Array(text.utf8)
        guard let length = UInt8(exactly: bytes.count) else {
            throw VMStateError(.limit, "the name \"\(text.prefix(40))...\" has more than 255 bytes")
        }
        byte(length)
        for value in bytes { byte(value) }
    }

    /// Bytes of any number.
    mutating func bytes<Output: ByteOutput & ~Copyable>(
        _ bytes: [UInt8], to output: inout Output
    ) throws(VMStateError) {
        try flush(to: &output)
        var failure: VMStateError?
        bytes.withUnsafeBytes { pointer in
            do throws(VMStateError) { try output.write(pointer) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Asks for a page, writing it behind `header` and, unless it is nil, a block name; a zero page becomes a record
    /// with the other header.
    mutating func page(
        _ address: UInt64, in block: String?, sameBlock: Bool,
        _ fill: (UnsafeMutableRawBufferPointer) throws -> RAMPageContent
    ) throws(VMStateError) {
        let start = used
        let modifier = sameBlock ? StreamFormat.RAMFlags.sameBlock.rawValue : 0
        integer(address | StreamFormat.RAMFlags.page.rawValue | modifier)
        if let block { try shortString(block) }
        let place = used
        let content: RAMPageContent
        do {
            content = try buffer.withUnsafeMutableBytes { bytes in
                try fill(UnsafeMutableRawBufferPointer(rebasing: bytes[place..<place + StreamFormat.pageSize]))
            }
        } catch {
            throw VMStateError(
                .pages, "a RAM page (0x\(String(address, radix: 16)) in its block) could not be had",
                underlying: error)
        }
        switch content {
        case .data:
            used += StreamFormat.pageSize
        case .zero:
            used = start
            integer(address | StreamFormat.RAMFlags.zero.rawValue | modifier)
            used = place
            byte(0)
        }
    }

    /// Passes the bytes on if there are many.
    mutating func flushIfFull<Output: ByteOutput & ~Copyable>(to output: inout Output) throws(VMStateError) {
        if used >= Self.threshold { try flush(to: &output) }
    }

    /// Passes all bytes on.
    mutating func flush<Output: ByteOutput & ~Copyable>(to output: inout Output) throws(VMStateError) {
        guard used > 0 else { return }
        let count = used
        used = 0
        var failure: VMStateError?
        buffer.withUnsafeBytes { pointer in
            do throws(VMStateError) {
                try output.write(UnsafeRawBufferPointer(rebasing: pointer[..<count]))
            } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

/// Reads a source from front to back through one buffer.
struct StreamCursor<Source: ByteSource> {
    /// Bytes read ahead.
    private static var bufferSize: Int { 1 << 20 }

    let source: Source
    /// End of what may be read.
    let end: UInt64
    private var buffer: [UInt8]
    /// Offset in the source of the buffer's first byte.
    private var base: UInt64 = 0
    /// Bytes of the buffer that are filled, and the one that comes next.
    private var filled = 0
    private var next = 0

    init(_ source: Source) {
        self.source = source
        end = source.count
        buffer = [UInt8](repeating: 0, count: Int(min(UInt64(Self.bufferSize), max(source.count, 16))))
    }

    /// Offset of the next byte.
    var offset: UInt64 { base + UInt64(next) }

    /// Bytes from here to the end.
    var remaining: UInt64 { end - offset }

    /// Makes `count` bytes (at most the buffer's size) available.
    private mutating func need(_ count: Int, _ what: StaticString) throws(VMStateError) {
        if filled - next >= count { return }
        guard UInt64(count) <= remaining else {
            throw VMStateError(.truncated, "the stream ends in the middle of \(what)", offset: offset)
        }
        let start = offset
        let length = Int(min(UInt64(buffer.count), end - start))
        let source = source
        var failure: VMStateError?
        buffer.withUnsafeMutableBytes { bytes in
            do throws(VMStateError) {
                try source.read(at: start, into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<length]))
            } catch { failure = error }
        }
        if let failure { throw failure }
        base = start
        next = 0
        filled = length
    }

    mutating func byte(_ what: StaticString) throws(VMStateError) -> UInt8 {
        try need(1, what)
        next += 1
        return buffer[next - 1]
    }

    /// The byte that comes next, without taking it; nil at the end.
    mutating func peek() throws(VMStateError) -> UInt8? {
        guard remaining > 0 else { return nil }
        try need(1, "the stream")
        return buffer[next]
    }

    mutating func integer<Value: FixedWidthInteger>(
        _ what: StaticString, as type: Value.Type = Value.self
    ) throws(VMStateError) -> Value {
        let size = MemoryLayout<Value>.size
        try need(size, what)
        var value: Value = 0
        for index in 0..<size { value = value << 8 | Value(truncatingIfNeeded: buffer[next + index]) }
        next += size
        return value
    }

    /// A name with a length byte before it.
    mutating func shortString(_ what: StaticString) throws(VMStateError) -> String {
        let start = offset
        let length = Int(try byte(what))
        let bytes = try self.bytes(length, what)
        guard let text = String(validating: bytes, as: UTF8.self), bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
            throw VMStateError(.malformed, "\(what) is no text", offset: start)
        }
        return text
    }

    /// A copy of `count` bytes; the caller has checked the count against a limit.
    mutating func bytes(_ count: Int, _ what: StaticString) throws(VMStateError) -> [UInt8] {
        guard count >= 0, UInt64(count) <= remaining else {
            throw VMStateError(.truncated, "the stream ends in the middle of \(what)", offset: offset)
        }
        if count <= buffer.count {
            try need(count, what)
            next += count
            return Array(buffer[next - count..<next])
        }
        let array = try source.bytes(at: offset, length: count)
        skip(count)
        return array
    }

    /// Steps over bytes that are known to be there.
    private mutating func skip(_ count: Int) {
        base = offset + UInt64(count)
        next = 0
        filled = 0
    }

    /// Goes on at an offset that is not behind ``end``.
    mutating func move(to offset: UInt64) {
        base = offset
        next = 0
        filled = 0
    }

    /// Lends the next page, stepping over it.
    mutating func withPage(_ body: (RawSpan) throws -> Void) throws(VMStateError) {
        let size = StreamFormat.pageSize
        try need(size, "a RAM page")
        let start = next
        let place = offset
        next += size
        do {
            try body(buffer.span.bytes.extracting(start..<start + size))
        } catch {
            throw VMStateError(.pages, "a RAM page could not be taken", offset: place, underlying: error)
        }
    }

    /// Searches for the next place, at `from` bytes or more from here, at which `pattern` stands.
    func distance(to pattern: [UInt8], from: Int, limit: Int) throws(VMStateError) -> Int? {
        var position = from
        while position < limit, offset + UInt64(position) < end {
            let length = Int(min(UInt64(1 << 20), end - offset - UInt64(position)))
            let window = try source.bytes(at: offset + UInt64(position), length: length)
            var index = 0
            while let found = window[index...].firstIndex(of: pattern[0]) {
                if window.count - found < pattern.count { break }
                if window[found..<found + pattern.count].elementsEqual(pattern) { return position + found }
                index = found + 1
            }
            if length < 1 << 20 { return nil }
            position += length - pattern.count + 1
        }
        return nil
    }
}

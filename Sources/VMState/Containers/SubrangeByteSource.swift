/// A part of another source: a stream behind a header.
struct SubrangeByteSource<Whole: ByteSource>: ByteSource {
    private let whole: Whole
    /// Where the part begins.
    let start: UInt64
    let count: UInt64

    /// The part from `start` to the end.
    init(_ whole: Whole, from start: UInt64) {
        self.whole = whole
        self.start = min(start, whole.count)
        count = whole.count - self.start
    }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(VMStateError) {
        let (end, overflow) = offset.addingReportingOverflow(UInt64(buffer.count))
        guard !overflow, end <= count else {
            throw VMStateError(.truncated, "the stream ends before \(buffer.count) more bytes", offset: offset)
        }
        try whole.read(at: start + offset, into: buffer)
    }
}

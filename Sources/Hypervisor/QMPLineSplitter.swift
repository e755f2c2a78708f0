/// Cuts the bytes of a QMP connection into lines, with a bound on their length.
///
/// QMP ends every message with CR LF and never sends a raw line break inside one (QEMU, docs/interop/qmp-spec).
package struct QMPLineSplitter: Sendable {
    /// The longest accepted message in bytes.
    package let limit: Int
    private var partial: [UInt8] = []

    package init(limit: Int) { self.limit = limit }

    /// Takes the next bytes and hands out every line that they complete, without its line break.
    ///
    /// - Throws: ``HypervisorError`` with `.malformedMessage` when a line exceeds the limit.
    package mutating func append(_ bytes: [UInt8], line handle: ([UInt8]) throws -> Void) throws {
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            try extend(rest[..<end])
            rest = rest[(end + 1)...]
            var line: [UInt8] = []
            swap(&line, &partial)
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            if !line.isEmpty { try handle(line) }
        }
        try extend(rest)
    }

    private mutating func extend(_ bytes: ArraySlice<UInt8>) throws {
        guard bytes.count <= limit - partial.count else {
            throw HypervisorError(
                .malformedMessage,
                "A QMP message is longer than \(limit) bytes; what answers on the socket is not QEMU.")
        }
        partial += bytes
    }
}

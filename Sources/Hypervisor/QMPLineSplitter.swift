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
    package mutating func append(
        _ bytes: some Sequence<UInt8>, line handle: ([UInt8]) throws -> Void
    ) throws {
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                if partial.last == UInt8(ascii: "\r") { partial.removeLast() }
                let line = partial
                partial.removeAll(keepingCapacity: line.count < 65_536)
                if !line.isEmpty { try handle(line) }
            } else {
                guard partial.count < limit else {
                    throw HypervisorError(
                        .malformedMessage,
                        "A QMP message is longer than \(limit) bytes; what answers on the socket is not QEMU.")
                }
                partial.append(byte)
            }
        }
    }
}

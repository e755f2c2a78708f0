/// The server without sockets and threads, for fuzzers.
package enum NBDFuzzing {
    /// Takes bytes as everything that one client sends, and answers all of it.
    ///
    /// - Parameter exports: What is served.
    /// - Returns: How many bytes a server would have sent.
    @discardableResult
    package static func run(_ bytes: UnsafeRawBufferPointer, exports: [NBDExport]) throws(BlockServiceError) -> Int {
        let pool = MemoryPool(limit: 0)
        var conversation = NBDConversation(try NBDExportTable(exports), pool: pool)
        var input = InputBuffer()
        var position = 0
        var sent = NBDNegotiation.greeting.count
        // Answers false at the end of the bytes.
        func receive() -> Bool {
            input.fill { room in
                let count = min(room.count, bytes.count - position)
                room.copyBytes(from: bytes[position..<position + count])
                position += count
                return count
            } > 0
        }
        while true {
            switch conversation.next(&input) {
            case .needsInput: guard receive() else { return sent }
            case .send(let bytes): sent += bytes.count
            case .end(let bytes): return sent + bytes.count
            case .request(let request, let session):
                // As in a connection, the payload is there whole or the request is dropped.
                guard request.payloadLength <= input.count + bytes.count - position else { return sent }
                let payload = Memory(count: request.payloadLength)
                var taken = 0
                while taken < request.payloadLength {
                    taken += input.take(
                        into: UnsafeMutableRawBufferPointer(rebasing: payload.bytes[taken..<request.payloadLength]))
                    if taken < request.payloadLength, !receive() { return sent }
                }
                let (reply, _) = session.reply(
                    to: request,
                    payload: UnsafeRawBufferPointer(rebasing: payload.bytes[..<request.payloadLength]))
                sent += session.replyNow(to: request)?.count ?? reply.count
            }
        }
    }
}

/// The transmission phase of one connection: answers requests from its export.
///
/// Immutable and without I/O of its own; ``reply(to:payload:)`` blocks in the source.
final class NBDSession: Sendable {
    let export: NBDExport
    let hasStructuredReplies: Bool
    let hasAllocationContext: Bool
    /// Where replies take their memory from.
    let pool: MemoryPool

    init(export: NBDExport, hasStructuredReplies: Bool, hasAllocationContext: Bool, pool: MemoryPool) {
        self.export = export
        self.hasStructuredReplies = hasStructuredReplies
        self.hasAllocationContext = hasAllocationContext
        self.pool = pool
    }

    var isWritable: Bool { export.writable != nil }

    var transmissionFlags: UInt16 {
        typealias Flag = NBDWire.TransmissionFlag
        var flags = Flag.hasFlags | Flag.sendFlush | Flag.canMultiConn | Flag.sendCache
        if isWritable {
            flags |= Flag.sendFUA | Flag.sendTrim | Flag.sendWriteZeroes | Flag.sendFastZero
        } else {
            flags |= Flag.readOnly
        }
        return hasStructuredReplies ? flags | Flag.sendDF : flags
    }

    var preferredBlock: UInt32 { isWritable ? NBDWire.preferredWriteBlock : NBDWire.preferredBlock }

    /// A request that is answered with an error.
    struct Refusal: Error {
        var errno: NBDWire.Errno
        var message: String
        /// What the source threw.
        var cause: (any Error)?

        static func invalid(_ message: String) -> Refusal { Refusal(errno: .invalid, message: message) }

        /// What the source could not do.
        static func failure(_ message: String, _ cause: any Error) -> Refusal {
            let isFull = (cause as? BlockServiceError)?.code == .noSpace
            return Refusal(errno: isFull ? .noSpace : .io, message: message, cause: cause)
        }
    }

    /// The complete reply to a request other than DISC.
    ///
    /// - Parameter payload: All the bytes of a WRITE; nothing for other requests.
    /// - Returns: The reply, and the source's error when it failed.
    func reply(to request: NBDRequest, payload: UnsafeRawBufferPointer) -> (NBDReply, failure: (any Error)?) {
        do throws(Refusal) {
            return (try answer(request, payload), nil)
        } catch {
            return (refuse(request, error.errno, error.message), error.cause)
        }
    }

    /// The complete reply to a READ whose bytes are at hand, or to a request that is refused.
    ///
    /// - Returns: nil when answering may have to wait.
    func replyNow(to request: NBDRequest) -> NBDReply? {
        guard request.command == .read, request.length > 0, request.length <= Self.largestImmediateRead,
            (try? check(request, flags: readFlags)) != nil
        else { return nil }
        let isStructured = hasStructuredReplies
        var reply = NBDReply(request.handle, capacity: Int(request.length) + 32, pool: pool)
        if isStructured {
            reply.chunk(.offsetData, isLast: true, length: 8 + Int(request.length))
            reply.append(request.offset)
        } else {
            reply.simple(0)
        }
        let space = reply.space(Int(request.length))
        // An error counts as "not ready": the blocking way will meet it again and report it.
        guard (try? export.source.readIfReady(at: request.offset, into: space)) == true else { return nil }
        return reply
    }

    /// Reads above it are always left to the pool, so that a few of them are copied at the same time.
    private static let largestImmediateRead: UInt32 = 256 << 10

    /// An error reply.
    func refuse(_ request: NBDRequest, _ errno: NBDWire.Errno, _ message: String) -> NBDReply {
        var reply = NBDReply(request.handle, capacity: 64 + message.utf8.count, pool: pool)
        if hasStructuredReplies, request.command == .read || request.command == .blockStatus {
            reply.chunk(.error, isLast: true, length: 6 + message.utf8.count)
            reply.append(errno.rawValue)
            reply.append(UInt16(truncatingIfNeeded: message.utf8.count))
            reply.append(message)
        } else {
            reply.simple(errno.rawValue)
        }
        return reply
    }

    private func answer(_ request: NBDRequest, _ payload: UnsafeRawBufferPointer) throws(Refusal) -> NBDReply {
        switch request.command {
        case .read:
            try check(request, flags: readFlags)
            guard request.length <= NBDWire.maximumPayload else {
                throw .invalid("reads are limited to \(NBDWire.maximumPayload) bytes")
            }
            return try hasStructuredReplies ? structuredRead(request) : simpleRead(request)
        case .blockStatus:
            try check(request, flags: NBDWire.CommandFlag.requestOne)
            guard hasAllocationContext, request.length > 0 else {
                throw .invalid("block status needs base:allocation negotiated and a length above 0")
            }
            return try blockStatus(request)
        case .cache: try cache(request)
        case .flush: try flush(request)
        case .write: try write(request, payload)
        case .trim: try trim(request)
        case .writeZeroes: try writeZeroes(request)
        case .disconnect, nil: throw .invalid("unknown command \(request.type)")
        }
        var reply = NBDReply(request.handle, pool: pool)
        reply.simple(0)
        return reply
    }

    private var readFlags: UInt16 { hasStructuredReplies ? NBDWire.CommandFlag.dontFragment : 0 }

    /// Throws unless the range lies inside the export and the flags belong to the command.
    ///
    /// - Parameter outside: What a range outside is answered with.
    func check(
        _ request: NBDRequest, flags: UInt16, outside: NBDWire.Errno = .invalid
    ) throws(Refusal) {
        // Where FUA was announced, it may come with any command.
        let known = isWritable ? flags | NBDWire.CommandFlag.forceUnitAccess : flags
        guard request.flags & ~known == 0 else {
            throw .invalid("flags \(request.flags) do not belong to command \(request.type)")
        }
        let size = export.source.size
        guard request.offset <= size, UInt64(request.length) <= size - request.offset else {
            throw Refusal(
                errno: outside,
                message: "\(request.length) bytes at \(request.offset) are not inside the export of \(size) bytes")
        }
    }
}

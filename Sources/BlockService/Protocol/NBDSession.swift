import NIOCore

/// The transmission phase of one connection: answers requests from its export.
///
/// A value without I/O of its own; ``reply(to:)`` blocks in the source.
struct NBDSession: Sendable {
    /// Most chunks of a READ reply and extents of a BLOCK_STATUS reply.
    private static let maximumChunks = 1024
    private static let maximumExtents = 4096
    /// Zeros shorter than this are sent as data: a chunk of its own costs more.
    private static let smallestHole: UInt64 = 4096
    /// A source is asked for the extents of this much at once.
    private static let statusWindow: UInt64 = 1 << 30

    let export: NBDExport
    let hasStructuredReplies: Bool
    let hasAllocationContext: Bool

    var transmissionFlags: UInt16 {
        typealias Flag = NBDWire.TransmissionFlag
        let flags = Flag.hasFlags | Flag.readOnly | Flag.sendFlush | Flag.canMultiConn | Flag.sendCache
        return hasStructuredReplies ? flags | Flag.sendDF : flags
    }

    /// A request that is answered with an error.
    struct Refusal: Error {
        var errno: NBDWire.Errno
        var message: String
        /// What the source threw.
        var cause: (any Error)?
    }

    /// The complete reply to a request that is neither DISC nor WRITE.
    ///
    /// - Returns: The reply's bytes, and the source's error when it failed.
    func reply(to request: NBDRequest) -> (bytes: ByteBuffer, failure: (any Error)?) {
        do throws(Refusal) {
            return (try answer(request), nil)
        } catch {
            return (refuse(request, error.errno, error.message), error.cause)
        }
    }

    /// An error reply.
    func refuse(_ request: NBDRequest, _ errno: NBDWire.Errno, _ message: String) -> ByteBuffer {
        var reply = NBDReply(request.handle)
        if hasStructuredReplies, request.command == .read || request.command == .blockStatus {
            reply.chunk(.error, isLast: true, length: 6 + message.utf8.count)
            reply.buffer.writeInteger(errno.rawValue)
            reply.buffer.writeInteger(UInt16(message.utf8.count))
            reply.buffer.writeString(message)
        } else {
            reply.simple(errno.rawValue)
        }
        return reply.buffer
    }

    private func answer(_ request: NBDRequest) throws(Refusal) -> ByteBuffer {
        switch request.command {
        case .read:
            try check(request, flags: hasStructuredReplies ? NBDWire.CommandFlag.dontFragment : 0)
            guard request.length <= NBDWire.maximumPayload else {
                throw Refusal(errno: .invalid, message: "reads are limited to \(NBDWire.maximumPayload) bytes")
            }
            return try hasStructuredReplies ? structuredRead(request) : simpleRead(request)
        case .blockStatus:
            try check(request, flags: NBDWire.CommandFlag.requestOne)
            guard hasAllocationContext, request.length > 0 else {
                throw Refusal(
                    errno: .invalid, message: "block status needs base:allocation negotiated and a length above 0")
            }
            return try blockStatus(request)
        case .cache: try check(request, flags: 0)
        case .flush:
            guard request.flags == 0 else { throw Refusal(errno: .invalid, message: "flags do not belong to FLUSH") }
        case .write, .trim, .writeZeroes: throw Refusal(errno: .permission, message: "the export is read-only")
        case .disconnect, nil: throw Refusal(errno: .invalid, message: "unknown command \(request.type)")
        }
        var reply = NBDReply(request.handle)
        reply.simple(0)
        return reply.buffer
    }

    private func check(_ request: NBDRequest, flags: UInt16) throws(Refusal) {
        guard request.flags & ~flags == 0 else {
            throw Refusal(errno: .invalid, message: "flags \(request.flags) do not belong to command \(request.type)")
        }
        let size = export.source.size
        guard request.offset <= size, UInt64(request.length) <= size - request.offset else {
            throw Refusal(
                errno: .invalid,
                message: "\(request.length) bytes at \(request.offset) are not inside the export of \(size) bytes")
        }
    }

    private func simpleRead(_ request: NBDRequest) throws(Refusal) -> ByteBuffer {
        var reply = NBDReply(request.handle, capacity: 16 + Int(request.length))
        reply.simple(0)
        try read(request.offset, Int(request.length), into: &reply.buffer)
        return reply.buffer
    }

    private func structuredRead(_ request: NBDRequest) throws(Refusal) -> ByteBuffer {
        guard request.length > 0 else {
            var reply = NBDReply(request.handle)
            reply.chunk(.none, isLast: true, length: 0)
            return reply.buffer
        }
        var extents = try extents(from: request.offset, length: UInt64(request.length)).joiningHoles(
            below: Self.smallestHole)
        let mustBeOne = request.flags & NBDWire.CommandFlag.dontFragment != 0
        if extents.count > (mustBeOne ? 1 : Self.maximumChunks) {
            extents = [BlockExtent(offset: request.offset, length: UInt64(request.length), isZero: false)]
        }
        let dataLength = extents.reduce(0) { $0 + ($1.isZero ? 0 : Int($1.length)) }
        var reply = NBDReply(request.handle, capacity: dataLength + 32 * extents.count)
        for (index, extent) in extents.enumerated() {
            let isLast = index == extents.count - 1
            if extent.isZero {
                reply.chunk(.offsetHole, isLast: isLast, length: 12)
                reply.buffer.writeInteger(extent.offset)
                reply.buffer.writeInteger(UInt32(extent.length))
            } else {
                reply.chunk(.offsetData, isLast: isLast, length: 8 + Int(extent.length))
                reply.buffer.writeInteger(extent.offset)
                try read(extent.offset, Int(extent.length), into: &reply.buffer)
            }
        }
        return reply.buffer
    }

    private func blockStatus(_ request: NBDRequest) throws(Refusal) -> ByteBuffer {
        let end = request.offset + UInt64(request.length)
        let limit = request.flags & NBDWire.CommandFlag.requestOne != 0 ? 1 : Self.maximumExtents
        var found: [BlockExtent] = []
        var position = request.offset
        // One more than the limit, so that the last one of the reply is known to be whole.
        while position < end, found.count <= limit {
            let step = min(end - position, Self.statusWindow)
            for extent in try extents(from: position, length: step) { found.append(joining: extent) }
            position += step
        }
        let extents = found.prefix(limit)
        var reply = NBDReply(request.handle)
        reply.chunk(.blockStatus, isLast: true, length: 4 + 8 * extents.count)
        reply.buffer.writeInteger(NBDWire.allocationContextID)
        for extent in extents {
            reply.buffer.writeInteger(UInt32(extent.length))
            reply.buffer.writeInteger(extent.isZero ? NBDWire.stateHoleAndZero : 0)
        }
        return reply.buffer
    }

    /// The source's extents, cut to the range; what it leaves out counts as data.
    private func extents(from offset: UInt64, length: UInt64) throws(Refusal) -> [BlockExtent] {
        do {
            var extents: [BlockExtent] = []
            var position = offset
            let end = offset + length
            func addData(until border: UInt64) {
                if position < border {
                    extents.append(joining: BlockExtent(offset: position, length: border - position, isZero: false))
                    position = border
                }
            }
            for extent in try export.source.extents(from: offset, length: length) where extent.isZero {
                let (extentEnd, overflow) = extent.offset.addingReportingOverflow(extent.length)
                let upper = overflow ? end : min(extentEnd, end)
                addData(until: min(extent.offset, end))
                if position < upper {
                    extents.append(joining: BlockExtent(offset: position, length: upper - position, isZero: true))
                    position = upper
                }
            }
            addData(until: end)
            return extents
        } catch {
            throw Refusal(errno: .io, message: "the disk's extents at byte \(offset) cannot be read", cause: error)
        }
    }

    private func read(_ offset: UInt64, _ count: Int, into buffer: inout ByteBuffer) throws(Refusal) {
        do {
            try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
                try export.source.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: space[..<count]))
                return count
            }
        } catch {
            throw Refusal(errno: .io, message: "\(count) bytes at byte \(offset) cannot be read", cause: error)
        }
    }
}

extension Array where Element == BlockExtent {
    /// Adds an extent, as part of the last one when both are alike.
    fileprivate mutating func append(joining extent: BlockExtent) {
        if let last, last.isZero == extent.isZero {
            self[count - 1].length += extent.length
        } else {
            append(extent)
        }
    }

    /// The same range with short zeros as data, unless all of it is zeros.
    fileprivate func joiningHoles(below smallest: UInt64) -> [BlockExtent] {
        if count < 2 { return self }
        return reduce(into: []) { result, extent in
            var extent = extent
            if extent.length < smallest { extent.isZero = false }
            result.append(joining: extent)
        }
    }
}

extension NBDSession {
    /// Most chunks of a READ reply and extents of a BLOCK_STATUS reply.
    private static let maximumChunks = 1024
    private static let maximumExtents = 4096
    /// Zeros shorter than this are sent as data: a chunk of its own costs more.
    private static let smallestHole: UInt64 = 4096
    /// Reads shorter than this are sent as data without asking for holes.
    private static let smallestSparseRead: UInt32 = 32 << 10
    /// A source is asked for the extents of this much at once.
    private static let statusWindow: UInt64 = 1 << 30

    func simpleRead(_ request: NBDRequest) throws(Refusal) -> NBDReply {
        var reply = NBDReply(request.handle, capacity: 16 + Int(request.length), pool: pool)
        reply.simple(0)
        try read(request.offset, Int(request.length), into: &reply)
        return reply
    }

    func structuredRead(_ request: NBDRequest) throws(Refusal) -> NBDReply {
        guard request.length > 0 else {
            var reply = NBDReply(request.handle, pool: pool)
            reply.chunk(.none, isLast: true, length: 0)
            return reply
        }
        let whole = [BlockExtent(offset: request.offset, length: UInt64(request.length), isZero: false)]
        var extents = whole
        if request.length >= Self.smallestSparseRead {
            extents = try self.extents(from: request.offset, length: UInt64(request.length)).joiningHoles(
                below: Self.smallestHole)
            let mustBeOne = request.flags & NBDWire.CommandFlag.dontFragment != 0
            if extents.count > (mustBeOne ? 1 : Self.maximumChunks) { extents = whole }
        }
        let dataLength = extents.reduce(0) { $0 + ($1.isZero ? 0 : Int($1.length)) }
        var reply = NBDReply(request.handle, capacity: dataLength + 32 * extents.count, pool: pool)
        for (index, extent) in extents.enumerated() {
            let isLast = index == extents.count - 1
            if extent.isZero {
                reply.chunk(.offsetHole, isLast: isLast, length: 12)
                reply.append(extent.offset)
                reply.append(UInt32(truncatingIfNeeded: extent.length))
            } else {
                reply.chunk(.offsetData, isLast: isLast, length: 8 + Int(extent.length))
                reply.append(extent.offset)
                try read(extent.offset, Int(extent.length), into: &reply)
            }
        }
        return reply
    }

    func blockStatus(_ request: NBDRequest) throws(Refusal) -> NBDReply {
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
        var reply = NBDReply(request.handle, capacity: 32 + 8 * extents.count, pool: pool)
        reply.chunk(.blockStatus, isLast: true, length: 4 + 8 * extents.count)
        reply.append(NBDWire.allocationContextID)
        for extent in extents {
            reply.append(UInt32(truncatingIfNeeded: extent.length))
            reply.append(extent.isZero ? NBDWire.stateHoleAndZero : 0)
        }
        return reply
    }

    func cache(_ request: NBDRequest) throws(Refusal) {
        try check(request, flags: 0)
        do {
            try export.source.prepare(from: request.offset, length: UInt64(request.length))
        } catch {
            throw .failure("\(request.length) bytes at byte \(request.offset) cannot be read", error)
        }
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
            throw .failure("the disk's extents at byte \(offset) cannot be read", error)
        }
    }

    private func read(_ offset: UInt64, _ count: Int, into reply: inout NBDReply) throws(Refusal) {
        do {
            try export.source.read(at: offset, into: reply.space(count))
        } catch {
            throw .failure("\(count) bytes at byte \(offset) cannot be read", error)
        }
    }
}

extension Array where Element == BlockExtent {
    /// Adds an extent, as part of the last one when both are alike and adjacent.
    mutating func append(joining extent: BlockExtent) {
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

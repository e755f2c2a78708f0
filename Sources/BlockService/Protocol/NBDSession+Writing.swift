extension NBDSession {
    private typealias Flag = NBDWire.CommandFlag

    /// WRITE: the payload is complete before anything of it is written.
    func write(_ request: NBDRequest, _ payload: UnsafeRawBufferPointer) throws(Refusal) {
        let target = try writable()
        try check(request, flags: Flag.forceUnitAccess, outside: .noSpace)
        guard payload.count == Int(request.length) else { throw .invalid("the payload is not complete") }
        try change(request) {
            if !payload.isEmpty { try target.write(at: request.offset, from: payload) }
            try flushIfForced(request, target)
        }
    }

    func writeZeroes(_ request: NBDRequest) throws(Refusal) {
        let target = try writable()
        try check(request, flags: Flag.forceUnitAccess | Flag.noHole | Flag.fastZero, outside: .noSpace)
        let isAllocated = request.flags & Flag.noHole != 0
        if isAllocated, request.flags & Flag.fastZero != 0 {
            throw Refusal(errno: .unsupported, message: "zeros that take space may be as slow as writing them")
        }
        try change(request) {
            try target.zero(at: request.offset, length: UInt64(request.length), isAllocated: isAllocated)
            try flushIfForced(request, target)
        }
    }

    /// TRIM: what was trimmed reads as zeros.
    func trim(_ request: NBDRequest) throws(Refusal) {
        let target = try writable()
        try check(request, flags: Flag.forceUnitAccess)
        try change(request) {
            try target.zero(at: request.offset, length: UInt64(request.length), isAllocated: false)
            try flushIfForced(request, target)
        }
    }

    /// FLUSH; its offset and length are to be 0 and are not looked at.
    func flush(_ request: NBDRequest) throws(Refusal) {
        guard request.flags & ~(isWritable ? Flag.forceUnitAccess : 0) == 0 else {
            throw .invalid("flags do not belong to FLUSH")
        }
        guard let target = export.writable else { return }
        try change(request) { try target.flush() }
    }

    private func writable() throws(Refusal) -> any WritableBlockSource {
        guard let target = export.writable else {
            throw Refusal(errno: .permission, message: "the export is read-only")
        }
        return target
    }

    private func flushIfForced(_ request: NBDRequest, _ target: any WritableBlockSource) throws {
        if request.flags & Flag.forceUnitAccess != 0 { try target.flush() }
    }

    private func change(_ request: NBDRequest, _ body: () throws -> Void) throws(Refusal) {
        do {
            try body()
        } catch {
            throw .failure("\(request.length) bytes at byte \(request.offset) cannot be written", error)
        }
    }
}

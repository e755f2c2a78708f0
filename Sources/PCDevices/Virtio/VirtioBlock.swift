/// A virtio block device (virtio 1.1, 5.2) that completes every request at once.
package struct VirtioBlock: Sendable {
    /// The contents; without a disk every request is an error.
    package var disk: Disk?
    /// Answer to "get ID" (20 bytes at most); QEMU's property `serial`, which no snapshot tells.
    package var serial = ""
    package var isReadOnly = false
    /// Requests that the snapshot's QEMU had taken from the ring and not finished: queue and chain.
    package internal(set) var inFlight: [(queue: Int, chain: DescriptorChain)] = []

    /// No request moves more: QEMU's bound is 2 GiB less one sector, real drivers ask for a few MiB.
    static let maximumTransfer: UInt64 = 256 << 20
    private static let sectorByteCount: UInt64 = 512
    private static let chunkByteCount: UInt64 = 1 << 16

    /// First field of a request (5.2.6); bit 31 (a barrier of old drivers) means nothing.
    private enum Kind: UInt32 {
        case read = 0
        case write = 1
        case flush = 4
        case identify = 8
        case discard = 11
        case writeZeroes = 13
    }

    /// Last byte of a request.
    private enum Status: UInt8 {
        case ok = 0
        case error = 1
        case unsupported = 2
    }

    /// Carries out a request and fills its status; the result is the number of bytes written to the buffers.
    mutating func execute<Memory: PhysicalMemory & ~Copyable>(
        _ chain: DescriptorChain, features: VirtioFeatures, memory: inout Memory
    ) throws(Virtqueue.RingError) -> UInt32 {
        let writable = chain.writableByteCount
        guard chain.readableByteCount >= 16, writable >= 1 else {
            throw Virtqueue.RingError(reason: "a request without header or status")
        }
        guard let header = chain.readable.gather(16, from: &memory) else {
            throw Virtqueue.RingError(reason: "a request outside of memory")
        }
        let kind = Self.integer(header, 0, 4) & 0x7FFF_FFFF
        let sector = Self.integer(header, 8, 8)
        let status = perform(
            Kind(rawValue: UInt32(truncatingIfNeeded: kind)), sector, out: chain.readable.slice(16),
            into: chain.writable.slice(0, writable - 1), features, &memory)
        guard chain.writable.slice(writable - 1).scatter([status.rawValue], to: &memory) else {
            throw Virtqueue.RingError(reason: "a request's status outside of memory")
        }
        return UInt32(clamping: writable)
    }

    private mutating func perform<Memory: PhysicalMemory & ~Copyable>(
        _ kind: Kind?, _ sector: UInt64, out: [VirtioSegment], into: [VirtioSegment], _ features: VirtioFeatures,
        _ memory: inout Memory
    ) -> Status {
        switch kind {
        case .read: return transfer(sector, into, isWrite: false, &memory)
        case .write: return transfer(sector, out, isWrite: true, &memory)
        case .flush: return disk == nil ? .error : .ok
        case .identify:
            let room = into.reduce(UInt64(0)) { $0 + UInt64($1.byteCount) }
            let bytes = Array((Array(serial.utf8) + [0]).prefix(Int(min(room, 20))))
            return into.scatter(bytes, to: &memory) ? .ok : .error
        case .discard where features.contains(VirtioBlock.discard): return erase(out, isDiscard: true, &memory)
        case .writeZeroes where features.contains(VirtioBlock.writeZeroes):
            return erase(out, isDiscard: false, &memory)
        case .discard, .writeZeroes, nil: return .unsupported
        }
    }

    /// Moves whole sectors between buffers and disk.
    private mutating func transfer<Memory: PhysicalMemory & ~Copyable>(
        _ sector: UInt64, _ buffers: [VirtioSegment], isWrite: Bool, _ memory: inout Memory
    ) -> Status {
        let count = buffers.reduce(UInt64(0)) { $0 + UInt64($1.byteCount) }
        let (offset, overflow) = sector.multipliedReportingOverflow(by: Self.sectorByteCount)
        guard !overflow, count % Self.sectorByteCount == 0, count <= Self.maximumTransfer, !(isWrite && isReadOnly),
            disk?.contains(offset, count) == true
        else { return .error }
        var place = offset
        for buffer in buffers {
            var done: UInt64 = 0
            while done < UInt64(buffer.byteCount) {
                let length = min(Self.chunkByteCount, UInt64(buffer.byteCount) - done)
                let isDone = withUnsafeTemporaryAllocation(byteCount: Int(length), alignment: 16) { chunk in
                    move(chunk, place, buffer.address &+ done, isWrite: isWrite, &memory)
                }
                guard isDone else { return .error }
                done += length
                place += length
            }
        }
        return .ok
    }

    private mutating func move<Memory: PhysicalMemory & ~Copyable>(
        _ chunk: UnsafeMutableRawBufferPointer, _ place: UInt64, _ address: UInt64, isWrite: Bool,
        _ memory: inout Memory
    ) -> Bool {
        do {
            if isWrite {
                guard memory.read(address, into: chunk) else { return false }
                try disk?.write(at: place, from: UnsafeRawBufferPointer(chunk))
                return true
            }
            try disk?.read(at: place, into: chunk)
            return memory.write(address, from: UnsafeRawBufferPointer(chunk))
        } catch {
            return false
        }
    }

    /// Discard and write zeroes (5.2.6): one segment of sector, number of sectors and flags. What was discarded stays, as with QEMU's
    /// default `discard=ignore`.
    private mutating func erase<Memory: PhysicalMemory & ~Copyable>(
        _ out: [VirtioSegment], isDiscard: Bool, _ memory: inout Memory
    ) -> Status {
        guard let segment = out.gather(16, from: &memory) else { return .error }
        let count = Self.integer(segment, 8, 4)
        let flags = Self.integer(segment, 12, 4)
        // Bit 0: unmap, for write zeroes only; others are reserved.
        guard flags & ~1 == 0, !(isDiscard && flags & 1 != 0) else { return .unsupported }
        let (offset, overflow) = Self.integer(segment, 0, 8).multipliedReportingOverflow(by: Self.sectorByteCount)
        guard !isReadOnly, !overflow, count <= UInt64(Self.maximumErasedSectors),
            disk?.contains(offset, count * Self.sectorByteCount) == true
        else { return .error }
        if isDiscard { return .ok }
        do { try disk?.clear(at: offset, count: count * Self.sectorByteCount) } catch { return .error }
        return .ok
    }

    private static func integer(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
    }
}

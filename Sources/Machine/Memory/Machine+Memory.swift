import X86

extension Machine {
    /// Bytes of page `index` for writing in place; gives up cached translations and code of what was there before.
    func writableBytes(ofPage index: Int) throws(MachineError) -> UnsafeMutableRawPointer {
        if let page = memory.writtenPage(index), memory.isWritableInPlace(index) { return PageHeader.data(page) }
        let written = memory.writtenPage(index)
        let old = memory.present(index)
        let hadCode =
            if let written {
                PageHeader.contentID(written).pointee.load(ordering: .relaxed) != 0
            } else {
                blocks.hasCode(index)
            }
        let data = PageHeader.data(try memory.owned(index))
        for processor in processors {
            if let old, data != old { processor.tlb.flush(host: old) }
            if hadCode { processor.tlb.flushJumps() }
        }
        if written == nil { base.letGo(of: index) }
        return data
    }

    /// Marks or unmarks the page at a guest-physical address as watched, for this state and its later forks.
    ///
    /// A guest access to a watched page stops `run` with `Exit.watchedAccess` before the instruction. Host-side accesses
    /// (`readPhysical`, `load` ...) are not stopped.
    package func setWatched(_ physicalAddress: UInt64, _ isWatched: Bool) throws(MachineError) {
        let index = try pageIndex(physicalAddress)
        guard memory.isWatched(index) != isWatched else { return }
        let old = try memory.readable(index)
        try memory.setWatched(index, isWatched)
        for processor in processors { processor.tlb.flush(host: old) }
        if let page = memory.writtenPage(index), PageHeader.data(page) != old {
            for processor in processors { processor.tlb.flushJumps() }
        }
    }

    /// True when the page at a guest-physical address is watched.
    package func isWatched(_ physicalAddress: UInt64) -> Bool {
        let (index, _) = base.pageIndex(ofPhysical: physicalAddress)
        return index >= 0 && memory.isWatched(index)
    }

    private func pageIndex(_ physicalAddress: UInt64) throws(MachineError) -> Int {
        let (index, _) = base.pageIndex(ofPhysical: physicalAddress)
        guard index >= 0 else {
            throw MachineError(
                .addressNotMapped,
                "there is no guest memory at physical address 0x\(String(physicalAddress, radix: 16))")
        }
        return index
    }

    /// Reads guest-physical RAM or ROM, across pages.
    package func readPhysical(_ address: UInt64, count: Int) throws(MachineError) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(min(max(count, 0), 1 << 24))
        var position = address
        while result.count < count {
            let offset = Int(position & 4095)
            let part = min(4096 - offset, count - result.count)
            let page = try memory.readable(try pageIndex(position))
            result.append(contentsOf: UnsafeRawBufferPointer(start: page + offset, count: part))
            position &+= UInt64(part)
        }
        return result
    }

    /// Writes guest-physical RAM or ROM, across pages. All pages are looked up before the first byte is written.
    package func writePhysical(_ address: UInt64, _ bytes: [UInt8]) throws(MachineError) {
        var position = 0
        while position < bytes.count {
            position += 4096 - Int((address &+ UInt64(position)) & 4095)
            if position < bytes.count { _ = try pageIndex(address &+ UInt64(position)) }
        }
        position = 0
        while position < bytes.count {
            let current = address &+ UInt64(position)
            let offset = Int(current & 4095)
            let part = min(4096 - offset, bytes.count - position)
            let page = try writableBytes(ofPage: try pageIndex(current))
            bytes.withUnsafeBytes { buffer in
                if let source = buffer.baseAddress {
                    (page + offset).copyMemory(from: source + position, byteCount: part)
                }
            }
            position += part
        }
    }

    /// Reads guest-virtual memory with the current tables; watched pages are read like others.
    package func readVirtual(
        _ address: UInt64, count: Int, asSupervisor: Bool = false
    ) throws(AccessFailure) -> [UInt8] {
        var result: [UInt8] = []
        var position = address
        while result.count < count {
            let part = min(4096 - Int(position & 4095), count - result.count)
            let physical = try translate(position, .read, asSupervisor: asSupervisor).physicalAddress
            do throws(MachineError) {
                result.append(contentsOf: try readPhysical(physical, count: part))
            } catch {
                throw .exit(.memoryFailure(error))
            }
            position &+= UInt64(part)
        }
        return result
    }

    /// Writes guest-virtual memory with the current tables and rights: all bytes or none.
    package func writeVirtual(
        _ address: UInt64, _ bytes: [UInt8], asSupervisor: Bool = false
    ) throws(AccessFailure) {
        var parts: [(physical: UInt64, range: Range<Int>)] = []
        var position = 0
        while position < bytes.count {
            let current = address &+ UInt64(position)
            let part = min(4096 - Int(current & 4095), bytes.count - position)
            parts.append(
                (
                    try translate(current, .write, asSupervisor: asSupervisor).physicalAddress,
                    position..<position + part
                ))
            position += part
        }
        for part in parts {
            do throws(MachineError) {
                try writePhysical(part.physical, Array(bytes[part.range]))
            } catch {
                throw .exit(.memoryFailure(error))
            }
        }
    }
}

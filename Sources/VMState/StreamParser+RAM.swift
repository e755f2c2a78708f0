extension StreamParser {
    private typealias Flags = StreamFormat.RAMFlags

    /// A START section; its type byte was taken.
    mutating func ramStart<Sink: RAMPageSink & ~Copyable>(_ sink: inout Sink) throws(VMStateError) {
        let place = cursor.offset - 1
        let id: UInt32 = try cursor.integer("a section header")
        let idstr = try cursor.shortString("a section's name")
        let instance: UInt32 = try cursor.integer("a section header")
        let version: UInt32 = try cursor.integer("a section header")
        guard idstr == "ram" else {
            let advice =
                switch idstr {
                case "dirty-bitmap": "; migrate with the capability dirty-bitmaps switched off"
                case "block": "; migrate without block migration (-b)"
                default: "; remove the device before taking the snapshot"
                }
            throw VMStateError(
                .unsupported, "sections that come in several parts are only supported for RAM\(advice)", offset: place,
                section: idstr)
        }
        guard ram == nil else { throw VMStateError(.malformed, "a second RAM section", offset: place) }
        guard version == 4 else {
            throw VMStateError(
                .unsupported, "version \(version) of the RAM section; QEMU 0.14 and later write 4", offset: place)
        }
        ram = RAMSection(sectionID: id, instanceID: instance, versionID: version, blocks: [])
        usedIDs.insert(id)
        earlyDeviceCount = devices.count
        if keepsRecordLog { log.append(RAMRecordLog.Entry(kind: .start)) }
        try ramRecords(isStart: true, &sink)
        try footer(id, "ram")
    }

    /// A PART or END section; its type byte was taken.
    mutating func ramContinuation<Sink: RAMPageSink & ~Copyable>(
        _ kind: RAMRecordLog.Entry.Kind, at place: UInt64, _ sink: inout Sink
    ) throws(VMStateError) {
        let id: UInt32 = try cursor.integer("a section header")
        guard let ram, ram.sectionID == id else {
            throw VMStateError(.malformed, "part of a section (\(id)) that was never started", offset: place)
        }
        if keepsRecordLog { log.append(RAMRecordLog.Entry(kind: kind)) }
        try ramRecords(isStart: false, &sink)
        try footer(id, "ram")
    }

    private mutating func ramRecords<Sink: RAMPageSink & ~Copyable>(
        isStart: Bool, _ sink: inout Sink
    ) throws(VMStateError) {
        var isFirst = true
        while true {
            let place = cursor.offset
            let header: UInt64 = try cursor.integer("a RAM record")
            let flags = Flags(rawValue: header & StreamFormat.flagMask)
            let address = header & ~StreamFormat.flagMask
            var entry = RAMRecordLog.Entry(kind: .record, header: header)
            var blob: [UInt8]?
            switch flags.subtracting(.sameBlock) {
            case .memorySize where isStart && isFirst && !flags.contains(.sameBlock):
                try blockList(total: address, at: place, &sink)
            case .zero:
                let block = try block(flags, address, at: place)
                entry.block = UInt16(truncatingIfNeeded: block)
                entry.fill = try cursor.byte("a RAM record")
                try fill(block, page: address / UInt64(StreamFormat.pageSize), with: entry.fill, at: place, &sink)
            case .page:
                let block = try block(flags, address, at: place)
                entry.block = UInt16(truncatingIfNeeded: block)
                try cursor.withPage { bytes in
                    try sink.data(block: block, page: address / UInt64(StreamFormat.pageSize), bytes: bytes)
                }
            case .xbzrle:
                let block = try block(flags, address, at: place)
                entry.block = UInt16(truncatingIfNeeded: block)
                blob = try delta(block, page: address / UInt64(StreamFormat.pageSize), at: place, &sink)
            case .endOfSection:
                if keepsRecordLog { log.append(entry) }
                return
            case .multifdFlush:
                break
            case .compressed:
                throw VMStateError(
                    .unsupported, "compressed RAM pages; migrate with the capability compress switched off",
                    offset: place, section: "ram")
            case .hook:
                throw VMStateError(.unsupported, "RAM records of an RDMA migration", offset: place, section: "ram")
            default:
                throw VMStateError(
                    .malformed, "0x\(String(flags.rawValue, radix: 16)) are not the flags of a RAM record",
                    offset: place, section: "ram")
            }
            if keepsRecordLog { log.append(entry, blob: blob) }
            isFirst = false
        }
    }

    private mutating func blockList<Sink: RAMPageSink & ~Copyable>(
        total: UInt64, at place: UInt64, _ sink: inout Sink
    ) throws(VMStateError) {
        var blocks: [RAMBlock] = []
        var mapped: [MappedBlock] = []
        var rest = total
        while rest > 0 {
            let place = cursor.offset
            let idstr = try cursor.shortString("a RAM block's name")
            let length: UInt64 = try cursor.integer("a RAM block")
            // The address of the block's region; QEMU compares it for the blocks that it leaves out.
            if !sharedBlocks.isEmpty { let _: UInt64 = try cursor.integer("a RAM block") }
            guard length > 0, length <= rest, length % UInt64(StreamFormat.pageSize) == 0 else {
                throw VMStateError(
                    .malformed, "the RAM block \"\(idstr)\" has \(length) bytes, \(rest) are left of the total",
                    offset: place, section: "ram")
            }
            guard blocks.count < limits.ramBlocks else {
                throw VMStateError(.limit, "more than \(limits.ramBlocks) RAM blocks", offset: place, section: "ram")
            }
            guard blockIndex.updateValue(blocks.count, forKey: idstr) == nil else {
                throw VMStateError(.malformed, "two RAM blocks named \"\(idstr)\"", offset: place, section: "ram")
            }
            if isMapped { mapped.append(try mappedBlock(blocks.count, idstr, length: length)) }
            blocks.append(RAMBlock(idstr: idstr, usedLength: length))
            rest -= length
        }
        ram?.blocks = blocks
        do {
            try sink.begin(blocks: blocks)
        } catch {
            throw VMStateError(.pages, "the RAM blocks could not be taken", offset: place, underlying: error)
        }
        try deliver(mapped, to: &sink)
    }

    /// The block of a record, checked to contain the page.
    private mutating func block(
        _ flags: StreamFormat.RAMFlags, _ address: UInt64, at place: UInt64
    ) throws(VMStateError) -> Int {
        let index: Int
        if flags.contains(.sameBlock) {
            guard let lastBlock else {
                throw VMStateError(.malformed, "the first RAM record names no block", offset: place, section: "ram")
            }
            index = lastBlock
        } else {
            let idstr = try cursor.shortString("a RAM block's name")
            guard let found = blockIndex[idstr] else {
                throw VMStateError(.malformed, "unknown RAM block \"\(idstr)\"", offset: place, section: "ram")
            }
            index = found
            lastBlock = found
        }
        if let name = ram?.blocks[index].idstr, sharedBlocks.contains(name) {
            throw VMStateError(
                .inconsistent, "a page of the RAM block \"\(name)\", which is shared and should not be in the stream",
                offset: place, section: "ram")
        }
        guard let block = ram?.blocks[index], address < block.usedLength else {
            throw VMStateError(
                .malformed, "the page at 0x\(String(address, radix: 16)) lies outside its RAM block", offset: place,
                section: "ram")
        }
        return index
    }

    private func fill<Sink: RAMPageSink & ~Copyable>(
        _ block: Int, page: UInt64, with byte: UInt8, at place: UInt64, _ sink: inout Sink
    ) throws(VMStateError) {
        do {
            if byte == 0 {
                try sink.zero(block: block, page: page)
            } else {
                let bytes = [UInt8](repeating: byte, count: StreamFormat.pageSize)
                try sink.data(block: block, page: page, bytes: bytes.span.bytes)
            }
        } catch {
            throw VMStateError(.pages, "a RAM page could not be taken", offset: place, underlying: error)
        }
    }

    /// An XBZRLE record after its block; returns the encoded bytes.
    private mutating func delta<Sink: RAMPageSink & ~Copyable>(
        _ block: Int, page: UInt64, at place: UInt64, _ sink: inout Sink
    ) throws(VMStateError) -> [UInt8] {
        let encoding = try cursor.byte("a RAM record")
        let length: UInt16 = try cursor.integer("a RAM record")
        guard encoding == 1, length <= StreamFormat.pageSize else {
            throw VMStateError(
                .malformed, "XBZRLE record with encoding \(encoding) and \(length) bytes", offset: place, section: "ram"
            )
        }
        let encoded = try cursor.bytes(Int(length), "a RAM record")
        var bytes = [UInt8](repeating: 0, count: StreamFormat.pageSize)
        do {
            try bytes.withUnsafeMutableBytes { try sink.current(block: block, page: page, into: $0) }
        } catch {
            throw VMStateError(
                .pages, "a page that a difference refers to could not be had", offset: place, underlying: error)
        }
        guard XBZRLE.apply(encoded, to: &bytes) else {
            throw VMStateError(.malformed, "damaged XBZRLE record", offset: place, section: "ram")
        }
        do {
            try sink.data(block: block, page: page, bytes: bytes.span.bytes)
        } catch {
            throw VMStateError(.pages, "a RAM page could not be taken", offset: place, underlying: error)
        }
        return encoded
    }
}

/// RAM at fixed places of the file: streams with the capability `mapped-ram` (QEMU 9.0 and later).
extension StreamParser {
    /// Where the pages of a block are; offsets are those of the stream.
    struct MappedBlock: Sendable {
        var block: Int
        /// A bit for each page that is in the file, in little-endian 64-bit words.
        var bitmap: UInt64
        var pages: UInt64
        var pageCount: UInt64
    }

    private static var headerVersion: UInt32 { 1 }

    /// The header behind a block's name and length. Afterwards the cursor stands behind the block's pages.
    mutating func mappedBlock(_ index: Int, _ idstr: String, length: UInt64) throws(VMStateError) -> MappedBlock {
        let place = cursor.offset
        func refuse(_ code: VMStateError.Code, _ text: String) -> VMStateError {
            VMStateError(code, "the mapped RAM block \"\(idstr)\": \(text)", offset: place, section: "ram")
        }
        let version: UInt32 = try cursor.integer("a mapped RAM block")
        let pageSize: UInt64 = try cursor.integer("a mapped RAM block")
        let bitmap: UInt64 = try cursor.integer("a mapped RAM block")
        let pages: UInt64 = try cursor.integer("a mapped RAM block")
        guard version == Self.headerVersion else {
            throw refuse(.unsupported, "version \(version) of its header; 1 is known")
        }
        guard pageSize == UInt64(StreamFormat.pageSize) else {
            throw refuse(.unsupported, "pages of \(pageSize) bytes; x86 has \(StreamFormat.pageSize)")
        }
        // QEMU counts from the beginning of its file, which may be one of libvirt with a header of its own. The bitmap
        // follows the header directly, which tells where the stream begins in the file.
        let (base, isBefore) = bitmap.subtractingReportingOverflow(cursor.offset)
        guard !isBefore, mappedBase == nil || mappedBase == base else {
            throw refuse(.malformed, "its bitmap is said to be at \(bitmap), but it has to follow here")
        }
        mappedBase = base
        let pageCount = length / pageSize
        let bitmapBytes = (pageCount + 63) / 64 * 8
        let (start, isOutside) = pages.subtractingReportingOverflow(base)
        let (end, isTooLong) = start.addingReportingOverflow(length)
        guard !isOutside, !isTooLong, end <= cursor.end, pages % pageSize == 0, start >= cursor.offset,
            start - cursor.offset >= bitmapBytes
        else {
            throw refuse(
                .malformed, "its pages are said to be at \(pages), \(length) bytes, which does not fit the file")
        }
        let found = MappedBlock(block: index, bitmap: cursor.offset, pages: start, pageCount: pageCount)
        cursor.move(to: end)
        return found
    }

    /// Delivers the pages of all mapped blocks. Pages that are not in the file are zero and never come.
    mutating func deliver<Sink: RAMPageSink & ~Copyable>(
        _ blocks: [MappedBlock], to sink: inout Sink
    ) throws(VMStateError) {
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        for block in blocks {
            // Bitmaps are read in pieces: their length comes from the file.
            let piece: UInt64 = 64 << 10
            let bytes = (block.pageCount + 63) / 64 * 8
            var offset: UInt64 = 0
            while offset < bytes {
                let words = try cursor.source.bytes(at: block.bitmap + offset, length: Int(min(piece, bytes - offset)))
                try deliver(block, firstPage: offset * 8, bits: words, &buffer, &sink)
                offset += UInt64(words.count)
            }
        }
    }

    private func deliver<Sink: RAMPageSink & ~Copyable>(
        _ block: MappedBlock, firstPage: UInt64, bits: [UInt8], _ buffer: inout [UInt8], _ sink: inout Sink
    ) throws(VMStateError) {
        let size = UInt64(StreamFormat.pageSize)
        let most = buffer.count / Int(size)
        let end = min(bits.count * 8, Int(block.pageCount - firstPage))
        func isSet(_ bit: Int) -> Bool { bits[bit / 8] & 1 << UInt8(bit % 8) != 0 }
        var bit = 0
        while bit < end {
            if bit % 8 == 0, bits[bit / 8] == 0 {
                bit += 8
                continue
            }
            guard isSet(bit) else {
                bit += 1
                continue
            }
            var run = 1
            while bit + run < end, run < most, isSet(bit + run) { run += 1 }
            let page = firstPage + UInt64(bit)
            let place = block.pages + page * size
            try read(at: place, length: run * Int(size), into: &buffer)
            do {
                for index in 0..<run {
                    let start = index * Int(size)
                    try sink.data(
                        block: block.block, page: page + UInt64(index),
                        bytes: buffer.span.bytes.extracting(start..<start + Int(size)))
                }
            } catch {
                throw VMStateError(.pages, "a RAM page could not be taken", offset: place, underlying: error)
            }
            bit += run
        }
    }

    private func read(at offset: UInt64, length: Int, into buffer: inout [UInt8]) throws(VMStateError) {
        let source = cursor.source
        var failure: VMStateError?
        buffer.withUnsafeMutableBytes { bytes in
            do throws(VMStateError) {
                try source.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<length]))
            } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

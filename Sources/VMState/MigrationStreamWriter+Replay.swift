extension MigrationStreamWriter {
    /// Repeats a stream with the record order of its log.
    ///
    /// - Parameter nextPage: fills the buffer (4096 bytes) with the contents of the next PAGE record in the order of the
    ///   stream; a page that was sent twice is asked for twice.
    package func replay<Output: ByteOutput & ~Copyable>(
        _ stream: MigrationStream, to output: inout Output,
        nextPage: (_ block: RAMBlock, _ page: UInt64, _ buffer: UnsafeMutableRawBufferPointer) throws -> Void
    ) throws(VMStateError) {
        guard let log = stream.recordLog else {
            throw VMStateError(.notFound, "the stream was read without a record log, it cannot be repeated")
        }
        var encoder = StreamEncoder()
        try writeBeginning(stream, &encoder, to: &output)
        for entry in log.entries {
            switch entry.kind {
            case .start: try ramStartHeader(stream, &encoder)
            case .part: ramHeader(.part, stream, &encoder)
            case .end: ramHeader(.end, stream, &encoder)
            case .command:
                encoder.byte(StreamFormat.SectionType.command.rawValue)
                try encoder.bytes(log.blobs[Int(entry.extra)], to: &output)
                continue
            case .record:
                try record(entry, log, stream, &encoder, to: &output, nextPage)
            }
            if entry.kind == .record, StreamFormat.RAMFlags(rawValue: entry.header).contains(.endOfSection) {
                footer(stream.ram.sectionID, stream, &encoder)
            }
            try encoder.flushIfFull(to: &output)
        }
        try writeEnd(stream, &encoder, to: &output)
    }

    private func record<Output: ByteOutput & ~Copyable>(
        _ entry: RAMRecordLog.Entry, _ log: RAMRecordLog, _ stream: MigrationStream, _ encoder: inout StreamEncoder,
        to output: inout Output,
        _ nextPage: (_ block: RAMBlock, _ page: UInt64, _ buffer: UnsafeMutableRawBufferPointer) throws -> Void
    ) throws(VMStateError) {
        let flags = StreamFormat.RAMFlags(rawValue: entry.header & StreamFormat.flagMask)
        let address = entry.header & ~StreamFormat.flagMask
        if flags.contains(.memorySize) {
            try blockList(stream, &encoder, to: &output)
            return
        }
        guard !flags.isDisjoint(with: [.zero, .page, .xbzrle]) else {
            encoder.integer(entry.header)
            return
        }
        guard Int(entry.block) < stream.ram.blocks.count else {
            throw VMStateError(.inconsistent, "the record log does not fit the stream's RAM blocks", section: "ram")
        }
        let block = stream.ram.blocks[Int(entry.block)]
        let isSame = flags.contains(.sameBlock)
        if flags.contains(.page) {
            try encoder.page(address, in: isSame ? nil : block.idstr, sameBlock: isSame) { buffer in
                try nextPage(block, address / UInt64(StreamFormat.pageSize), buffer)
                return .data
            }
            return
        }
        encoder.integer(entry.header)
        if !isSame { try encoder.shortString(block.idstr) }
        if flags.contains(.zero) {
            encoder.byte(entry.fill)
        } else {
            let bytes = log.blobs[Int(entry.extra)]
            encoder.byte(1)
            encoder.integer(UInt16(truncatingIfNeeded: bytes.count))
            try encoder.bytes(bytes, to: &output)
        }
    }
}

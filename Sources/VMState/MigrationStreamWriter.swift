/// Writes a migration stream from its model and from a provider of RAM pages.
///
/// Memory use does not depend on the guest's size. The output is the canonical form (see the module's documentation);
/// `replay` repeats a stream that was read with a record log byte for byte.
package struct MigrationStreamWriter: Sendable {
    /// Makes a writer.
    package init() {}

    /// Writes the whole stream.
    ///
    /// - Parameter sharedBlocks: RAM blocks whose contents the reader has already. They are left out, and the stream is
    ///   one with the capability `x-ignore-shared`, which its reader must have switched on.
    package func write<Provider: RAMPageProvider & ~Copyable, Output: ByteOutput & ~Copyable>(
        _ stream: MigrationStream, pages: inout Provider, leavingOut sharedBlocks: Set<String> = [],
        to output: inout Output
    ) throws(VMStateError) {
        var stream = stream
        if !sharedBlocks.isEmpty {
            stream.configuration?.subsections.append(.capabilities([StreamConfiguration.ignoreShared], version: 1))
        }
        var encoder = StreamEncoder()
        try writeBeginning(stream, &encoder, to: &output)
        try writeRAMStart(stream, withAddresses: !sharedBlocks.isEmpty, &encoder, to: &output)

        ramHeader(.part, stream, &encoder)
        for block in stream.ram.blocks where !sharedBlocks.contains(block.idstr) {
            for page in 0..<block.pageCount {
                let isFirst = page == 0
                try encoder.page(
                    page * UInt64(StreamFormat.pageSize), in: isFirst ? block.idstr : nil, sameBlock: !isFirst
                ) { buffer in
                    try pages.page(block: block, page: page, into: buffer)
                }
                try encoder.flushIfFull(to: &output)
            }
        }
        encoder.integer(StreamFormat.RAMFlags.endOfSection.rawValue)
        footer(stream.ram.sectionID, stream, &encoder)

        try writeRAMEnd(stream, &encoder, to: &output)
        try writeEnd(stream, &encoder, to: &output)
    }

    /// Writes the stream without RAM contents: START with the block list, END.
    func writeSkeleton<Output: ByteOutput & ~Copyable>(
        _ stream: MigrationStream, to output: inout Output
    ) throws(VMStateError) {
        var encoder = StreamEncoder()
        try writeBeginning(stream, &encoder, to: &output)
        try writeRAMStart(stream, &encoder, to: &output)
        try writeRAMEnd(stream, &encoder, to: &output)
        try writeEnd(stream, &encoder, to: &output)
    }
}

extension MigrationStreamWriter {
    /// Header, configuration, early device sections.
    func writeBeginning<Output: ByteOutput & ~Copyable>(
        _ stream: MigrationStream, _ encoder: inout StreamEncoder, to output: inout Output
    ) throws(VMStateError) {
        encoder.integer(StreamFormat.magic)
        encoder.integer(StreamFormat.version)
        if let configuration = stream.configuration {
            encoder.byte(StreamFormat.SectionType.configuration.rawValue)
            let name = Array(configuration.machine.utf8)
            encoder.integer(UInt32(clamping: name.count))
            try encoder.bytes(name, to: &output)
            for subsection in configuration.subsections { try write(subsection, &encoder) }
        }
        for device in stream.devices.prefix(stream.earlyDeviceCount) {
            try write(device, stream, &encoder, to: &output)
        }
    }

    /// The section that announces the RAM blocks.
    func writeRAMStart<Output: ByteOutput & ~Copyable>(
        _ stream: MigrationStream, withAddresses: Bool = false, _ encoder: inout StreamEncoder, to output: inout Output
    ) throws(VMStateError) {
        try ramStartHeader(stream, &encoder)
        try blockList(stream, withAddresses: withAddresses, &encoder, to: &output)
        encoder.integer(StreamFormat.RAMFlags.endOfSection.rawValue)
        footer(stream.ram.sectionID, stream, &encoder)
    }

    func ramStartHeader(_ stream: MigrationStream, _ encoder: inout StreamEncoder) throws(VMStateError) {
        encoder.byte(StreamFormat.SectionType.start.rawValue)
        encoder.integer(stream.ram.sectionID)
        try encoder.shortString("ram")
        encoder.integer(stream.ram.instanceID)
        encoder.integer(stream.ram.versionID)
    }

    func blockList<Output: ByteOutput & ~Copyable>(
        _ stream: MigrationStream, withAddresses: Bool = false, _ encoder: inout StreamEncoder, to output: inout Output
    ) throws(VMStateError) {
        var total: UInt64 = 0
        for block in stream.ram.blocks {
            let (sum, overflow) = total.addingReportingOverflow(block.usedLength)
            guard !overflow, block.usedLength % UInt64(StreamFormat.pageSize) == 0 else {
                throw VMStateError(
                    .malformed, "the RAM block \"\(block.idstr)\" has a size that no page fits", section: "ram")
            }
            total = sum
        }
        encoder.integer(total | StreamFormat.RAMFlags.memorySize.rawValue)
        for block in stream.ram.blocks {
            try encoder.shortString(block.idstr)
            encoder.integer(block.usedLength)
            // Where the block's memory region lies in the region that holds it. Main memory is in none: 0. The reader
            // compares it only for blocks that are shared.
            if withAddresses { encoder.integer(UInt64(0)) }
            try encoder.flushIfFull(to: &output)
        }
    }

    func ramHeader(_ type: StreamFormat.SectionType, _ stream: MigrationStream, _ encoder: inout StreamEncoder) {
        encoder.byte(type.rawValue)
        encoder.integer(stream.ram.sectionID)
    }

    private func writeRAMEnd<Output: ByteOutput & ~Copyable>(
        _ stream: MigrationStream, _ encoder: inout StreamEncoder, to output: inout Output
    ) throws(VMStateError) {
        ramHeader(.end, stream, &encoder)
        encoder.integer(StreamFormat.RAMFlags.endOfSection.rawValue)
        footer(stream.ram.sectionID, stream, &encoder)
    }

    /// Device sections, end mark, description.
    func writeEnd<Output: ByteOutput & ~Copyable>(
        _ stream: MigrationStream, _ encoder: inout StreamEncoder, to output: inout Output
    ) throws(VMStateError) {
        for device in stream.devices.dropFirst(stream.earlyDeviceCount) {
            try write(device, stream, &encoder, to: &output)
        }
        encoder.byte(StreamFormat.SectionType.endOfStream.rawValue)
        if let text = stream.description?.text {
            encoder.byte(StreamFormat.SectionType.description.rawValue)
            encoder.integer(UInt32(clamping: text.count))
            try encoder.bytes(text, to: &output)
        }
        try encoder.flush(to: &output)
    }

    func footer(_ sectionID: UInt32, _ stream: MigrationStream, _ encoder: inout StreamEncoder) {
        guard stream.hasFooters else { return }
        encoder.byte(StreamFormat.SectionType.footer.rawValue)
        encoder.integer(sectionID)
    }

    private func write<Output: ByteOutput & ~Copyable>(
        _ device: DeviceSection, _ stream: MigrationStream, _ encoder: inout StreamEncoder, to output: inout Output
    ) throws(VMStateError) {
        encoder.byte(StreamFormat.SectionType.full.rawValue)
        encoder.integer(device.sectionID)
        try encoder.shortString(device.idstr)
        encoder.integer(device.instanceID)
        encoder.integer(device.versionID)
        try encoder.bytes(device.payload, to: &output)
        footer(device.sectionID, stream, &encoder)
    }

    private func write(
        _ subsection: StreamConfiguration.Subsection, _ encoder: inout StreamEncoder
    ) throws(VMStateError) {
        encoder.byte(StreamFormat.SectionType.subsection.rawValue)
        switch subsection {
        case .targetPageBits(let bits, let version):
            try encoder.shortString("configuration/target-page-bits")
            encoder.integer(version)
            encoder.integer(bits)
        case .capabilities(let names, let version):
            try encoder.shortString("configuration/capabilities")
            encoder.integer(version)
            encoder.integer(UInt32(clamping: names.count))
            for name in names { try encoder.shortString(name) }
        case .uuid(let bytes, let version):
            try encoder.shortString("configuration/uuid")
            encoder.integer(version)
            for byte in bytes.prefix(16) { encoder.byte(byte) }
        }
    }
}

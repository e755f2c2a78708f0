/// Reads a migration stream: RAM into a sink, everything else into a ``MigrationStream``.
package struct MigrationStreamReader<Source: ByteSource>: Sendable {
    /// The stream's bytes, from "QEVM" on.
    package let source: Source
    /// What the stream may ask for.
    package var limits = StreamLimits()
    /// Keep the order and flags of all RAM records, for a byte-exact repetition.
    package var keepsRecordLog = false
    /// RAM blocks whose contents lie elsewhere: the stream was written with the capability `x-ignore-shared`, and these
    /// blocks were shared memory. Empty: such a stream is refused. The model that is read is that of a stream without
    /// the capability.
    package var sharedBlocks: Set<String> = []

    /// Prepares reading; nothing is read yet.
    package init(_ source: Source) { self.source = source }

    /// Reads the whole stream once.
    package func read<Sink: RAMPageSink & ~Copyable>(pages sink: inout Sink) throws(VMStateError) -> MigrationStream {
        var parser = StreamParser(
            source, limits: limits, keepsRecordLog: keepsRecordLog && sharedBlocks.isEmpty, sharedBlocks: sharedBlocks)
        return try parser.parse(&sink)
    }
}

/// The state of reading one stream.
struct StreamParser<Source: ByteSource> {
    var cursor: StreamCursor<Source>
    let limits: StreamLimits
    let keepsRecordLog: Bool
    /// See ``MigrationStreamReader/sharedBlocks``.
    let sharedBlocks: Set<String>

    var description: VMDescription?
    var hasFooters: Bool?
    var ram: RAMSection?
    /// The pages are not in the records (capability `mapped-ram`).
    var isMapped = false
    /// Offset of the stream in the file that the mapped blocks count from; nil before the first of them.
    var mappedBase: UInt64?
    var blockIndex: [String: Int] = [:]
    /// Block of the record before, for CONTINUE.
    var lastBlock: Int?
    var devices: [DeviceSection] = []
    var deviceBytes = 0
    var earlyDeviceCount = 0
    var usedIDs: Set<UInt32> = []
    var log = RAMRecordLog()

    init(_ source: Source, limits: StreamLimits, keepsRecordLog: Bool, sharedBlocks: Set<String>) {
        cursor = StreamCursor(source)
        self.limits = limits
        self.keepsRecordLog = keepsRecordLog
        self.sharedBlocks = sharedBlocks
    }

    mutating func parse<Sink: RAMPageSink & ~Copyable>(_ sink: inout Sink) throws(VMStateError) -> MigrationStream {
        try header()
        let located = try VMDescription.locate(in: cursor.source, limits: limits)
        description = located?.description
        var configuration: StreamConfiguration?
        if try cursor.peek() == StreamFormat.SectionType.configuration.rawValue {
            configuration = try self.configuration()
        }
        sections: while true {
            let place = cursor.offset
            let byte = try cursor.byte("the list of sections (the end mark is missing)")
            switch StreamFormat.SectionType(rawValue: byte) {
            case .endOfStream: break sections
            case .start: try ramStart(&sink)
            case .part: try ramContinuation(.part, at: place, &sink)
            case .end: try ramContinuation(.end, at: place, &sink)
            case .full: try device(at: place)
            case .command: try command(at: place)
            default:
                throw VMStateError(
                    .malformed, "0x\(String(byte, radix: 16)) is not the type of a section", offset: place)
            }
        }
        try trailer(located)
        guard let ram else { throw VMStateError(.malformed, "the stream has no RAM section") }
        return MigrationStream(
            configuration: configuration, ram: ram, devices: devices, earlyDeviceCount: earlyDeviceCount,
            description: description, hasFooters: hasFooters ?? true, recordLog: keepsRecordLog && !isMapped ? log : nil
        )
    }

    private mutating func header() throws(VMStateError) {
        guard cursor.remaining >= 8 else {
            throw VMStateError(.truncated, "\(cursor.remaining) bytes are too few for a migration stream", offset: 0)
        }
        guard try cursor.integer("the header", as: UInt32.self) == StreamFormat.magic else {
            throw VMStateError(.malformed, "no migration stream: it does not begin with \"QEVM\"", offset: 0)
        }
        let version = try cursor.integer("the header", as: UInt32.self)
        guard version == StreamFormat.version else {
            throw VMStateError(
                .unsupported, "migration stream version \(version); only version 3 (QEMU 0.12 and later) is supported",
                offset: 4)
        }
    }

    /// What follows the end mark: the description, padding, nothing.
    private mutating func trailer(_ located: VMDescription.Located?) throws(VMStateError) {
        let place = cursor.offset
        if let located {
            guard located.offset == place else {
                throw VMStateError(
                    .inconsistent,
                    "the sections end here, but the description (vmdesc) stands at offset \(located.offset)",
                    offset: place)
            }
            return
        }
        guard cursor.remaining <= UInt64(limits.padding) else {
            throw VMStateError(
                .malformed, "\(cursor.remaining) unknown bytes after the end of the stream", offset: place)
        }
        let rest = try cursor.source.bytes(at: place, length: Int(cursor.remaining))
        if let index = rest.firstIndex(where: { $0 != 0 }) {
            throw VMStateError(
                .malformed, "unknown bytes after the end of the stream", offset: place + UInt64(index))
        }
    }

    /// The footer of a section, if the stream has footers. The first section decides.
    mutating func footer(_ sectionID: UInt32, _ name: String) throws(VMStateError) {
        let mark = StreamFormat.SectionType.footer.rawValue
        let place = cursor.offset
        if hasFooters == nil { hasFooters = try cursor.peek() == mark }
        guard hasFooters == true else { return }
        let byte = try cursor.byte("the footer of a section")
        guard byte == mark else {
            throw VMStateError(
                .inconsistent, "the section should end here, but its footer does not stand here", offset: place,
                section: name)
        }
        let id: UInt32 = try cursor.integer("the footer of a section")
        guard id == sectionID else {
            throw VMStateError(
                .inconsistent, "the footer is that of section \(id), not \(sectionID)", offset: place, section: name)
        }
    }

    private mutating func command(at place: UInt64) throws(VMStateError) {
        let code: UInt16 = try cursor.integer("a command")
        let length: UInt16 = try cursor.integer("a command")
        let data = try cursor.bytes(Int(length), "a command")
        switch code {
        case 1, 2, 0xb:
            // OPEN_RETURN_PATH, PING, SWITCHOVER_START: talk between the two QEMUs, without meaning in a file.
            if keepsRecordLog {
                let bytes = [UInt8(code >> 8), UInt8(code & 0xff), UInt8(length >> 8), UInt8(length & 0xff)] + data
                log.append(RAMRecordLog.Entry(kind: .command), blob: bytes)
            }
        case 3...6, 9, 0xa:
            throw VMStateError(
                .unsupported, "a postcopy migration cannot be read from a file; migrate without postcopy-ram",
                offset: place)
        case 7:
            throw VMStateError(
                .unsupported,
                "a packaged stream (postcopy or background-snapshot) is not supported; migrate without it",
                offset: place)
        case 8: throw VMStateError(.unsupported, "a COLO replication stream is not supported", offset: place)
        default: throw VMStateError(.malformed, "unknown command \(code)", offset: place)
        }
    }
}

import NIOCore

/// The handshake of one connection: takes bytes, answers bytes, and ends in a session.
///
/// A value without I/O; the caller sends each reply before it asks for the next step.
struct NBDNegotiation {
    /// What one step led to.
    enum Step {
        /// More bytes are needed.
        case needsInput
        case reply(ByteBuffer)
        /// The handshake is over.
        case enter(NBDSession, ByteBuffer)
        /// The client left, or does not speak the protocol.
        case close(ByteBuffer)
    }

    static let maximumOptionLength: UInt32 = 64 << 10
    static let maximumOptions = 1024

    private let table: NBDExportTable
    private var clientFlags: UInt16?
    private var optionCount = 0
    private(set) var hasStructuredReplies = false
    /// The export that `base:allocation` was selected for.
    private(set) var allocationExport: String?

    init(_ table: NBDExportTable) { self.table = table }

    /// What the server sends first.
    static var greeting: ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(NBDWire.serverMagic)
        buffer.writeInteger(NBDWire.optionMagic)
        buffer.writeInteger(NBDWire.HandshakeFlag.fixedNewstyle | NBDWire.HandshakeFlag.noZeroes)
        return buffer
    }

    /// Takes the client's flags or one option from the input.
    mutating func step(_ input: inout ByteBuffer) -> Step {
        guard let clientFlags else {
            guard let flags = input.readInteger(as: UInt32.self) else { return .needsInput }
            let known = NBDWire.HandshakeFlag.fixedNewstyle | NBDWire.HandshakeFlag.noZeroes
            guard flags & ~UInt32(known) == 0 else { return .close(ByteBuffer()) }
            self.clientFlags = UInt16(truncatingIfNeeded: flags)
            return .reply(ByteBuffer())
        }
        // Decided on the first bytes already: a client of another protocol is not waited for.
        if let magic = input.getInteger(at: input.readerIndex, as: UInt64.self), magic != NBDWire.optionMagic {
            return .close(ByteBuffer())
        }
        guard
            let number = input.getInteger(at: input.readerIndex + 8, as: UInt32.self),
            let length = input.getInteger(at: input.readerIndex + 12, as: UInt32.self)
        else { return .needsInput }
        optionCount += 1
        guard length <= Self.maximumOptionLength, optionCount <= Self.maximumOptions else {
            return .close(ByteBuffer())
        }
        guard input.readableBytes >= 16 + Int(length) else {
            optionCount -= 1
            return .needsInput
        }
        input.moveReaderIndex(forwardBy: 16)
        guard let data = input.readSlice(length: Int(length)) else { return .close(ByteBuffer()) }
        let option = NBDWire.Option(rawValue: number)
        if option == .exportName { return enterByName(data, padded: clientFlags & NBDWire.HandshakeFlag.noZeroes == 0) }
        // Without fixed newstyle a client does not understand option replies.
        guard clientFlags & NBDWire.HandshakeFlag.fixedNewstyle != 0 else { return .close(ByteBuffer()) }
        var replies = NBDOptionReplies(option: number)
        switch option {
        case .abort:
            replies.add(.ack)
            return .close(replies.buffer)
        case .list: list(data, &replies)
        case .info, .go:
            if let export = info(data, &replies), option == .go {
                return .enter(session(export), replies.buffer)
            }
        case .structuredReply:
            if data.readableBytes == 0 {
                hasStructuredReplies = true
                replies.add(.ack)
            } else {
                replies.fail(.invalid, "this option has no data")
            }
        case .listMetaContext: listMetaContexts(data, &replies)
        case .setMetaContext: setMetaContexts(data, &replies)
        case .exportName, nil: replies.fail(.unsupported, "option \(number) is not supported")
        }
        return .reply(replies.buffer)
    }

    private func session(_ export: NBDExport) -> NBDSession {
        NBDSession(
            export: export, hasStructuredReplies: hasStructuredReplies,
            hasAllocationContext: allocationExport == export.name)
    }

    private func enterByName(_ data: ByteBuffer, padded: Bool) -> Step {
        guard let export = table.find(String(buffer: data)) else { return .close(ByteBuffer()) }
        let session = session(export)
        var reply = ByteBuffer()
        reply.writeInteger(export.source.size)
        reply.writeInteger(session.transmissionFlags)
        if padded { reply.writeRepeatingByte(0, count: 124) }
        return .enter(session, reply)
    }

    private func list(_ data: ByteBuffer, _ replies: inout NBDOptionReplies) {
        guard data.readableBytes == 0 else { return replies.fail(.invalid, "this option has no data") }
        for export in table.exports {
            replies.add(.server) {
                $0.writeInteger(UInt32(export.name.utf8.count))
                $0.writeString(export.name)
                $0.writeString(export.description)
            }
        }
        replies.add(.ack)
    }

    /// Answers INFO or GO.
    ///
    /// - Returns: The export, unless an error was replied.
    private func info(_ data: ByteBuffer, _ replies: inout NBDOptionReplies) -> NBDExport? {
        var data = data
        guard let name = data.readNBDString(), let count = data.readInteger(as: UInt16.self),
            data.readableBytes == Int(count) * 2
        else {
            replies.fail(.invalid, "the data is not a name and a list of information types")
            return nil
        }
        guard let export = table.find(name) else {
            replies.fail(.unknown, "there is no export \"\(name)\"")
            return nil
        }
        replies.add(.info) {
            $0.writeInteger(NBDWire.Info.export.rawValue)
            $0.writeInteger(export.source.size)
            $0.writeInteger(session(export).transmissionFlags)
        }
        var wanted: Set<UInt16> = []
        while let type = data.readInteger(as: UInt16.self) { wanted.insert(type) }
        if wanted.contains(NBDWire.Info.name.rawValue) {
            replies.add(.info) {
                $0.writeInteger(NBDWire.Info.name.rawValue)
                $0.writeString(export.name)
            }
        }
        if wanted.contains(NBDWire.Info.description.rawValue), !export.description.isEmpty {
            replies.add(.info) {
                $0.writeInteger(NBDWire.Info.description.rawValue)
                $0.writeString(export.description)
            }
        }
        if wanted.contains(NBDWire.Info.blockSize.rawValue) {
            replies.add(.info) {
                $0.writeInteger(NBDWire.Info.blockSize.rawValue)
                $0.writeInteger(NBDWire.minimumBlock)
                $0.writeInteger(NBDWire.preferredBlock)
                $0.writeInteger(NBDWire.maximumPayload)
            }
        }
        replies.add(.ack)
        return export
    }

    private func listMetaContexts(_ data: ByteBuffer, _ replies: inout NBDOptionReplies) {
        guard let (name, queries) = Self.metaContextQuery(data) else {
            return replies.fail(.invalid, "the data is not a name and a list of queries")
        }
        guard table.find(name) != nil else { return replies.fail(.unknown, "there is no export \"\(name)\"") }
        if queries.isEmpty || queries.contains("base:") || queries.contains(NBDWire.allocationContext) {
            replies.add(.metaContext) {
                $0.writeInteger(UInt32(0))
                $0.writeString(NBDWire.allocationContext)
            }
        }
        replies.add(.ack)
    }

    private mutating func setMetaContexts(_ data: ByteBuffer, _ replies: inout NBDOptionReplies) {
        // An earlier selection ends here, also when this one fails.
        allocationExport = nil
        guard hasStructuredReplies else { return replies.fail(.invalid, "ask for structured replies first") }
        guard let (name, queries) = Self.metaContextQuery(data) else {
            return replies.fail(.invalid, "the data is not a name and a list of queries")
        }
        guard let export = table.find(name) else { return replies.fail(.unknown, "there is no export \"\(name)\"") }
        if queries.contains(NBDWire.allocationContext) {
            allocationExport = export.name
            replies.add(.metaContext) {
                $0.writeInteger(NBDWire.allocationContextID)
                $0.writeString(NBDWire.allocationContext)
            }
        }
        replies.add(.ack)
    }

    /// u32 length, export name, u32 number of queries, then u32 length and text of each.
    private static func metaContextQuery(_ data: ByteBuffer) -> (name: String, queries: [String])? {
        var data = data
        guard let name = data.readNBDString(), let count = data.readInteger(as: UInt32.self) else { return nil }
        var queries: [String] = []
        // Each query takes 4 bytes of the data at least, so that a wrong count ends soon.
        for _ in 0..<count {
            guard let query = data.readNBDString() else { return nil }
            queries.append(query)
        }
        return data.readableBytes == 0 ? (name, queries) : nil
    }
}

/// The replies to one option.
struct NBDOptionReplies {
    private(set) var buffer = ByteBuffer()
    private let option: UInt32

    init(option: UInt32) { self.option = option }

    /// Adds a reply: u64 magic, u32 option, u32 type, u32 length, data.
    mutating func add(_ type: NBDWire.OptionReply, _ body: (inout ByteBuffer) -> Void = { _ in }) {
        var data = ByteBuffer()
        body(&data)
        buffer.writeInteger(NBDWire.optionReplyMagic)
        buffer.writeInteger(option)
        buffer.writeInteger(type.rawValue)
        buffer.writeInteger(UInt32(data.readableBytes))
        buffer.writeBuffer(&data)
    }

    /// Adds an error with a message for people.
    mutating func fail(_ type: NBDWire.OptionReply, _ message: String) {
        add(type) { $0.writeString(message) }
    }
}

extension ByteBuffer {
    /// A string after its u32 length; nil when it is incomplete or longer than the protocol's 4096 bytes.
    fileprivate mutating func readNBDString() -> String? {
        guard let length = readInteger(as: UInt32.self), length <= NBDExport.maximumStringLength else { return nil }
        return readString(length: Int(length))
    }
}

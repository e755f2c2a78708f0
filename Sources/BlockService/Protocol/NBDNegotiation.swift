/// The handshake of one connection: takes bytes, answers bytes, and ends in a session.
///
/// A value without I/O; the caller sends each reply before it asks for the next step.
struct NBDNegotiation {
    /// What one step led to.
    enum Step {
        /// More bytes are needed.
        case needsInput
        case reply([UInt8])
        /// The handshake is over.
        case enter(NBDSession, [UInt8])
        /// The client left, or does not speak the protocol.
        case close([UInt8])
    }

    static let maximumOptionLength: UInt32 = 64 << 10
    static let maximumOptions = 1024

    private let table: NBDExportTable
    /// Of the session's replies.
    private let pool: MemoryPool
    private var clientFlags: UInt16?
    private var optionCount = 0
    private(set) var hasStructuredReplies = false
    /// The export that `base:allocation` was selected for.
    private(set) var allocationExport: String?

    init(_ table: NBDExportTable, pool: MemoryPool) {
        self.table = table
        self.pool = pool
    }

    /// What the server sends first.
    static var greeting: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(big: NBDWire.serverMagic)
        bytes.append(big: NBDWire.optionMagic)
        bytes.append(big: NBDWire.HandshakeFlag.fixedNewstyle | NBDWire.HandshakeFlag.noZeroes)
        return bytes
    }

    /// Takes the client's flags or one option from the input.
    mutating func step(_ input: inout InputBuffer) -> Step {
        guard let clientFlags else {
            guard let flags = input.integer(as: UInt32.self) else { return .needsInput }
            input.skip(4)
            let known = NBDWire.HandshakeFlag.fixedNewstyle | NBDWire.HandshakeFlag.noZeroes
            guard flags & ~UInt32(known) == 0 else { return .close([]) }
            self.clientFlags = UInt16(truncatingIfNeeded: flags)
            return .reply([])
        }
        // Decided on the first bytes already: a client of another protocol is not waited for.
        if let magic = input.integer(as: UInt64.self), magic != NBDWire.optionMagic {
            return .close([])
        }
        guard
            let number = input.integer(at: 8, as: UInt32.self),
            let length = input.integer(at: 12, as: UInt32.self)
        else { return .needsInput }
        optionCount += 1
        guard length <= Self.maximumOptionLength, optionCount <= Self.maximumOptions else {
            return .close([])
        }
        guard input.count >= 16 + Int(length) else {
            optionCount -= 1
            return .needsInput
        }
        let data = input.bytes(at: 16, count: Int(length))
        input.skip(16 + Int(length))
        let option = NBDWire.Option(rawValue: number)
        if option == .exportName { return enterByName(data, padded: clientFlags & NBDWire.HandshakeFlag.noZeroes == 0) }
        // Without fixed newstyle a client does not understand option replies.
        guard clientFlags & NBDWire.HandshakeFlag.fixedNewstyle != 0 else { return .close([]) }
        var replies = NBDOptionReplies(option: number)
        switch option {
        case .abort:
            replies.add(.ack)
            return .close(replies.bytes)
        case .list: list(data, &replies)
        case .info, .go:
            if let export = info(data, &replies), option == .go {
                return .enter(session(export), replies.bytes)
            }
        case .structuredReply:
            if data.isEmpty {
                hasStructuredReplies = true
                replies.add(.ack)
            } else {
                replies.fail(.invalid, "this option has no data")
            }
        case .listMetaContext: listMetaContexts(data, &replies)
        case .setMetaContext: setMetaContexts(data, &replies)
        case .exportName, nil: replies.fail(.unsupported, "option \(number) is not supported")
        }
        return .reply(replies.bytes)
    }

    private func session(_ export: NBDExport) -> NBDSession {
        NBDSession(
            export: export, hasStructuredReplies: hasStructuredReplies,
            hasAllocationContext: allocationExport == export.name, pool: pool)
    }

    private func enterByName(_ data: [UInt8], padded: Bool) -> Step {
        guard let export = table.find(String(decoding: data, as: UTF8.self)) else { return .close([]) }
        let session = session(export)
        var reply: [UInt8] = []
        reply.append(big: export.source.size)
        reply.append(big: session.transmissionFlags)
        if padded { reply += [UInt8](repeating: 0, count: 124) }
        return .enter(session, reply)
    }

    private func list(_ data: [UInt8], _ replies: inout NBDOptionReplies) {
        guard data.isEmpty else { return replies.fail(.invalid, "this option has no data") }
        for export in table.exports {
            replies.add(.server) {
                $0.append(big: UInt32(export.name.utf8.count))
                $0.append(contentsOf: export.name.utf8)
                $0.append(contentsOf: export.description.utf8)
            }
        }
        replies.add(.ack)
    }

    /// Answers INFO or GO.
    ///
    /// - Returns: The export, unless an error was replied.
    private func info(_ data: [UInt8], _ replies: inout NBDOptionReplies) -> NBDExport? {
        var data = OptionReader(data)
        guard let name = data.string(), let count = data.integer(UInt16.self), data.remaining == Int(count) * 2
        else {
            replies.fail(.invalid, "the data is not a name and a list of information types")
            return nil
        }
        guard let export = table.find(name) else {
            replies.fail(.unknown, "there is no export \"\(name)\"")
            return nil
        }
        replies.add(.info) {
            $0.append(big: NBDWire.Info.export.rawValue)
            $0.append(big: export.source.size)
            $0.append(big: session(export).transmissionFlags)
        }
        var wanted: Set<UInt16> = []
        while let type = data.integer(UInt16.self) { wanted.insert(type) }
        if wanted.contains(NBDWire.Info.name.rawValue) {
            replies.add(.info) {
                $0.append(big: NBDWire.Info.name.rawValue)
                $0.append(contentsOf: export.name.utf8)
            }
        }
        if wanted.contains(NBDWire.Info.description.rawValue), !export.description.isEmpty {
            replies.add(.info) {
                $0.append(big: NBDWire.Info.description.rawValue)
                $0.append(contentsOf: export.description.utf8)
            }
        }
        if wanted.contains(NBDWire.Info.blockSize.rawValue) {
            replies.add(.info) {
                $0.append(big: NBDWire.Info.blockSize.rawValue)
                $0.append(big: NBDWire.minimumBlock)
                $0.append(big: session(export).preferredBlock)
                $0.append(big: NBDWire.maximumPayload)
            }
        }
        replies.add(.ack)
        return export
    }

    private func listMetaContexts(_ data: [UInt8], _ replies: inout NBDOptionReplies) {
        guard let (name, queries) = Self.metaContextQuery(data) else {
            return replies.fail(.invalid, "the data is not a name and a list of queries")
        }
        guard table.find(name) != nil else { return replies.fail(.unknown, "there is no export \"\(name)\"") }
        if queries.isEmpty || queries.contains("base:") || queries.contains(NBDWire.allocationContext) {
            replies.add(.metaContext) {
                $0.append(big: UInt32(0))
                $0.append(contentsOf: NBDWire.allocationContext.utf8)
            }
        }
        replies.add(.ack)
    }

    private mutating func setMetaContexts(_ data: [UInt8], _ replies: inout NBDOptionReplies) {
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
                $0.append(big: NBDWire.allocationContextID)
                $0.append(contentsOf: NBDWire.allocationContext.utf8)
            }
        }
        replies.add(.ack)
    }

    /// u32 length, export name, u32 number of queries, then u32 length and text of each.
    private static func metaContextQuery(_ data: [UInt8]) -> (name: String, queries: [String])? {
        var data = OptionReader(data)
        guard let name = data.string(), let count = data.integer(UInt32.self) else { return nil }
        var queries: [String] = []
        // Each query takes 4 bytes of the data at least, so that a wrong count ends soon.
        for _ in 0..<count {
            guard let query = data.string() else { return nil }
            queries.append(query)
        }
        return data.remaining == 0 ? (name, queries) : nil
    }
}

/// The replies to one option.
struct NBDOptionReplies {
    private(set) var bytes: [UInt8] = []
    private let option: UInt32

    init(option: UInt32) { self.option = option }

    /// Adds a reply: u64 magic, u32 option, u32 type, u32 length, data.
    mutating func add(_ type: NBDWire.OptionReply, _ body: (inout [UInt8]) -> Void = { _ in }) {
        var data: [UInt8] = []
        body(&data)
        bytes.append(big: NBDWire.optionReplyMagic)
        bytes.append(big: option)
        bytes.append(big: type.rawValue)
        bytes.append(big: UInt32(data.count))
        bytes += data
    }

    /// Adds an error with a message for people.
    mutating func fail(_ type: NBDWire.OptionReply, _ message: String) {
        add(type) { $0.append(contentsOf: message.utf8) }
    }
}

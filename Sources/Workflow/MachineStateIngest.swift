import ContentStore
import VMState

/// Takes a migration stream into the store: its pages into memory trees, the rest into one blob.
struct MachineStateIngest {
    /// What a stream became.
    struct Result {
        let stream: MigrationStream
        /// Memory trees by RAM block.
        let ram: [String: TreeRoot]
        /// The stream without its pages.
        let state: Digest
    }

    let ingest: Ingest

    func read(_ source: some ByteSource) throws -> Result {
        var sink = StoringPageSink(ingest: ingest)
        let stream = try unwrapping { try MigrationStreamReader(source).read(pages: &sink) }
        let ram = try sink.finish()
        return Result(stream: stream, ram: ram, state: try put(stream))
    }

    /// Stores a stream without its pages.
    func put(_ stream: MigrationStream) throws -> Digest {
        try ingest.putBlob(stream.skeleton())
    }

    /// Runs `body`; an error of the store that went through the stream reader comes out as itself.
    private func unwrapping<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as VMStateError {
            if error.code == .pages, let underlying = error.underlying { throw underlying }
            throw error
        }
    }
}

/// Puts the pages of a stream into memory trees, one a RAM block.
private struct StoringPageSink: RAMPageSink {
    let ingest: Ingest
    private var editors: [TreeEditor] = []
    private var blocks: [RAMBlock] = []

    init(ingest: Ingest) { self.ingest = ingest }

    mutating func begin(blocks: [RAMBlock]) throws {
        self.blocks = blocks
        editors = try blocks.map { try ingest.edit(nil, kind: .memory, length: $0.usedLength) }
    }

    mutating func data(block: Int, page: UInt64, bytes: RawSpan) throws {
        let editor = editors[block]
        try bytes.withUnsafeBytes { try editor.write($0, at: page * UInt64(StreamFormat.pageSize)) }
    }

    mutating func zero(block: Int, page: UInt64) throws {
        try editors[block].zero(at: page * UInt64(StreamFormat.pageSize), length: UInt64(StreamFormat.pageSize))
    }

    func finish() throws -> [String: TreeRoot] {
        var roots: [String: TreeRoot] = [:]
        for (block, editor) in zip(blocks, editors) { roots[block.idstr] = try editor.finish() }
        return roots
    }
}

import ContentStore
import Conversion
import Hypervisor
import VMState

/// Takes a machine state into the store: its pages into memory trees, the rest into one blob.
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

    /// Takes a whole stream.
    func read(_ source: some ByteSource) throws -> Result {
        try read(MigrationStreamReader(source), mainMemory: nil)
    }

    /// Takes a stream that leaves out main memory, which is in the ingest already.
    func read(_ source: some ByteSource, mainMemory: TreeRoot) throws -> Result {
        var reader = MigrationStreamReader(source)
        reader.sharedBlocks = [MachineConfiguration.mainMemoryBlock]
        return try read(reader, mainMemory: mainMemory)
    }

    /// Takes main memory as it is now: the guest must stand still.
    ///
    /// All cores hash; only pages that the store lacks are compressed and written. What the file does not allocate is not
    /// looked at.
    func capture(_ memory: SharedMemory) throws -> TreeRoot {
        let editor = try ingest.edit(nil, kind: .memory, length: memory.size)
        try memory.forEachPart { offset, bytes in try editor.write(bytes, at: offset) }
        return try editor.finish()
    }

    /// Stores a stream without its pages.
    func put(_ stream: MigrationStream) throws -> Digest {
        try ingest.putBlob(stream.skeleton())
    }

    /// Memory trees of a converted snapshot: those of the original, with the pages that the conversion changed.
    ///
    /// Only the changed pages and the nodes above them are read and written.
    func edit(_ ram: [String: TreeRoot], _ result: SnapshotConverter.Result) throws -> [String: TreeRoot] {
        guard !result.changedPages.isEmpty else { return ram }
        let map = try GuestPhysicalMap(result.stream)
        var editors: [String: TreeEditor] = [:]
        let pageSize = UInt64(StreamFormat.pageSize)
        for (page, bytes) in result.changedPages.sorted(by: { $0.key < $1.key }) {
            guard let place = map.locate(page * pageSize), let root = ram[place.block] else {
                throw WorkflowError(
                    .malformed, "The conversion changed page \(page) of the guest's memory, which is no RAM.")
            }
            let editor = try editors[place.block] ?? ingest.edit(root, kind: .memory, length: root.length)
            editors[place.block] = editor
            try editor.write(bytes, at: place.offset)
        }
        return try ram.merging(editors.mapValues { try $0.finish() }) { $1 }
    }

    private func read(_ reader: MigrationStreamReader<some ByteSource>, mainMemory: TreeRoot?) throws -> Result {
        var sink = StoringPageSink(ingest: ingest)
        let stream = try unwrapping { try reader.read(pages: &sink) }
        var ram = try sink.finish()
        if let mainMemory {
            guard let block = stream.mainRAM, block.usedLength == mainMemory.length else {
                throw WorkflowError(
                    .malformed,
                    "QEMU's machine state has \(stream.mainRAM?.usedLength ?? 0) bytes of main memory, but the guest's "
                        + "memory has \(mainMemory.length).")
            }
            ram[block.idstr] = mainMemory
        }
        return Result(stream: stream, ram: ram, state: try put(stream))
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

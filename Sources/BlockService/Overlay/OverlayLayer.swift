import Glibc
import Synchronization

/// One file of an overlay with its map.
final class OverlayLayer: Sendable {
    struct Changes {
        /// Sectors of the map that differ from the file's.
        var unwritten: Set<Int> = []
        /// Sectors that say anything.
        var touched: Set<Int> = []
    }

    private struct Flushes {
        var begun: UInt64 = 0
        var ended: UInt64 = 0
        /// What the first one that failed said. What it was to make durable may be lost, so there are no more.
        var failure: BlockServiceError?
    }

    let number: Int
    let header: OverlayHeader
    let map: OverlayMap
    let file: OverlayFile
    private let changes = Mutex(Changes())
    private let flushes = Monitor(Flushes())

    private init(number: Int, header: OverlayHeader, map: OverlayMap, file: OverlayFile) {
        self.number = number
        self.header = header
        self.map = map
        self.file = file
    }

    static func path(_ number: Int, in directory: String) -> String {
        let digits = String(number)
        return directory + "/layer-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
    }

    /// The number of a layer from the name of its file.
    static func number(of name: String) -> Int? {
        guard name.hasPrefix("layer-"), name.utf8.count == 14, name.dropFirst(6).allSatisfy({ ("0"..."9") ~= $0 })
        else { return nil }
        return Int(name.dropFirst(6))
    }

    /// Makes an empty layer, durably.
    static func create(
        _ number: Int, in directory: String, _ header: OverlayHeader
    ) throws(BlockServiceError) -> OverlayLayer {
        let layer = try begin(number, in: directory, header)
        try layer.file.synchronize()
        try layer.takeName()
        return layer
    }

    /// Makes an empty layer, which an opening deletes until it has its name.
    static func begin(
        _ number: Int, in directory: String, _ header: OverlayHeader
    ) throws(BlockServiceError) -> OverlayLayer {
        let path = path(number, in: directory)
        unlink(path + ".new")
        let map = try OverlayMap(diskSize: header.diskSize)
        let file = try OverlayFile(path, openedAs: path + ".new", flags: O_RDWR | O_CREAT | O_EXCL)
        try file.resize(to: header.dataOffset + header.diskSize)
        try file.write(header.bytes, at: 0)
        return OverlayLayer(number: number, header: header, map: map, file: file)
    }

    /// Gives a layer that was begun, and is durable, its name; replaces the layer that has it.
    func takeName() throws(BlockServiceError) {
        guard rename(file.path + ".new", file.path) == 0 else { throw .system("naming \(file.path)") }
    }

    /// Opens a layer and reads its map.
    ///
    /// - Throws: `.damaged`, `.unsupportedVersion`, `.io`.
    static func open(_ number: Int, in directory: String) throws(BlockServiceError) -> OverlayLayer {
        let file = try OverlayFile(path(number, in: directory), flags: O_RDWR)
        let header = try OverlayHeader(parsing: file.bytes(OverlayHeader.size, at: 0), path: file.path)
        // It had this size before its name. What is cut off would count as holes, of the map too.
        guard try file.size() >= header.dataOffset + header.diskSize else {
            throw BlockServiceError(
                .damaged, "\(file.path) was cut short; throw the overlay away, or restore it from a copy")
        }
        let layer = OverlayLayer(
            number: number, header: header, map: try OverlayMap(diskSize: header.diskSize), file: file)
        try layer.loadMap()
        return layer
    }

    private func loadMap() throws(BlockServiceError) {
        let end = OverlayHeader.mapOffset + UInt64(header.mapSectors * OverlayMap.sectorSize)
        var touched: Set<Int> = []
        var position = OverlayHeader.mapOffset
        // A page of the file at a time; holes are skipped.
        while let data = file.nextData(from: position, end: end) {
            let start = max(OverlayHeader.mapOffset, data & ~4095)
            let bytes = try file.bytes(Int(min(4096, end - start)), at: start)
            for index in 0..<bytes.count / OverlayMap.sectorSize {
                let sector = Int((start - OverlayHeader.mapOffset) / UInt64(OverlayMap.sectorSize)) + index
                let piece = Array(bytes[index * OverlayMap.sectorSize..<(index + 1) * OverlayMap.sectorSize])
                guard let saysAnything = map.load(sector: sector, piece) else {
                    throw BlockServiceError(
                        .damaged,
                        "sector \(sector) of the map of \(file.path) is damaged; throw the overlay away, or restore it from a copy"
                    )
                }
                if saysAnything { touched.insert(sector) }
            }
            position = start + 4096
        }
        changes.withLock { $0.touched = touched }
    }

    /// Makes this the lowest layer, durably.
    func rebase(onto base: String) throws(BlockServiceError) {
        try file.write(OverlayHeader(diskSize: header.diskSize, base: base).bytes, at: 0)
        // As a flush: the system tells of lost writes once, and this may be the layer that takes them.
        try flush()
    }

    // MARK: Data

    /// Reads blocks that are data.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(BlockServiceError) {
        guard try file.read(into: buffer, at: header.dataOffset + offset) == buffer.count else {
            throw BlockServiceError(.damaged, "\(file.path) ends before its data; restore it from a copy")
        }
    }

    /// Reads blocks that are data, if the system has them in memory.
    func readIfReady(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) -> Bool {
        let position = off_t(clamping: header.dataOffset + offset)
        return SystemCalls.readCached(file.descriptor, buffer, offset: position) == buffer.count
    }

    /// Writes pieces, and then says that the blocks are data.
    func write(
        _ pieces: [UnsafeRawBufferPointer], at offset: UInt64, blocks: Range<UInt64>
    ) throws(BlockServiceError) {
        try file.write(pieces, at: header.dataOffset + offset)
        mark(.data, blocks)
    }

    func mark(_ state: OverlayMap.State, _ blocks: Range<UInt64>) {
        changes.withLock { changes in
            map.set(state, blocks: blocks) {
                changes.unwritten.insert($0)
                changes.touched.insert($0)
            }
        }
    }

    /// Whether nothing was ever written.
    var isEmpty: Bool { changes.withLock { $0.touched.isEmpty } }

    /// The sectors that say anything.
    var touchedSectors: Set<Int> { changes.withLock { $0.touched } }

    // MARK: Durability

    /// Makes durable what was written before the call. Callers that come while one is at work share the next one.
    ///
    /// - Throws: `.closed` after a flush has failed, for ever.
    func flush() throws(BlockServiceError) {
        // A flush that begins after this call is wanted. Its thread is the first that finds no other at work.
        let wanted = flushes.withLock { $0.begun + 1 }
        let isMine = flushes.wait { state -> Bool? in
            if state.ended >= wanted || state.failure != nil { return false }
            guard state.begun == state.ended else { return nil }
            state.begun += 1
            return true
        }
        try checkHealth()
        guard isMine else { return }
        var failure: BlockServiceError?
        do throws(BlockServiceError) { try flushNow() } catch { failure = error }
        flushes.withLock {
            $0.ended = $0.begun
            $0.failure = failure
        }
        flushes.broadcast()
        if let failure { throw failure }
    }

    /// - Throws: `.closed` after a flush has failed.
    func checkHealth() throws(BlockServiceError) {
        guard let failure = flushes.withLock({ $0.failure }) else { return }
        throw BlockServiceError(
            .closed,
            "a flush of \(file.path) failed, so it takes no more writes; free space if it lacks, and open it anew",
            cause: failure.description)
    }

    /// Sectors of the map that are copied at a time.
    private static let sectorsAtOnce = 4096

    private func flushNow() throws(BlockServiceError) {
        var waiting = changes.withLock { changes in
            defer { changes.unwritten = [] }
            return changes.unwritten.sorted()
        }
        repeat {
            let numbers = Array(waiting.prefix(Self.sectorsAtOnce))
            // Copied before the data is synchronized: what they call data was written.
            let sectors = changes.withLock { _ in numbers.map { map.sector($0) } }
            try file.synchronize()
            guard !numbers.isEmpty else { return }
            var first = 0
            while first < numbers.count {
                var end = first + 1
                while end < numbers.count, numbers[end] == numbers[end - 1] + 1 { end += 1 }
                let offset = OverlayHeader.mapOffset + UInt64(numbers[first] * OverlayMap.sectorSize)
                try file.write(Array(sectors[first..<end].joined()), at: offset)
                first = end
            }
            waiting.removeFirst(numbers.count)
        } while !waiting.isEmpty
        try file.synchronize()
    }
}
